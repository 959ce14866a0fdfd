"""The failures of the whole history by cause, shown while a tab lists failed jobs."""

import reflex as rx

from jobs_app import rows, runtime
from jobs_app.live.hub import Hub
from jobs_app.rows import FailureRow
from runlane.clock import utc_now
from runlane.errors import JobsError
from runlane.model.status import JobStatus
from runlane.queue.change_feed import Feed


class FailureGroups(rx.State):
    """One tab's groups."""

    groups: list[FailureRow] = []

    async def read(self, status: str) -> None:
        """Show the groups if failed jobs are listed; keep what is shown when it cannot be read."""
        if status != JobStatus.FAILED:
            self.groups = []
            return
        try:
            self.groups = await _shared_groups()
        except JobsError:  # the list beside it says so
            return


_shared: tuple[Hub, int, list[FailureRow]] | None = None


async def _shared_groups() -> list[FailureRow]:
    """The groups, read once for all tabs after each change: grouping many failures takes milliseconds."""
    global _shared
    hub = runtime.current().hub
    if _shared is None or _shared[:2] != (hub, hub.turns) or hub.feed is not Feed.UP:
        turns = hub.turns  # as of before reading: what comes meanwhile is read next time
        found = await runtime.current().failures.groups(utc_now())
        _shared = (hub, turns, [rows.failure(group) for group in found])
    return _shared[2]
