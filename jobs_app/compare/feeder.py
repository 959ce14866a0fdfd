"""Feeds the pages that compare two jobs: each reads again when a step or the status of one of the two changes."""

from collections.abc import Sequence
from uuid import UUID

from jobs_app.compare.state import Comparison
from jobs_app.job.timeline.rows import is_step
from jobs_app.live import rooms
from jobs_app.live.broadcaster import Broadcaster
from jobs_app.live.feeder import Feeder
from jobs_app.runtime import Runtime
from runlane.model.snapshot import Change
from runlane.model.status import EventType


class ComparisonFeeder(Feeder):
    """Has comparisons read again."""

    def __init__(self, live: Broadcaster) -> None:
        self._live = live

    def apply(self, change: Change) -> None:
        if change.event.type is EventType.STATUS or is_step(change.event):
            self._live.mark_stale(rooms.of_comparison(change.job.id))

    def remove(self, job_ids: Sequence[UUID]) -> None:
        self._live.mark_stale(*map(rooms.of_comparison, job_ids))


def register(live: Broadcaster, active: Runtime) -> None:
    """Have comparisons shown live."""
    live.register(rooms.COMPARISON, Comparison.refresh)
    live.add(ComparisonFeeder(live))
