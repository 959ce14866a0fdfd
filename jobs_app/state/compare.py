"""The page that sets two runs side by side."""

import reflex as rx

from jobs.errors import JobsError
from jobs.matching import JobFilter
from jobs.models import JobStatus
from jobs.snapshot import JobSnapshot
from jobs_app import comparison, rows, runtime
from jobs_app.comparison import Pair, StepPair
from jobs_app.rows import Row
from jobs_app.state.actions import parse_id

CHOICES = 20
MOST_EVENTS = 2000


class Comparison(rx.State):
    """One tab's comparison of the job in its address with another one."""

    left: Row = rows.EMPTY_ROW
    right: Row = rows.EMPTY_ROW
    choices: list[Row] = []
    """Other runs of the kind, newest first."""
    facts: list[Pair] = []
    params: list[Pair] = []
    steps: list[StepPair] = []
    trouble: str = ""
    loaded: bool = False

    @rx.event
    async def load(self):
        """Compare the job with the one named by ``with``, else with the last that completed."""
        self.trouble, self.loaded, self.left, self.right = "", False, rows.EMPTY_ROW, rows.EMPTY_ROW
        self.facts, self.params, self.steps = [], [], []
        try:
            await self._compare(self.router.url.query_parameters.get("with", ""))
        except JobsError as error:
            self.trouble = error.message
        self.loaded = True

    async def _compare(self, other_id: str) -> None:
        store = runtime.jobs().store
        job = await store.get(parse_id(self.job_id))
        self.left = rows.row(job)
        page = await store.page(JobFilter(kinds=(job.kind,)), limit=CHOICES, brief=True)
        others = [found for found in page.jobs if found.id != job.id]
        self.choices = [rows.row(found) for found in others]
        other = await self._other(other_id, others)
        if other is None:
            return
        self.right = rows.row(other)
        self.facts, self.params = comparison.facts(job, other), comparison.params(job, other)
        events = [await store.events(found.id, limit=MOST_EVENTS) for found in (job, other)]
        self.steps = comparison.steps(*events)

    async def _other(self, other_id: str, others: list[JobSnapshot]) -> JobSnapshot | None:
        store = runtime.jobs().store
        if other_id:
            return await store.get(parse_id(other_id))
        likeliest = [job for job in others if job.status is JobStatus.COMPLETED] or others
        return await store.get(likeliest[0].id) if likeliest else None
