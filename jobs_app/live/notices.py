"""Messages to a person: each is shown once in passing, and kept in a list for as long as the tab is open."""

import reflex as rx

from jobs_app import rows
from jobs_app.live.effects import Level, toast
from jobs_app.rows import Notice
from runlane.clock import utc_now

MOST_KEPT = 30


class Notices(rx.State):
    """What one tab was told."""

    own: list[Notice] = []

    @rx.event
    def forget(self):
        self.own = []

    @rx.event
    async def copied(self, done: bool, said: str):
        """Tell what came of copying: ``said``, if it was ``done``."""
        if done:
            return toast("success", said, id="copied")
        return await tell(
            self, "error", "The browser did not let this page copy. Select the text, and copy it by hand."
        )

    def add(self, level: Level, text: str) -> None:
        self.own = [Notice(at=rows.iso(utc_now()), level=level, text=text, href=""), *self.own][:MOST_KEPT]


async def tell(state: rx.State, level: Level, text: str, **options: object) -> rx.event.EventSpec:
    """Keep ``text`` in the list of the tab that ``state`` belongs to; the event that shows it in passing."""
    (await state.get_state(Notices)).add(level, text)
    return toast(level, text, **options)
