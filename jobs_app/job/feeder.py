"""Feeds the pages of single jobs: how the job is now, and its newest lines as they are written.

Lines are kept for the jobs whose page somebody has open, and begin when it is opened: the page reads older ones itself.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from jobs_app.job.live_state import LiveJob
from jobs_app.job.saved import SavedState
from jobs_app.job.state import JobPage
from jobs_app.job.timeline.rows import is_step
from jobs_app.job.timeline.tails import TAIL_LINES, Tail
from jobs_app.live import rooms
from jobs_app.live.broadcaster import Broadcaster
from jobs_app.live.feeder import Feeder, Values
from jobs_app.runtime import Runtime
from jobs_app.ui import job_rows
from jobs_app.ui.job_rows import EMPTY_HOT
from runlane.clock import utc_now
from runlane.model.snapshot import Change, JobSnapshot
from runlane.model.status import EventType, JobStatus
from runlane.parts import Loop

# Besides how a job is now, these change what pages read from the store.
READ_AGAIN_AFTER = (EventType.STATUS, EventType.ARTIFACT)
SAVED_EVERY_S = 1.0


class JobFeeder(Feeder):
    """The live values of the pages of single jobs."""

    def __init__(self, live: Broadcaster) -> None:
        self._live = live
        self._tails: dict[UUID, Tail] = {}
        self._steps: dict[UUID, tuple[int, datetime]] = {}
        self._unsent: dict[UUID, JobSnapshot] = {}
        self._took_step: set[str] = set()
        self._has_stepped = asyncio.Event()

    def loops(self) -> dict[str, Loop]:
        return {"pages: saved state": self._read_saved}

    def apply(self, change: Change) -> None:
        job, event, room = change.job, change.event, rooms.of_job(change.job.id)
        if self._live.rooms.is_open(room):
            self._unsent[job.id] = job
            tail = self._tails.setdefault(job.id, Tail())
            tail.append(event, job.started_at, self._steps.get(job.id))
            if is_step(event):
                self._took_step.add(room)
                self._has_stepped.set()
            if event.type in READ_AGAIN_AFTER or len(tail.lines) == TAIL_LINES:
                self._live.mark_stale(room)
        self._follow_steps(change)

    def remove(self, job_ids: Sequence[UUID]) -> None:
        self._live.mark_stale(*map(rooms.of_job, job_ids))

    async def flush(self) -> None:
        unsent, self._unsent = self._unsent, {}
        for job_id, job in unsent.items():
            await self._live.deltas.send(rooms.of_job(job_id), LiveJob, **_values(job, self._tails.get(job_id)))

    async def present(self, room: str) -> Values:
        is_ours = rooms.kind_of(room) == rooms.JOB
        return {LiveJob: {"head": EMPTY_HOT, "tail": [], "ended": {}, "elapsed_s": 0.0}} if is_ours else {}

    def refreshed(self, rooms_read: set[str]) -> None:
        """Drop what the tabs in these rooms are about to read, and the jobs whose page nobody has open any more."""
        for job_id, tail in list(self._tails.items()):
            room = rooms.of_job(job_id)
            if room in rooms_read:
                tail.shorten()
            if not self._live.rooms.is_open(room):
                del self._tails[job_id]
                self._unsent.pop(job_id, None)

    async def _read_saved(self) -> None:
        """Have pages read again what their job saves, which a step is the likeliest sign of."""
        while True:
            await self._has_stepped.wait()
            self._has_stepped.clear()
            rooms_now, self._took_step = self._took_step, set()
            for room in rooms_now:
                await self._live.deltas.handle(room, SavedState.refresh)
            await asyncio.sleep(SAVED_EVERY_S)

    def _follow_steps(self, change: Change) -> None:
        """Know which step each running job is in; a page that is opened later reads it from the store."""
        if change.job.status is not JobStatus.RUNNING:
            self._steps.pop(change.job.id, None)
        elif is_step(change.event):
            self._steps[change.job.id] = (change.event.version, change.event.at)


def register(live: Broadcaster, active: Runtime) -> None:
    """Have the pages of jobs shown live."""
    live.register(rooms.JOB, JobPage.refresh)
    live.add(JobFeeder(live))


def _values(job: JobSnapshot, tail: Tail | None) -> dict[str, Any]:
    tail = tail or Tail()
    return {
        "head": job_rows.hot(job),
        "tail": list(tail.lines),
        "ended": dict(tail.ended),
        "elapsed_s": _elapsed_s(job),
    }


def _elapsed_s(job: JobSnapshot) -> float:
    if job.started_at is None or job.status is not JobStatus.RUNNING:
        return 0.0
    return round((utc_now() - job.started_at).total_seconds(), 2)
