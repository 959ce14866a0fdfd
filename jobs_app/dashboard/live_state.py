"""What every dashboard shows alike. Written by broadcast, and when a tab joins: see ``jobs_app.dashboard.feeder``."""

import reflex as rx

from jobs_app.dashboard.slots.rows import Next, Slot
from jobs_app.ui.job_rows import Hot


class LiveDashboard(rx.State):
    """The jobs in motion, and the queue as it is now."""

    hot: dict[str, Hot] = {}
    slots: list[Slot] = []
    next: list[Next] = []
    counts: dict[str, int] = {}
    workers: int = 1
    paused: bool = False
    paused_kinds: list[str] = []
