"""The page that compares two runs."""

from typing import TYPE_CHECKING

import reflex as rx

from jobs_app import routes, runtime
from jobs_app.compare import comparison
from jobs_app.compare.comparison import Pair, StepPair
from jobs_app.job.timeline import rows as timeline_rows
from jobs_app.job.timeline.rows import SHOWN_STATUS_ROWS
from jobs_app.live import rooms
from jobs_app.live.arrival import join
from jobs_app.ui import job_rows
from jobs_app.ui.job_rows import EMPTY_ROW, Row
from runlane.errors import JobsError
from runlane.model.snapshot import JobEvent, JobSnapshot
from runlane.model.status import EventType, JobStatus
from runlane.search.matching import JobFilter

CHOICES = 20
MAX_STEPS = 2000


class Comparison(rx.State):
    """One tab's comparison of the job in its address with another one."""

    left: Row = EMPTY_ROW
    right: Row = EMPTY_ROW
    choices: list[Row] = []
    """Other runs of the kind, newest first."""
    facts: list[Pair] = []
    params: list[Pair] = []
    steps: list[StepPair] = []
    cut: bool = False
    """Whether one of them has more steps than are compared."""
    trouble: str = ""
    loaded: bool = False
    if TYPE_CHECKING:
        job_id: str  # the part of the address in brackets, which Reflex adds

    @rx.event
    async def choose(self) -> None:
        """Take the job of the address, and the one named by ``with``, else the last that completed."""
        self.reset()  # type: ignore[no-untyped-call]  # Reflex gives it no type
        try:
            self.left = job_rows.row(await runtime.current().reader.get(routes.parse_job_id(self.job_id)))
            other = await self._other(self.router.url.query_parameters.get("with", ""))
        except JobsError as error:
            self.trouble = error.message
            return
        self.right = job_rows.row(other) if other else EMPTY_ROW

    @rx.event
    async def join(self) -> None:
        """Have the page read again whenever one of the two changes."""
        compared = [rooms.of_comparison(row["id"]) for row in (self.left, self.right) if row["id"]]
        await join(self, *(compared or [rooms.QUIET]))

    @rx.event
    async def refresh(self) -> None:
        """Read both, and compare them."""
        if self.right["id"]:
            try:
                await self._compare()
            except JobsError as error:
                self.trouble = error.message
        self.loaded = True

    async def _compare(self) -> None:
        reader = runtime.current().reader
        job, other = [await reader.get(routes.parse_job_id(row["id"])) for row in (self.left, self.right)]
        steps = [await _last_steps(found) for found in (job, other)]
        self.choices = [job_rows.row(found) for found in await self._others()]
        self.left, self.right = job_rows.row(job), job_rows.row(other)
        if self.right["id"] not in {row["id"] for row in self.choices}:
            self.choices = [*self.choices, self.right]
        self.facts, self.params = comparison.facts(job, other), comparison.params(job, other)
        self.steps = comparison.steps(*[found[:MAX_STEPS] for found in steps])
        self.cut = max(map(len, steps)) > MAX_STEPS
        self.trouble = ""

    async def _other(self, other_id: str) -> JobSnapshot | None:
        if other_id:
            return await runtime.current().reader.get(routes.parse_job_id(other_id))
        others = await self._others()
        likeliest = [job for job in others if job.status is JobStatus.COMPLETED] or others
        return likeliest[0] if likeliest else None

    async def _others(self) -> list[JobSnapshot]:
        page = await runtime.current().reader.page(JobFilter(kinds=(self.left["kind"],)), limit=CHOICES, brief=True)
        return [found for found in page.jobs if str(found.id) != self.left["id"]]


async def _last_steps(job: JobSnapshot) -> list[JobEvent]:
    """The steps of the last attempt that began, with what began and ended it."""
    reader = runtime.current().reader
    status_events = await reader.events(job.id, limit=SHOWN_STATUS_ROWS, newest=True, types=[EventType.STATUS])
    starts = [event.version for event in status_events if timeline_rows.is_start(event)]
    if not starts:
        return []
    types = [EventType.STATUS, EventType.PROGRESS]
    return await reader.events(job.id, after=starts[-1] - 1, limit=MAX_STEPS + 1, types=types, ticks=False)
