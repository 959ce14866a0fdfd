"""The operations on many jobs, as pages show them. Written by broadcast, and when a tab joins."""

import reflex as rx

from jobs_app.admin.queue.rows import OperationRow


class LiveOperations(rx.State):
    """The last operations, and how far they are."""

    operations: list[OperationRow] = []
