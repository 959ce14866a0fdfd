"""The jobs that every dashboard shows in motion, as this process knows them. No I/O, no Reflex.

Built from announcements and rebuilt from the store after a gap; a snapshot that is not newer than the known one is
dropped. A running job keeps the lane it was first given, so that lanes do not jump.
"""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from uuid import UUID

from jobs_app.dashboard.slots import rows
from jobs_app.dashboard.slots.estimates import Usual, expected_end, starts
from jobs_app.dashboard.slots.rows import Next, Slot, free_slot
from jobs_app.ui import job_rows
from jobs_app.ui.job_rows import Hot
from runlane.clock import utc_now
from runlane.model.limits import KindLimit, Limits
from runlane.model.snapshot import JobSnapshot
from runlane.model.status import JobStatus

# Long enough for every tab to have read its list again.
KEEP_ENDED_S = 10.0
MAX_HOT = 25


class RunningJobs:
    """The jobs that every dashboard shows in motion: the running ones, and those that ended a moment ago."""

    def __init__(self, slots: int, usual: Callable[[str], Usual | None] = lambda _: None) -> None:
        self._usual = usual
        self._slots = slots
        self._lanes: list[UUID | None] = [None] * slots
        self._jobs: OrderedDict[UUID, tuple[JobSnapshot, float]] = OrderedDict()
        self._updated_at: dict[UUID, datetime] = {}
        self.next: list[Next] = []
        self.counts: dict[str, int] = {}
        self.workers = 1
        self.limits = Limits(slots)
        self.runnable: frozenset[str] | None = None
        """The kinds that a worker takes jobs of; ``None``: not known."""

    def apply(self, job: JobSnapshot, at: datetime | None = None) -> bool:
        """Take in a snapshot, unless a newer one is known; whether the job's status is new."""
        known = self._jobs.get(job.id)
        if known is not None and known[0].version >= job.version:
            return False
        self._updated_at[job.id] = at or utc_now()
        self._jobs[job.id] = (job, time.monotonic())
        self._jobs.move_to_end(job.id)
        self._assign_lane(job)
        self._forget_old()
        return known is None or known[0].status is not job.status

    @property
    def paused(self) -> bool:
        return self.limits.paused

    @property
    def paused_kinds(self) -> list[str]:
        return sorted(name for name, limit in self.limits.kinds.items() if limit.paused)

    def remove(self, job_id: UUID) -> None:
        self._jobs.pop(job_id, None)
        self._updated_at.pop(job_id, None)
        self._free_lane(job_id)

    def reset(self, running: Iterable[JobSnapshot]) -> None:
        """Start again from the jobs that run according to the store."""
        jobs = {job.id: job for job in running}
        for job_id in [held for held in self._lanes if held and held not in jobs]:
            self.remove(job_id)
        for job in jobs.values():
            self.apply(job)

    def set_slots(self, count: int) -> None:
        """Show so many lanes; one beyond that stays for as long as a job holds it."""
        self._slots = count
        self._lanes += [None] * (count - len(self._lanes))
        self._drop_spare_lanes()

    def hot(self) -> dict[str, Hot]:
        return {str(job_id): job_rows.hot(job) for job_id, (job, _) in self._jobs.items()}

    def slots(self) -> list[Slot]:
        now = utc_now()
        return [
            free_slot(number) if job_id is None else self._slot(number, job_id, now)
            for number, job_id in enumerate(self._lanes, start=1)
        ]

    def running(self) -> list[JobSnapshot]:
        """The jobs that hold a lane."""
        return [self._jobs[job_id][0] for job_id in self._lanes if job_id is not None]

    def set_next(self, waiting: Sequence[JobSnapshot]) -> None:
        """Set the jobs that start next, each with when it may."""
        now = utc_now()
        ends = [expected_end(job, self._usual(job.kind), now) for job in self.running()]
        held_up = self._held_up(waiting)
        times = iter(starts(len(waiting) - len(held_up), self._slots, ends, now))
        self.next = [
            rows.upcoming(job, None, held_up[job.id], now)
            if job.id in held_up
            else rows.upcoming(job, next(times), "when a slot is free", now)
            for job in waiting
        ]

    def _held_up(self, waiting: Sequence[JobSnapshot]) -> dict[UUID, str]:
        """Which of the jobs their kind keeps from starting although a slot may be free, and what they wait for."""
        started = Counter(job.kind for job in self.running())
        held_up = {}
        for job in waiting:
            limit = self.limits.kinds.get(job.kind, KindLimit())
            if self.runnable is not None and job.kind not in self.runnable:
                held_up[job.id] = "when a worker takes its kind"
            elif limit.paused:
                held_up[job.id] = "when its kind goes on"
            elif limit.max_running is not None and started[job.kind] >= limit.max_running:
                held_up[job.id] = "when another of its kind ends"
            elif limit.rate is not None:
                held_up[job.id] = "as the rate of its kind allows"
            started[job.kind] += 1
        return held_up

    def _slot(self, number: int, job_id: UUID, now: datetime) -> Slot:
        job = self._jobs[job_id][0]
        return rows.slot(number, job, self._updated_at[job_id], self._usual(job.kind), now)

    def _assign_lane(self, job: JobSnapshot) -> None:
        """Give a running job the first free lane and keep it there; free the lane of one that ended."""
        if job.status is not JobStatus.RUNNING:
            self._free_lane(job.id)
        elif job.id not in self._lanes:
            if None in self._lanes:
                self._lanes[self._lanes.index(None)] = job.id
            else:
                self._lanes.append(job.id)

    def _free_lane(self, job_id: UUID) -> None:
        self._lanes = [None if held == job_id else held for held in self._lanes]
        self._drop_spare_lanes()

    def _drop_spare_lanes(self) -> None:
        while len(self._lanes) > self._slots and self._lanes[-1] is None:
            self._lanes.pop()

    def _forget_old(self) -> None:
        horizon = time.monotonic() - KEEP_ENDED_S
        for job_id, (_, applied_at) in list(self._jobs.items()):
            if job_id in self._lanes:
                continue
            if applied_at > horizon and len(self._jobs) <= MAX_HOT:
                break
            del self._jobs[job_id], self._updated_at[job_id]
