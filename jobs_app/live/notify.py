"""Notifications of one person: each is shown once as a toast, and listed for as long as the tab is open.

What everybody is notified of is ``jobs_app.live.notifications``.
"""

from typing import Any

import reflex as rx
from reflex_base.event import EventSpec

from jobs_app.live.effects import Effect, Level, toast
from jobs_app.live.notification_rows import Notification
from jobs_app.ui import formats
from runlane.clock import utc_now

MAX_KEPT = 30


class OwnNotifications(rx.State):
    """The notifications of one tab, newest first."""

    newest: list[Notification] = []

    @rx.event
    def clear(self) -> None:
        self.newest = []

    @rx.event
    async def copied(self, done: bool, message: str) -> Effect:
        """Report whether copying succeeded: ``message``, if it is ``done``."""
        if done:
            return toast("success", message, id="copied")
        return await notify(
            self, "error", "The browser did not let this page copy. Select the text, and copy it by hand."
        )

    def add(self, level: Level, text: str) -> None:
        added = Notification(at=formats.iso(utc_now()), level=level, text=text, href="")
        self.newest = [added, *self.newest][:MAX_KEPT]


async def notify(state: rx.State, level: Level, text: str, **options: Any) -> EventSpec:
    """List ``text`` in the tab that ``state`` belongs to; the event that shows it as a toast."""
    (await state.get_state(OwnNotifications)).add(level, text)
    return toast(level, text, **options)
