"""How a tab comes to be live: it joins the rooms of its page, reads, and says that it has read all.

Listen first, then read: no change falls between the two. Which rooms those are, a page's own state says.
"""

import time

import reflex as rx

from jobs_app.live import broadcaster, rooms
from jobs_app.live.effects import call
from jobs_app.live.notify import notify
from jobs_app.live.state import Live
from jobs_app.ui import formats
from runlane.clock import utc_now

FRESH_PAGE_MS = 3000
"""A page that is older when it joins has lost its connection meanwhile; a younger one was just loaded."""


class Arrival(rx.State):
    """One tab's arrival at a page."""

    way_ms: int = 0
    """From the server to this tab and no further, measured when it arrived."""
    _asked_at: float = 0.0
    _sid: str = ""

    @rx.event
    async def join_quiet(self):
        """Show whether announcements arrive, on a page that shows nothing else live."""
        await join(self, rooms.QUIET)

    @rx.event
    async def arrive(self):
        """All of the page has been read: show how fresh it is, and measure the way to it."""
        server, live = broadcaster.current(), await self.get_state(Live)
        live.feed, live.heard_at = server.freshness.feed, formats.iso(utc_now())
        live.delay_ms, live.notifications = server.freshness.delay_ms, server.notifications.newest()
        live.environment = server.environment
        self._asked_at = time.monotonic()
        return call("() => performance.now()", callback=Arrival.measured)

    @rx.event
    async def measured(self, page_age_ms: float):
        """The tab has answered: how long that took, and whether it had been here before over another connection."""
        self.way_ms = round((time.monotonic() - self._asked_at) / 2 * 1000)
        sid = self.router.session.session_id
        is_back, self._sid = self._sid != sid and page_age_ms > FRESH_PAGE_MS, sid
        return await notify(self, "info", "Connected again; everything was read anew.", id="back") if is_back else None


async def join(tab: rx.State, *to: str) -> None:
    """Put a tab in the rooms of the page that it shows, and show the hot values of each."""
    for state, values in await broadcaster.current().join(tab.router.session.session_id, *to):
        shown = await tab.get_state(state)
        for name, value in values.items():
            setattr(shown, name, value)
