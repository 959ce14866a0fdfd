"""Feeds the dashboards: what runs in which slot, what starts next, how many jobs there are, and who works.

Counts and what starts next are read only while a dashboard is open, for each reading costs the database.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from jobs_app.dashboard.live_state import LiveDashboard
from jobs_app.dashboard.slots.estimates import Estimates
from jobs_app.dashboard.slots.running import RunningJobs
from jobs_app.dashboard.state import JobList
from jobs_app.live import rooms
from jobs_app.live.broadcaster import Broadcaster
from jobs_app.live.feeder import Feeder, Values
from jobs_app.runtime import Runtime
from jobs_app.server.runnable import runnable
from runlane.errors import Unavailable
from runlane.model.limits import Limits
from runlane.model.snapshot import Change
from runlane.model.status import EventType, JobStatus
from runlane.parts import Loop
from runlane.queue.redis_client import REDIS_TROUBLE
from runlane.queue.worker_registry import WorkerState

COUNT_EVERY_S = 0.5
SHOWN_NEXT = 3
# A broadcast may overtake the reply to a tab that joins, which would then show older values; so they are sent again.
SEND_AGAIN_S = 0.3

log = logging.getLogger(__name__)


class DashboardFeeder(Feeder):
    """The live values of the dashboards."""

    def __init__(self, live: Broadcaster, active: Runtime) -> None:
        self._live = live
        self._active = active
        self._estimates = Estimates(active.reader)
        self._jobs = RunningJobs(active.config.concurrency, self._estimates.get)
        self._marks: list[tuple[bool, str, bool]] = []
        self._recount = asyncio.Event()

    def loops(self) -> dict[str, Loop]:
        return {"pages: counts": self._count}

    def apply(self, change: Change) -> None:
        job = change.job
        if self._jobs.apply(job, change.event.at):
            self._live.mark_stale(rooms.DASHBOARD)
            if job.status.is_terminal and not _is_restored(change):
                self._live.notifications.job_ended(job)
        if change.event.type is EventType.STATUS:
            self._recount.set()

    def remove(self, job_ids: Sequence[UUID]) -> None:
        for job_id in job_ids:
            self._jobs.remove(job_id)
        self._live.mark_stale(rooms.DASHBOARD)
        self._recount.set()

    def change_limits(self, limits: Limits) -> None:
        self._jobs.limits = limits
        self._jobs.set_slots(limits.concurrency)
        self._recount.set()  # what starts next depends on them

    async def read_again(self) -> None:
        try:
            self._jobs.reset(await self._active.reader.running())
        except Unavailable as exc:
            log.warning("Could not read what is running: %s", exc.message)
        self._recount.set()

    async def flush(self) -> None:
        if self._live.rooms.is_open(rooms.DASHBOARD):
            await self._live.deltas.send(rooms.DASHBOARD, LiveDashboard, **self._values())

    async def check(self) -> None:
        await self._count_workers()
        self._check_marks()
        if self._jobs.running():
            self._recount.set()  # typical durations are learnt while jobs run

    async def present(self, room: str) -> Values:
        if room != rooms.DASHBOARD:
            return {}
        await self._read_counts()
        asyncio.get_running_loop().call_later(SEND_AGAIN_S, self._live.mark_changed)
        return {LiveDashboard: self._values()}

    def _values(self) -> dict[str, Any]:
        jobs = self._jobs
        return {
            "hot": jobs.hot(),
            "slots": jobs.slots(),
            "next": jobs.next,
            "counts": jobs.counts,
            "workers": jobs.workers,
            "paused": jobs.paused,
            "paused_kinds": jobs.paused_kinds,
        }

    async def _count(self) -> None:
        while True:
            await self._recount.wait()
            self._recount.clear()
            if self._live.rooms.is_open(rooms.DASHBOARD):
                await self._read_counts()
            await asyncio.sleep(COUNT_EVERY_S)

    async def _read_counts(self) -> None:
        try:
            counts = await self._active.counts.all()
        except Unavailable as exc:
            log.warning("Could not count the jobs: %s", exc.message)
            return
        self._jobs.counts = {str(status): number for status, number in counts.items()}
        await self._read_next(counts[JobStatus.QUEUED])
        self._live.mark_changed()

    async def _read_next(self, queued: int) -> None:
        """What starts next, and how long what runs may take."""
        reader = self._active.reader
        try:
            ids = await self._active.queue.head(SHOWN_NEXT) if queued else []
            jobs = await reader.get_many(ids, brief=True) if ids else {}
            await self._estimates.read({job.kind for job in (*self._jobs.running(), *jobs.values())})
        except (*REDIS_TROUBLE, Unavailable) as exc:
            log.debug("Could not read what starts next: %s", exc)
            return
        waiting = [jobs[job_id] for job_id in ids if job_id in jobs and jobs[job_id].status is JobStatus.QUEUED]
        self._jobs.set_next(waiting)

    def _check_marks(self) -> None:
        """A job becomes slow, silent or overdue by doing nothing: nothing announces that."""
        marks = [(slot["slow"], slot["silent_since"], slot["ends_at"] == "") for slot in self._jobs.slots()]
        if marks != self._marks:
            self._marks = marks
            self._live.mark_changed()

    async def _count_workers(self) -> None:
        try:
            found = await self._active.registry.all()
        except REDIS_TROUBLE as exc:
            log.debug("Could not read the workers: %s", exc)
            return
        alive = sum(worker.state is WorkerState.RUNNING for worker in found)
        before, self._jobs.workers = self._jobs.workers, alive
        if alive < before:
            text = f"A worker is gone; {alive} left." if alive else "The last worker is gone: nothing will run."
            await self._live.notifications.notify("info", text, (rooms.DASHBOARD,), id="workers")
        can_run = runnable(found, self._active.service.kinds) if alive else None
        if can_run != self._jobs.runnable:
            self._jobs.runnable = can_run
            self._recount.set()  # what starts next depends on it
            self._live.mark_stale(rooms.DASHBOARD)
        if alive != before:
            self._live.mark_changed()


def register(live: Broadcaster, active: Runtime) -> None:
    """Have the dashboards shown live."""
    live.register(rooms.DASHBOARD, JobList.refresh)
    live.add(DashboardFeeder(live, active))


def _is_restored(change: Change) -> bool:
    """Whether the job had ended before, and only its deletion was undone."""
    return (change.event.data or {}).get("reason") == "restored"
