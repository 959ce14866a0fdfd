"""The admin page of the queue: cleaning up, and the operations on many jobs, which the dashboard shows too."""

from uuid import UUID

import reflex as rx

from jobs_app import runtime
from jobs_app.live.effects import Effect
from jobs_app.live.notify import notify
from jobs_app.ui import formats
from runlane.bulk.service import AFFECTED, CONFIRMATION, Action, needs_confirmation
from runlane.errors import InvalidInput, JobsError, OperationNotFound
from runlane.kinds.catalogue import catalogue
from runlane.model.status import TERMINAL, JobStatus
from runlane.search.matching import JobFilter
from runlane.search.query import parse
from runlane.text import counted

BLANK = {"status": "completed", "kind": "", "age": ""}
VERBS: dict[str, str] = {
    "clean": "Remove",
    "obliterate": "Remove",
    "retry": "Retry",
    "promote": "Start",
    "cancel": "Cancel",
    "delete": "Delete",
}


class AdminQueue(rx.State):
    """One tab's form for an operation on many jobs, and its confirmation."""

    form: dict[str, str] = dict(BLANK)
    wrong: str = ""
    action: str = ""
    """The action that waits for confirmation; empty: none does."""
    title: str = ""
    preview: str = ""
    typed: str = ""
    needs_word: bool = False
    """Whether the action removes everything, so that ``CONFIRMATION`` has to be typed."""
    _chosen: JobFilter = JobFilter()

    @rx.var
    def may_go(self) -> bool:
        """Whether the action may begin; one that removes everything needs a word typed."""
        return not self.needs_word or self.typed.strip().lower() == CONFIRMATION

    @rx.event
    def load(self) -> None:
        self.form, self.wrong, self.action, self.typed = dict(BLANK), "", "", ""

    @rx.event
    def fill(self, name: str, value: str) -> None:
        if name in BLANK:
            self.form = {**self.form, name: value[:100]}

    @rx.event
    async def ask(self) -> Effect:
        """Show what the form would remove."""
        try:
            chosen = _chosen(self.form)
        except InvalidInput as error:
            self.wrong = error.errors[0].message
            return None
        return await self._ask("clean", chosen)

    @rx.event
    async def ask_ready(self, action: str, statuses: str) -> Effect:
        if action not in AFFECTED:
            return None
        known = tuple(JobStatus(name) for name in statuses.split(",") if name in set(JobStatus))
        return await self._ask(action, JobFilter(statuses=known))

    @rx.event
    async def ask_obliterate(self) -> Effect:
        return await self._ask("obliterate", JobFilter())

    @rx.event
    def type_word(self, typed: str) -> None:
        self.typed = typed[:50]

    @rx.event
    def forget_question(self, is_open: bool) -> None:
        if not is_open:
            self.action = self.typed = ""

    @rx.event
    async def go(self) -> Effect:
        """Begin the action that was confirmed."""
        action, may_go = self.action, self.may_go
        self.action = self.typed = ""
        if action not in AFFECTED or not may_go:
            return None
        try:
            await runtime.current().operations.begin(action, self._chosen)
        except JobsError as error:
            return await notify(self, "error", error.message)
        return None

    @rx.event
    async def stop(self, operation_id: str) -> Effect:
        try:
            await runtime.current().operations.stop(_parse_id(operation_id))
        except JobsError as error:
            return await notify(self, "error", error.message)
        return None

    @rx.event
    async def undo(self, operation_id: str) -> Effect:
        """Bring back what an operation deleted."""
        try:
            await runtime.current().operations.undo(_parse_id(operation_id))
        except JobsError as error:
            return await notify(self, "error", error.message)
        return None

    async def _ask(self, action: Action, chosen: JobFilter) -> Effect:
        self.wrong = ""
        try:
            found = await runtime.current().operations.preview(action, chosen)
        except JobsError as error:
            return await notify(self, "error", error.message)
        left = ", ".join(f"{number:,} {status}" for status, number in found.left_alone.items())
        left = f" Left alone: {left}." if left else ""
        if not found.affected:
            return await notify(self, "info", f"There is no job to {VERBS[action].lower()}.{left}")
        jobs = counted(found.affected, "job")
        self._chosen, self.action, self.typed = chosen, action, ""
        self.needs_word = needs_confirmation(action, chosen)
        self.title = f"{VERBS[action]} {jobs}"
        self.preview = f"About {formats.size(found.bytes)}, with their timelines and files.{left}"
        if action in ("clean", "obliterate"):
            self.preview += " This cannot be undone."
        return None


def _chosen(form: dict[str, str]) -> JobFilter:
    """The jobs that the form selects.

    Raises:
        InvalidInput: the age cannot be read, or the status or kind is not one of the lists.
    """
    status, kind, age = form["status"], form["kind"], form["age"].strip()
    if status not in set(JobStatus) or kind not in {"", *(each.name for each in catalogue())}:
        raise InvalidInput.of("status", "Choose a status and a kind from the lists.")
    term = f"{'finished_before' if JobStatus(status) in TERMINAL else 'before'}:{age}" if age else ""
    try:
        parse(term)
    except InvalidInput as exc:
        raise InvalidInput.of("age", "The age must be a duration such as 30m, 12h or 7d, or a date.") from exc
    return JobFilter(statuses=(JobStatus(status),), kinds=(kind,) if kind else (), text=term)


def _parse_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as exc:
        raise OperationNotFound(text[:40]) from exc
