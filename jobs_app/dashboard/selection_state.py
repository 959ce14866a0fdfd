"""Rows that a person has selected, and what they do with all of them at once.

An action is previewed, confirmed, then done on the server job by job while the page shows how far it is; it can be
stopped. What was left alone is told with its reason, and a deletion can be undone.
"""

import asyncio
import time
from typing import Any
from uuid import UUID

import reflex as rx

from jobs_app import routes, runtime
from jobs_app.live.notify import notify
from runlane.core.deletion import UNDO_WITHIN
from runlane.core.service import BulkAction, BulkOutcome
from runlane.errors import JobsError
from runlane.model.status import JobStatus
from runlane.search.matching import JobFilter
from runlane.text import counted

SHOW_EVERY_S = 0.2
REASONS_SHOWN = 20
MOST_SELECTED = 200
"""As many as an address of an export holds; what is done to more of them, the server does by itself."""
ACTIONS: dict[BulkAction, str] = {
    "cancel": "cancelled",
    "retry": "retried",
    "promote": "started sooner",
    "delete": "deleted",
}
"""What can be done with many jobs, and how the result tells it."""


class Selection(rx.State):
    """One tab's selected rows, and the action on them."""

    selected: list[str] = []
    whole: bool = False
    """Not only the selected rows: every job that matches the list's filter."""
    matching: int = 0
    """How many the filter means, as far as it was counted; 0: not yet."""
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
    _stop: bool = False
    _deleted: list[UUID] = []

    @rx.var
    def matching_words(self) -> str:
        return f"{self.matching:,}" if self.matching else ""

    @rx.event
    async def toggle(self, job_id: str, pointer: dict[str, Any]):
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
    async def toggle_page(self):
        """Select every row that is shown, or none if all are."""
        shown, selected = set(await self._shown()), set(self.selected)
        return await self._select(selected - shown if shown <= selected else selected | shown)

    @rx.event(background=True, supersedes=True)
    async def count_matching(self):
        """Know how many jobs could be selected, for the offer to select them all."""
        async with self:
            wanted = await self._filter()
        try:
            matching = await _count(wanted)
        except JobsError:
            return  # the offer is made without a number
        async with self:
            self.matching = matching

    @rx.event
    async def select_all_matching(self):
        """Select every job that the list's filter means, on all its pages."""
        try:
            self.matching = await _count(await self._filter())
        except JobsError as error:
            return await notify(self, "error", error.message)
        self.whole = True
        return None

    @rx.event
    def clear(self):
        self.forget()

    @rx.event
    async def ask(self, action: str):
        """Show what ``action`` would do, before it is done."""
        if action not in ACTIONS or not self.selected:
            return None
        self._group = None
        try:
            preview = await runtime.jobs().preview(action, **await self._chosen())
        except JobsError as error:
            return await notify(self, "error", error.message)
        self.action, self.affected = action, preview.affected
        self.left_alone = [f"{number} {status}" for status, number in preview.left_alone.items()]
        return None

    @rx.event
    async def ask_group(self, kind: str, fingerprint: str):
        """Show what retrying every failure of one cause would do."""
        self.forget()
        wanted = JobFilter(statuses=(JobStatus.FAILED,), kinds=(kind,), text=f'failure:"{fingerprint[:40]}"')
        try:
            preview = await runtime.jobs().preview("retry", job_filter=wanted)
        except JobsError as error:
            return await notify(self, "error", error.message)
        self._group, self.action, self.affected, self.left_alone = wanted, "retry", preview.affected, []
        return None

    @rx.event
    def forget_question(self, is_open: bool):
        if not is_open:
            self.action = ""

    @rx.event(background=True)
    async def go(self):
        """Do what was asked, job by job."""
        async with self:
            action, self.action = self.action, ""
            if action not in ACTIONS or self.working:
                return
            if self.affected > MOST_SELECTED:
                return await self._hand_over(action)
            chosen, self.total = await self._chosen(), await self._number_chosen()
            self.working, self.done, self._stop, self.report, self.reasons = True, 0, False, "", []
            self.undoable, self._deleted = False, []
        outcome, trouble = BulkOutcome(), ""
        shown_at = time.monotonic()
        try:
            async for outcome in runtime.jobs().bulk_steps(action, **chosen):
                if time.monotonic() - shown_at > SHOW_EVERY_S:
                    shown_at = time.monotonic()
                    async with self:
                        self.done = outcome.matched
                        if self._stop:
                            break
        except JobsError as error:
            trouble = f" Then it stopped: {error.message}"
        async with self:
            self._tell(action, outcome, trouble)
        if action == "delete" and outcome.done:
            await asyncio.sleep(UNDO_WITHIN.total_seconds())
            async with self:
                if self._deleted == outcome.done_ids:
                    self.undoable = False

    @rx.event
    def stop(self):
        self._stop = True

    @rx.event
    async def undo(self):
        """Bring back what the last action deleted."""
        ids, self._deleted, self.undoable = self._deleted, [], False
        outcome = await runtime.jobs().bulk("restore", ids=ids)
        self.report = f"{counted(outcome.done, 'job')} {'is' if outcome.done == 1 else 'are'} back."
        self.reasons = [f"{skipped.reason}" for skipped in outcome.skipped[:REASONS_SHOWN]]

    @rx.event
    def dismiss(self):
        self.report, self.reasons, self.undoable = "", [], False

    def _follow(self, listed: list[str], job_filter: JobFilter) -> None:
        """Take note of what the list shows; with another filter than before, nothing stays selected."""
        if job_filter != self._list_filter:
            self.forget()
        self._listed, self._list_filter = listed, job_filter

    def forget(self) -> None:
        """Select nothing."""
        self.selected, self.whole, self.matching, self._anchor = [], False, 0, ""
        self.action, self._group = "", None

    async def _hand_over(self, action: BulkAction) -> Any:
        """Have the server do it: many jobs take long, and a page may be closed."""
        wanted = self._group or await self._filter()
        self.forget()
        try:
            operation = await runtime.current().operations.begin(action, wanted)
        except JobsError as error:
            return await notify(self, "error", error.message)
        return await notify(
            self, "info", f"The server does it: {counted(operation.total, 'job')}, seen above the list."
        )

    async def _select(self, ids: set[str]) -> Any:
        """Select these and no others; what there is besides is counted when they are the first."""
        if len(ids) > MOST_SELECTED:
            many = f"Up to {MOST_SELECTED} rows can be selected by hand. For more, select all that match."
            return await notify(self, "error", many)
        were_none, self.selected, self.whole = not self.selected, sorted(ids), False
        return Selection.count_matching if were_none and ids else None

    def _tell(self, action: BulkAction, outcome: BulkOutcome, trouble: str) -> None:
        self.working = False
        stopped = f" Stopped after {outcome.matched}." if self._stop else ""
        left = f" {len(outcome.skipped)} left alone." if outcome.skipped else ""
        self.report = f"{outcome.done} of {counted(outcome.matched, 'job')} {ACTIONS[action]}.{left}{stopped}{trouble}"
        self.reasons = [skipped.reason for skipped in outcome.skipped[:REASONS_SHOWN]]
        if action == "delete":
            self._deleted, self.undoable = outcome.done_ids, bool(outcome.done_ids)
        self.forget()

    async def _number_chosen(self) -> int:
        if self._group is not None:
            return self.affected
        return self.matching if self.whole else len(self.selected)

    async def _chosen(self) -> dict[str, Any]:
        if self._group is not None:
            return {"job_filter": self._group}
        if self.whole:
            return {"job_filter": await self._filter()}
        return {"ids": [routes.parse_job_id(job_id) for job_id in self.selected]}

    async def _filter(self) -> JobFilter:
        return self._list_filter

    async def _shown(self) -> list[str]:
        return self._listed


async def _count(wanted: JobFilter) -> int:
    """How many jobs match; those of a status are counted already."""
    store = runtime.jobs().store
    if wanted.text:
        return await store.count(wanted)
    counts = await store.counts()
    return sum(counts[status] for status in wanted.statuses or counts)
