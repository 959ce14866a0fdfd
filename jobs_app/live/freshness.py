"""How soon pages show a change, and for how long announcements were missing. No I/O, no Reflex."""

import statistics
from collections import deque
from datetime import datetime

from runlane.clock import utc_now
from runlane.queue.change_feed import Feed

MEASURED = 50


class Freshness:
    """Whether announcements arrive here, and how long the last ones took from being written to being sent on."""

    def __init__(self) -> None:
        self.feed = Feed.DOWN.value  # until something is received
        self._delays_ms: deque[float] = deque(maxlen=MEASURED)
        self._unsent_since: datetime | None = None
        self._down_since: datetime | None = None

    @property
    def delay_ms(self) -> int:
        """From a change being written to its being sent: the median of the last ones; 0: none yet."""
        return round(statistics.median(self._delays_ms)) if self._delays_ms else 0

    def switch(self, feed: Feed) -> int | None:
        """Announcements stop, or arrive again: then after how many seconds, if they had stopped."""
        self.feed = feed.value
        if feed is Feed.DOWN:
            self._down_since = utc_now()
            return None
        since, self._down_since = self._down_since, None
        return None if since is None else round((utc_now() - since).total_seconds())

    def received(self, at: datetime) -> None:
        """A change was received that was written at this time."""
        self._unsent_since = self._unsent_since or at

    def sent(self) -> None:
        """All that was received is sent; keep how long the oldest change of it had waited."""
        if self._unsent_since is not None:
            self._delays_ms.append(max((utc_now() - self._unsent_since).total_seconds() * 1000, 0.0))
            self._unsent_since = None
