"""What every page of one job shows alike. Written by broadcast, and when a tab joins: see ``jobs_app.job.feeder``."""

import reflex as rx

from jobs_app.job.timeline.rows import Line
from jobs_app.ui.job_rows import EMPTY_HOT, Hot


class LiveJob(rx.State):
    """The job as it is now, and its newest lines."""

    head: Hot = EMPTY_HOT
    tail: list[Line] = []
    ended: dict[str, float] = {}
    """How many seconds steps took that a line of the tail ended, by their version."""
    elapsed_s: float = 0.0
    """How long the present attempt has been running."""
