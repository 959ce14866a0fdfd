"""Rows that a person has selected, and what they do with all of them at once.

What is done, how far it is, and what can be undone is an operation's, see ``runlane.bulk``. This tab starts it and
shows it: a small one is done while the tab waits, with its report here; a larger one is left to the server, and shown
on every page.
"""

import asyncio
from typing import Any, Literal
from uuid import UUID

import reflex as rx

from jobs_app import routes, runtime
from jobs_app.live.effects import Effect
from jobs_app.live.notify import notify
from runlane.bulk.service import MAX_UNLISTED, OperationReport
from runlane.bulk.store import Operation
from runlane.core.deletion import UNDO_WITHIN
from runlane.errors import JobsError
from runlane.model.status import JobStatus
from runlane.search.matching import JobFilter
from runlane.text import counted

REASONS_SHOWN = 20
# As many as the address of an export can hold.
MAX_SELECTED = 200
ListAction = Literal["cancel", "retry", "promote", "delete"]
# What can be done with many jobs, and the word of its report.
ACTIONS: dict[ListAction, str] = {
    "cancel": "cancelled",
    "retry": "retried",
    "promote": "started sooner",
    "delete": "deleted",
}


class Selection(rx.State):
    """One tab's selected rows, and the action on them."""

    selected: list[str] = []
    whole: bool = False
    """Not only the selected rows: every job that matches the list's filter."""
    matching: int = 0
    """How many jobs match the filter; 0: not counted yet."""
    action: str = ""
    """What the person is asked to confirm; empty when nothing is."""
    affected: int = 0
    left_alone: list[str] = []
    working: bool = False
    done: int = 0
    total: int = 0
    report: str = ""
    reasons: list[str] = []
    undoable: bool = False
    _listed: list[str] = []
    """The rows of the list that can be selected, in its order."""
    _list_filter: JobFilter = JobFilter()
    """What the list shows, on all its pages."""
    _anchor: str = ""
    _group: JobFilter | None = None
    """The failures of one cause, when the question is about those."""
    _operation: UUID | None = None
    """What is being done, or was done last."""

    @rx.var
    def matching_text(self) -> str:
        return f"{self.matching:,}" if self.matching else ""

    @rx.event
    async def toggle(self, job_id: str, pointer: dict[str, Any]) -> Effect:
        """Select or deselect a row; with shift, every row from the one before to this one."""
        shown = await self._shown()
        if job_id not in shown:
            return None
        select = job_id not in self.selected
        ids = {job_id}
        if pointer.get("shift_key") and self._anchor in shown:
            first, last = sorted((shown.index(self._anchor), shown.index(job_id)))
            ids = set(shown[first : last + 1])
        self._anchor = job_id
        return await self._select({*self.selected, *ids} if select else set(self.selected) - ids)

    @rx.event
    async def toggle_page(self) -> Effect:
        """Select every row that is shown, or none if all are."""
        shown, selected = set(await self._shown()), set(self.selected)
        return await self._select(selected - shown if shown <= selected else selected | shown)

    @rx.event(background=True, supersedes=True)
    async def count_matching(self) -> None:
        """Count the jobs that could be selected, for the offer to select them all."""
        async with self:
            job_filter = await self._filter()
        try:
            matching = await _count(job_filter)
        except JobsError:
            return  # the offer is made without a number
        async with self:
            self.matching = matching

    @rx.event
    async def select_all_matching(self) -> Effect:
        """Select every job that matches the list's filter, on all its pages."""
        try:
            self.matching = await _count(await self._filter())
        except JobsError as error:
            return await notify(self, "error", error.message)
        self.whole = True
        return None

    @rx.event
    def clear(self) -> None:
        self.forget()

    @rx.event
    async def ask(self, action: str) -> Effect:
        """Show what ``action`` would do, before it is done."""
        if action not in ACTIONS or not self.selected:
            return None
        self._group = None
        try:
            preview = await runtime.current().operations.preview(action, await self._chosen(), weigh=False)
        except JobsError as error:
            return await notify(self, "error", error.message)
        self.action, self.affected = action, preview.affected
        self.left_alone = [f"{number} {status}" for status, number in preview.left_alone.items()]
        return None

    @rx.event
    async def ask_group(self, kind: str, fingerprint: str) -> Effect:
        """Show what retrying every failure of one cause would do."""
        self.forget()
        job_filter = JobFilter(statuses=(JobStatus.FAILED,), kinds=(kind,), text=f'failure:"{fingerprint[:40]}"')
        try:
            preview = await runtime.current().operations.preview("retry", job_filter, weigh=False)
        except JobsError as error:
            return await notify(self, "error", error.message)
        self._group, self.action, self.affected, self.left_alone = job_filter, "retry", preview.affected, []
        return None

    @rx.event
    def forget_question(self, is_open: bool) -> None:
        if not is_open:
            self.action = ""

    @rx.event(background=True)
    async def confirm(self) -> Effect:
        """Do what the person has confirmed."""
        async with self:
            action, self.action = self.action, ""
            if action not in ACTIONS or self.working:
                return None
            job_filter = await self._chosen()
            if self.affected > MAX_UNLISTED:
                return await self._hand_to_server(action, job_filter)
            self.total = await self._number_chosen()
            self.working, self.done, self.report, self.reasons = True, 0, "", []
            self.undoable, self._operation = False, None

        async def show_progress(operation: Operation) -> None:
            async with self:
                self._operation, self.done = operation.id, operation.done + operation.left_alone

        try:
            report = await runtime.current().operations.do(action, job_filter, show_progress)
        except JobsError as error:
            async with self:
                self._show_failure(error)
            return None
        async with self:
            self._show(action, report)
        if action == "delete" and report.done:
            await asyncio.sleep(UNDO_WITHIN.total_seconds())
            async with self:
                if self._operation == report.operation:
                    self.undoable = False
        return None

    @rx.event
    async def stop(self) -> Effect:
        """Stop after the present job."""
        if self._operation is None:
            return None
        try:
            await runtime.current().operations.stop(self._operation)
        except JobsError as error:
            return await notify(self, "error", error.message)
        return None

    @rx.event
    async def undo_deletion(self) -> Effect:
        """Undo the deletion that was done last."""
        operation, self._operation, self.undoable = self._operation, None, False
        if operation is None:
            return None
        try:
            report = await runtime.current().operations.undo_here(operation)
        except JobsError as error:
            return await notify(self, "error", error.message)
        self.report, self.reasons = f"{counted(report.done, 'job')} {'is' if report.done == 1 else 'are'} back.", []
        return None

    @rx.event
    def dismiss(self) -> None:
        self.report, self.reasons, self.undoable = "", [], False

    def _follow(self, listed: list[str], job_filter: JobFilter) -> None:
        """Keep what the list shows; with another filter than before, nothing stays selected."""
        if job_filter != self._list_filter:
            self.forget()
        self._listed, self._list_filter = listed, job_filter

    def forget(self) -> None:
        """Select nothing."""
        self.selected, self.whole, self.matching, self._anchor = [], False, 0, ""
        self.action, self._group = "", None

    async def _hand_to_server(self, action: ListAction, job_filter: JobFilter) -> Effect:
        """Have the server do it: many jobs take long, and the page may be closed before they are done."""
        self.forget()
        try:
            operation = await runtime.current().operations.begin(action, job_filter)
        except JobsError as error:
            return await notify(self, "error", error.message)
        return await notify(
            self, "info", f"The server does it: {counted(operation.total, 'job')}, seen above the list."
        )

    async def _select(self, ids: set[str]) -> Effect:
        """Select these and no others; the jobs that match besides are counted when they are the first."""
        if len(ids) > MAX_SELECTED:
            message = f"Up to {MAX_SELECTED} rows can be selected by hand. For more, select all that match."
            return await notify(self, "error", message)
        were_none, self.selected, self.whole = not self.selected, sorted(ids), False
        return Selection.count_matching if were_none and ids else None

    def _show(self, action: ListAction, report: OperationReport) -> None:
        self.working = False
        stopped = f" Stopped after {report.matched}." if report.stopped else ""
        left = f" {len(report.left_alone)} left alone." if report.left_alone else ""
        self.report = f"{report.done} of {counted(report.matched, 'job')} {ACTIONS[action]}.{left}{stopped}"
        self.reasons = [each.reason for each in report.left_alone[:REASONS_SHOWN]]
        self._operation, self.undoable = report.operation, action == "delete" and report.done > 0
        self.forget()

    def _show_failure(self, error: JobsError) -> None:
        self.working = False
        begun = f"{self.done} of {counted(self.total, 'job')} done so far; the server goes on as soon as it can."
        self.report = f"{error.message} {'Nothing was done.' if self._operation is None else begun}"
        self.forget()

    async def _number_chosen(self) -> int:
        if self._group is not None:
            return self.affected
        return self.matching if self.whole else len(self.selected)

    async def _chosen(self) -> JobFilter:
        if self._group is not None:
            return self._group
        if self.whole:
            return await self._filter()
        return JobFilter(ids=tuple(routes.parse_job_id(job_id) for job_id in self.selected))

    async def _filter(self) -> JobFilter:
        return self._list_filter

    async def _shown(self) -> list[str]:
        return self._listed


async def _count(job_filter: JobFilter) -> int:
    """How many jobs match; those of a status are counted already."""
    reader = runtime.current().reader
    if job_filter.text:
        return await reader.count(job_filter)
    counts = await runtime.current().counts.all()
    return sum(counts[status] for status in job_filter.statuses or counts)
