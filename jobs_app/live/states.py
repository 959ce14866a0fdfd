"""What every tab sees alike: state that is written by ``jobs_app.live.broadcaster``, and by a tab's own joining."""

import time
from typing import TYPE_CHECKING

import reflex as rx

from jobs_app import rows
from jobs_app.job.timeline_rows import Line
from jobs_app.live.effects import call
from jobs_app.live.event_log import LogLine
from jobs_app.live.notices import tell
from runlane.clock import utc_now

if TYPE_CHECKING:
    from jobs_app.live.broadcaster import Broadcaster

FRESH_PAGE_MS = 3000
"""A page that is older when it joins has lost its connection meanwhile; a younger one was just loaded."""

BOARD = "board"
ADMIN = "admin"
EVENTS = "events"
QUIET = "quiet"
"""The room of pages that show nothing live but whether anything is."""


def job_room(job_id: object) -> str:
    return f"job:{job_id}"


def compared_room(job_id: object) -> str:
    """The room of pages that compare the job with another one; such a page is in two rooms."""
    return f"compared:{job_id}"


def _broadcaster() -> "Broadcaster":
    from jobs_app.live import broadcaster  # which imports this module, for the states it writes

    return broadcaster.current()


class Live(rx.State):
    """What every dashboard sees alike. Written by broadcast only, apart from ``join``."""

    hot: dict[str, rows.Hot] = {}
    slots: list[rows.Slot] = []
    next: list[rows.Next] = []
    counts: dict[str, int] = {}
    workers: int = 1
    paused: bool = False
    paused_kinds: list[str] = []
    feed: str = "connecting"
    """``connecting`` until this tab has joined, then whether announcements arrive: ``up`` or ``down``."""
    heard_at: str = ""
    """When the server last said that all it shows is true."""
    delay_ms: int = 0
    """From a change being written to its being sent to this page: the median of the last ones; 0: none yet."""
    way_ms: int = 0
    """From the server to this tab and no further, measured when it joined."""
    notices: list[rows.Notice] = []
    operations: list[rows.OperationRow] = []
    """The last things that were done to many jobs, and how far they are."""
    environment: str = ""
    """What this installation is called, if it has a name."""
    spoken: str = ""
    """What a screen reader is told: how many jobs ended lately, by status."""
    _asked_at: float = 0.0
    _sid: str = ""

    @rx.event
    async def join(self):
        """Show the present state, and everything that follows: listen first, then read."""
        await _broadcaster().enter(self.router.session.session_id, BOARD)
        board = _broadcaster().board
        self.hot, self.slots, self.counts, self.next = board.hot(), board.slots(), board.counts, board.next
        self.workers, self.paused, self.paused_kinds = board.workers, board.paused, board.paused_kinds

    @rx.event
    async def listen(self):
        """Show whether announcements arrive, on a page that shows nothing live."""
        await _broadcaster().enter(self.router.session.session_id, QUIET)

    @rx.event
    async def administer(self):
        """Have an admin page read again whenever something changes."""
        await _broadcaster().enter(self.router.session.session_id, ADMIN)

    @rx.event
    async def arrive(self):
        """All of the page has been read: say how fresh it is, and measure the way to it."""
        broadcaster = _broadcaster()
        self.feed, self.heard_at = broadcaster.board.feed, rows.iso(utc_now())
        self.delay_ms, self.notices = broadcaster.delay_ms, list(broadcaster.notices)
        self.operations, self.environment = broadcaster.operations, broadcaster.environment
        self._asked_at = time.monotonic()
        return call("() => performance.now()", callback=Live.measured)

    @rx.event
    async def measured(self, page_age_ms: float):
        """The tab has answered: how long that took, and whether it had been here before over another connection."""
        self.way_ms = round((time.monotonic() - self._asked_at) / 2 * 1000)
        sid = self.router.session.session_id
        is_back, self._sid = self._sid != sid and page_age_ms > FRESH_PAGE_MS, sid
        return await tell(self, "info", "Connected again; everything was read anew.", id="back") if is_back else None


class LiveEvents(rx.State):
    """The newest events, as every page of events sees them. Written by broadcast only, apart from ``join``."""

    lines: list[LogLine] = []

    @rx.event
    async def join(self):
        await _broadcaster().enter(self.router.session.session_id, EVENTS)
        self.lines = _broadcaster().newest_events()


class LiveJob(rx.State):
    """What every page of one job sees alike. Written by broadcast only, apart from ``join``."""

    head: rows.Hot = rows.EMPTY_HOT
    tail: list[Line] = []
    ended: dict[str, float] = {}
    """How many seconds steps took that a line of the tail ended, by their version."""
    elapsed_s: float = 0.0
    """How long the present attempt has been running."""

    @rx.event
    async def join(self):
        await _broadcaster().enter(self.router.session.session_id, job_room(self.job_id))
        self.head, self.tail, self.ended, self.elapsed_s = rows.EMPTY_HOT, [], {}, 0.0
