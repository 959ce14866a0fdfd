"""The jobs that every dashboard shows in motion, as this process last heard of them. No I/O, no Reflex.

Built from announcements and rebuilt from the store after a gap; a snapshot that is not newer than the known one is
dropped. A running job keeps the place it was first given, so that lanes do not jump.
"""

import time
from collections import OrderedDict
from collections.abc import Iterable
from uuid import UUID

from jobs.events import Feed
from jobs.models import JobStatus
from jobs.snapshot import JobSnapshot
from jobs_app import rows

KEEP_ENDED_S = 10.0
"""Long enough for every tab to have read its list again."""
MOST_HOT = 25


class Board:
    """The jobs that every dashboard shows in motion: the running ones, and those that ended a moment ago."""

    def __init__(self, slots: int) -> None:
        self._places = slots
        self._slots: list[UUID | None] = [None] * slots
        self._jobs: OrderedDict[UUID, tuple[JobSnapshot, float]] = OrderedDict()
        self.counts: dict[str, int] = {}
        self.workers = 1
        self.paused = False
        self.feed = Feed.DOWN.value  # until something was heard

    def apply(self, job: JobSnapshot) -> bool:
        """Take in a snapshot, unless a newer one is known; whether the job's status is new."""
        known = self._jobs.get(job.id)
        if known is not None and known[0].version >= job.version:
            return False
        self._jobs[job.id] = (job, time.monotonic())
        self._jobs.move_to_end(job.id)
        self._seat(job)
        self._forget_old()
        return known is None or known[0].status is not job.status

    def remove(self, job_id: UUID) -> None:
        self._jobs.pop(job_id, None)
        self._leave_slot(job_id)

    def reset(self, running: Iterable[JobSnapshot]) -> None:
        """Start again from what the store says is running."""
        jobs = {job.id: job for job in running}
        for job_id in [held for held in self._slots if held and held not in jobs]:
            self.remove(job_id)
        for job in jobs.values():
            self.apply(job)

    def set_places(self, count: int) -> None:
        """Show so many lanes; one beyond that stays for as long as a job holds it."""
        self._places = count
        self._slots += [None] * (count - len(self._slots))
        self._drop_spare()

    def hot(self) -> dict[str, rows.Hot]:
        return {str(job_id): rows.hot(job) for job_id, (job, _) in self._jobs.items()}

    def slots(self) -> list[rows.Slot]:
        held = [None if job_id is None else self._jobs[job_id][0] for job_id in self._slots]
        return [rows.slot(number, job) for number, job in enumerate(held, start=1)]

    def _seat(self, job: JobSnapshot) -> None:
        """Give a running job the first free place and keep it there; free the place of one that ended."""
        if job.status is not JobStatus.RUNNING:
            self._leave_slot(job.id)
        elif job.id not in self._slots:
            if None in self._slots:
                self._slots[self._slots.index(None)] = job.id
            else:
                self._slots.append(job.id)

    def _leave_slot(self, job_id: UUID) -> None:
        self._slots = [None if held == job_id else held for held in self._slots]
        self._drop_spare()

    def _drop_spare(self) -> None:
        while len(self._slots) > self._places and self._slots[-1] is None:
            self._slots.pop()

    def _forget_old(self) -> None:
        horizon = time.monotonic() - KEEP_ENDED_S
        for job_id, (_, seen_at) in list(self._jobs.items()):
            if job_id in self._slots:
                continue
            if seen_at > horizon and len(self._jobs) <= MOST_HOT:
                break
            del self._jobs[job_id]
