"""What is done to many jobs, as every page that shows it does. Written by broadcast, and when a tab joins."""

import reflex as rx

from jobs_app.admin.queue.rows import OperationRow


class LiveOperations(rx.State):
    """The last operations, and how far they are."""

    operations: list[OperationRow] = []
