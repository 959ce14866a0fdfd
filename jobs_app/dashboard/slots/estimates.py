"""How long jobs of a kind usually take, from those that completed last; when one may end, and when one may start.

An estimate, and shown as one: a kind with fewer than ``MIN_RUNS`` completed runs has none.
"""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from runlane.core.reader import JobReader
from runlane.model.snapshot import JobSnapshot

MIN_RUNS = 3
RUNS = 50
FRESH_FOR_S = 15.0
READ_AGAIN_S = 1.0
SLOW_FACTOR = 2.0
SLOW_BEYOND_S = 2.0
# An end further ahead than this is no estimate.
FAR_S = 366 * 86_400.0


@dataclass(frozen=True)
class Usual:
    """What completed runs of a kind took: the median, and from when on a run is unusually slow."""

    median_s: float
    slow_after_s: float


def usual(runs_s: Sequence[float]) -> Usual | None:
    """What is usual, from runs of these durations; ``None`` if they are too few."""
    if len(runs_s) < MIN_RUNS:
        return None
    median_s = statistics.median(runs_s)
    return Usual(median_s, max(SLOW_FACTOR * median_s, max(runs_s), median_s + SLOW_BEYOND_S))


class Estimates:
    """What is usual for each kind, read again every ``FRESH_FOR_S``."""

    def __init__(self, reader: JobReader) -> None:
        self._reader = reader
        self._known: dict[str, tuple[float, Usual | None]] = {}

    def get(self, kind: str) -> Usual | None:
        """What is usual, as far as it has been read."""
        return self._known.get(kind, (0.0, None))[1]

    async def read(self, kinds: set[str]) -> None:
        """Make sure that what is usual for these kinds is known, and not old."""
        now = time.monotonic()
        for kind in kinds:
            read_at, known = self._known.get(kind, (-FRESH_FOR_S, None))
            if now - read_at >= (READ_AGAIN_S if known is None else FRESH_FOR_S):
                self._known[kind] = (now, usual(await self._reader.run_times(kind, RUNS)))


def starts(waiting: int, slots: int, ends: Sequence[datetime | None], now: datetime) -> list[datetime | None]:
    """When each of the next ``waiting`` jobs may start: in a free slot now, else as running jobs end.

    ``ends`` are the expected ends of the running jobs, ``None`` where there is no estimate; so in the answer.
    """
    free = max(0, slots - len(ends))
    freed = sorted(max(end, now) for end in ends if end is not None)
    known: list[datetime | None] = [*[now] * free, *freed]
    return (known + [None] * waiting)[:waiting]


def expected_end(job: JobSnapshot, known: Usual | None, now: datetime) -> datetime | None:
    """When a running job may end: by its own progress, else by what its kind usually takes. ``None``: unknown.

    An end that is already past is no estimate either.
    """
    if job.started_at is None or (known is None and not job.progress):
        return None
    if job.progress:
        whole_s = (now - job.started_at).total_seconds() / (min(job.progress, 100.0) / 100)
        return job.started_at + timedelta(seconds=whole_s) if whole_s < FAR_S else None
    assert known is not None
    end = job.started_at + timedelta(seconds=known.median_s)
    return end if end > now else None


def is_slow(job: JobSnapshot, known: Usual | None, updated_at: datetime, now: datetime) -> bool:
    """Whether a running job takes unusually long. One that reports progress is not slow while it does."""
    if job.started_at is None or known is None:
        return False
    if job.progress and (now - updated_at).total_seconds() <= max(known.median_s, SLOW_BEYOND_S):
        return False
    return (now - job.started_at).total_seconds() > known.slow_after_s
