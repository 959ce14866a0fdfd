"""How a tab becomes live: it joins the rooms of its page, reads, and reports that it has read all.

Listen first, then read, so that no change falls between the two. A page's own state knows which rooms those are.
"""

import time

import reflex as rx

from jobs_app.live import broadcaster, rooms
from jobs_app.live.effects import Effect, call
from jobs_app.live.notify import notify
from jobs_app.live.state import Live
from jobs_app.ui import formats
from runlane.clock import utc_now

# A page that is older when it joins had lost its connection; a younger one was just loaded.
FRESH_PAGE_MS = 3000


class Arrival(rx.State):
    """One tab's arrival at a page."""

    latency_ms: int = 0
    """From the server to this tab, one way, measured when it arrived."""
    _pinged_at: float = 0.0
    _sid: str = ""

    @rx.event
    async def join_quiet(self) -> None:
        """Show whether announcements arrive, on a page that shows nothing else live."""
        await join(self, rooms.QUIET)

    @rx.event
    async def arrive(self) -> Effect:
        """All of the page has been read: show how fresh it is, and measure the latency to it."""
        server, live = broadcaster.current(), await self.get_state(Live)
        live.feed, live.confirmed_at = server.freshness.feed, formats.iso(utc_now())
        live.delay_ms, live.notifications = server.freshness.delay_ms, server.notifications.newest()
        live.environment = server.environment
        self._pinged_at = time.monotonic()
        return call("() => performance.now()", callback=Arrival.measured)

    @rx.event
    async def measured(self, page_age_ms: float) -> Effect:
        """The tab has answered: how long that took, and whether it had been here before over another connection."""
        self.latency_ms = round((time.monotonic() - self._pinged_at) / 2 * 1000)
        sid = self.router.session.session_id
        is_back, self._sid = self._sid != sid and page_age_ms > FRESH_PAGE_MS, sid
        return await notify(self, "info", "Connected again; everything was read again.", id="back") if is_back else None


async def join(tab: rx.State, *to: str) -> None:
    """Put a tab in the rooms of the page that it shows, and show the hot values of each, and the kinds there are."""
    server = broadcaster.current()
    present = await server.join(tab.router.session.session_id, *to)
    live = await tab.get_state(Live)
    if live.kinds_version != server.kinds_version:  # a thousand of them are not sent again for each page
        live.kinds, live.kinds_version = server.kinds, server.kinds_version
    for state, values in present:
        shown = await tab.get_state(state)
        for name, value in values.items():
            setattr(shown, name, value)
