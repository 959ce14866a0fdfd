"""What every page shows alike, whatever it is about. Written by broadcast, and when a tab arrives."""

import reflex as rx

from jobs_app.live.kind_rows import KindGroup
from jobs_app.live.notification_rows import Notification


class Live(rx.State):
    """How fresh the page is, what everybody is notified of, and which kinds there are."""

    feed: str = "connecting"
    """``connecting`` until this tab has arrived, then whether announcements arrive: ``up`` or ``down``."""
    confirmed_at: str = ""
    """When the server last confirmed that all it shows is true."""
    delay_ms: int = 0
    """From a change being written to its being sent to this page: the median of the last ones; 0: none yet."""
    notifications: list[Notification] = []
    environment: str = ""
    """What this installation is called, if it has a name."""
    kinds: list[KindGroup] = []
    """The kinds that workers have brought."""
    kinds_version: int = 0
    """Counts how often this server has learnt of other kinds; 0: this tab has not arrived."""
    spoken: str = ""
    """What a screen reader reads out: how many jobs ended lately, by status."""
