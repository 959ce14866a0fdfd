"""The failures of the whole history by cause, shown while a tab lists failed jobs."""

import reflex as rx

from jobs.clock import utc_now
from jobs.errors import JobsError
from jobs.models import JobStatus
from jobs_app import rows, runtime
from jobs_app.rows import FailureRow


class FailureGroups(rx.State):
    """One tab's groups."""

    groups: list[FailureRow] = []

    async def read(self, status: str) -> None:
        """Show the groups if failed jobs are listed; keep what is shown when it cannot be read."""
        if status != JobStatus.FAILED:
            self.groups = []
            return
        try:
            found = await runtime.jobs().store.failures.groups(utc_now())
        except JobsError:  # the list beside it says so
            return
        self.groups = [rows.failure(group) for group in found]
