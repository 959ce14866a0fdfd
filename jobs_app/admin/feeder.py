"""Feeds the admin pages: each reads again when a job's status changes, and every few seconds."""

from collections.abc import Sequence
from uuid import UUID

from jobs_app.admin.events.feeder import EventsFeeder
from jobs_app.admin.queue.feeder import OperationsFeeder
from jobs_app.admin.state import Admin
from jobs_app.live import rooms
from jobs_app.live.broadcaster import Broadcaster
from jobs_app.live.feeder import Feeder
from jobs_app.runtime import Runtime
from runlane.model.snapshot import Change
from runlane.model.status import EventType


class AdminFeeder(Feeder):
    """Has admin pages read again."""

    def __init__(self, live: Broadcaster) -> None:
        self._live = live

    def apply(self, change: Change) -> None:
        if change.event.type is EventType.STATUS:
            self._live.mark_stale(rooms.ADMIN)

    def remove(self, job_ids: Sequence[UUID]) -> None:
        self._live.mark_stale(rooms.ADMIN)

    async def check(self) -> None:
        self._live.mark_stale(rooms.ADMIN, rooms.EVENTS)  # neither heartbeats nor new settings are announced


def register(live: Broadcaster, active: Runtime) -> None:
    """Have the admin pages shown live."""
    live.register(rooms.ADMIN, Admin.refresh)
    live.register(rooms.EVENTS, Admin.refresh)
    live.add(AdminFeeder(live))
    live.add(EventsFeeder(live, active.event_log))
    live.add(OperationsFeeder(live, active.operations))
