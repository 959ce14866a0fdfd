"""The failures of the whole history by cause, shown while a tab lists failed jobs."""

import math

import reflex as rx

from jobs_app import runtime
from jobs_app.dashboard.failures import rows
from jobs_app.dashboard.failures.rows import FailureRow
from jobs_app.server.single_flight import Shared
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
        except JobsError:  # the list beside it shows the error
            return


_GROUPS: Shared[list[FailureRow]] = Shared(math.inf)


async def _shared_groups() -> list[FailureRow]:
    """The groups, read once for all tabs after each change: grouping many failures takes milliseconds."""
    active = runtime.current()
    shared = active.caches.of(_GROUPS)
    if active.hub.feed is not Feed.UP:
        shared.forget()
    return await shared.get(_read_groups, active.hub.list_version)  # read first: later changes are read next time


async def _read_groups() -> list[FailureRow]:
    return [rows.failure(group) for group in await runtime.current().failures.groups(utc_now())]
