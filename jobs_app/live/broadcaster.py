"""Live pages: what this process's one subscription receives goes to rooms of browser tabs.

Owns when: features' feeders receive each change at once, hot values are sent at most every ``FLUSH_EVERY_S``, and tabs
read cold ones again at most every ``REFRESH_EVERY_S``. It knows no page: features register what a room shows.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import reflex as rx

from jobs_app.live import rooms
from jobs_app.live.deltas import Deltas
from jobs_app.live.feeder import Feeder
from jobs_app.live.freshness import Freshness
from jobs_app.live.hub import Hub, Item
from jobs_app.live.kind_rows import kind_groups
from jobs_app.live.notifications import Notifications
from jobs_app.live.rooms import Rooms
from jobs_app.live.state import Live
from jobs_app.ui import formats
from runlane.clock import utc_now
from runlane.errors import Unavailable
from runlane.kinds.catalogue import Catalogue
from runlane.kinds.service import LimitsService
from runlane.model.limits import Limits
from runlane.model.snapshot import Change, Deleted
from runlane.parts import Loop, Parts
from runlane.queue.change_feed import Feed

FLUSH_EVERY_S = 0.06
REFRESH_EVERY_S = 0.5
CHECK_EVERY_S = 2.0
# Workers that start together bring their kinds one after the other.
KINDS_EVERY_S = 0.2

log = logging.getLogger(__name__)


class Broadcaster:
    """Carries what the hub receives to the rooms."""

    def __init__(
        self, app: rx.App, hub: Hub, limits: LimitsService, catalogue: Catalogue, *, environment: str = ""
    ) -> None:
        self._hub = hub
        self._limits_service = limits
        self._catalogue = catalogue
        self.kinds, self.kinds_version = kind_groups(catalogue), 1
        self._kinds_changed = asyncio.Event()
        self.environment = environment
        self.rooms = Rooms(app)
        self.deltas = Deltas(app, self.rooms)
        self.notifications = Notifications(self.deltas)
        self.freshness = Freshness()
        self._feeders: list[Feeder] = []
        self._refreshes: dict[str, Any] = {}
        self._limits: Limits | None = None
        self._hot_changed = asyncio.Event()
        self._stale_rooms: set[str] = set()
        self._stale = asyncio.Event()
        self._has_received = False

    def register(self, kind: str, refresh: Any) -> None:
        """Have tabs in rooms of this kind handle the event ``refresh`` when what they show may have changed."""
        self._refreshes[kind] = refresh

    def add(self, feeder: Feeder) -> None:
        """Pass every change to a feature's feeder."""
        self._feeders.append(feeder)

    def loops(self) -> dict[str, Loop]:
        """What broadcasts, each a part of the server."""
        found: dict[str, Loop] = {
            "pages: changes": self._receive,
            "pages: deltas": self._flush,
            "pages: refreshes": self._refresh,
            "pages: checks": self._check,
            "pages: kinds": self._follow_kinds,
        }
        parts: list[Notifications | Feeder] = [self.notifications, *self._feeders]
        for part in parts:
            found |= part.loops()
        return found

    def mark_changed(self) -> None:
        """Have hot values sent soon."""
        self._hot_changed.set()

    def mark_stale(self, *stale: str) -> None:
        """Have the tabs in these rooms read again soon."""
        self._stale_rooms.update(filter(self.rooms.is_open, stale))
        self._stale.set()

    def kinds_changed(self) -> None:
        """Have every tab show the kinds that there are now."""
        self._kinds_changed.set()

    async def join(self, sid: str, *to: str) -> list[tuple[type[rx.State], dict[str, Any]]]:
        """Put a tab in the rooms of the page that it shows; the hot values that it has missed."""
        await self.rooms.join(sid, *to)
        present = [await feeder.present(room) for room in to for feeder in self._feeders]
        return [each for values in present for each in values.items()]

    async def read_limits(self) -> None:
        """Show the limits of the queue as they are now, in every tab."""
        try:
            limits = await self._limits_service.current()
        except Unavailable as exc:
            log.debug("Could not read the queue's settings: %s", exc.message)
            return
        if limits != self._limits:
            self._limits = limits
            for feeder in self._feeders:
                feeder.change_limits(limits)
            self.mark_stale(*self.rooms.open())
            self.mark_changed()

    async def _receive(self) -> None:
        with self._hub.listen() as mailbox:
            if self._has_received:
                await self._read_again()  # this loop failed, and has missed what was announced since
            self._has_received = True
            async for item in mailbox:
                try:
                    await self._apply(item)
                except Exception:  # an odd job keeps no other from being shown
                    log.exception("A change could not be shown.")

    async def _apply(self, item: Item) -> None:
        if isinstance(item, Change):
            self.freshness.received(item.event.at)
            for feeder in self._feeders:
                feeder.apply(item)
        elif isinstance(item, Deleted):
            for feeder in self._feeders:
                feeder.remove(item.deleted)
        else:
            await self._switch(item)
        self.mark_changed()

    async def _switch(self, feed: Feed) -> None:
        """Announcements stop, or arrive again."""
        gap_s = self.freshness.switch(feed)
        await self.deltas.send_to_all(Live, feed=feed.value)
        if feed is Feed.UP:
            await self._read_again()
        if gap_s is not None:
            text = f"Changes were not announced for {gap_s} s; everything was read again."
            await self.notifications.notify("info", text, self.rooms.open(), id="gap")

    async def _read_again(self) -> None:
        for feeder in self._feeders:
            await feeder.read_again()
        self.mark_stale(*self.rooms.open())

    async def _flush(self) -> None:
        while True:
            await self._hot_changed.wait()
            self._hot_changed.clear()
            for feeder in self._feeders:
                await feeder.flush()
            self.freshness.sent()
            await asyncio.sleep(FLUSH_EVERY_S)

    async def _refresh(self) -> None:
        while True:
            await self._stale.wait()
            self._stale.clear()
            stale, self._stale_rooms = self._stale_rooms, set()
            for room in stale:
                if refresh := self._refreshes.get(rooms.kind_of(room)):
                    await self.deltas.handle(room, refresh)
            for feeder in self._feeders:
                feeder.refreshed(stale)
            await asyncio.sleep(REFRESH_EVERY_S)

    async def _check(self) -> None:
        """Check what changes without an announcement: somebody pauses the queue, workers come and go."""
        while True:
            await self.read_limits()
            for feeder in self._feeders:
                await feeder.check()
            if self.freshness.feed == Feed.UP.value:
                now = formats.iso(utc_now())
                await self.deltas.send_to_all(Live, confirmed_at=now, delay_ms=self.freshness.delay_ms)
            await asyncio.sleep(CHECK_EVERY_S)

    async def _follow_kinds(self) -> None:
        while True:
            await self._kinds_changed.wait()
            self._kinds_changed.clear()
            self.kinds, self.kinds_version = kind_groups(self._catalogue), self.kinds_version + 1
            await self.deltas.send_to_all(Live, kinds=self.kinds, kinds_version=self.kinds_version)
            for feeder in self._feeders:
                await feeder.change_kinds()
            self.mark_stale(*self.rooms.open())
            self.mark_changed()
            await asyncio.sleep(KINDS_EVERY_S)


_current: Broadcaster | None = None


def current() -> Broadcaster:
    """The broadcaster of the running server."""
    if _current is None:
        raise RuntimeError("The server has not started.")
    return _current


def use(broadcaster: Broadcaster | None) -> None:
    """Make ``broadcaster`` the current one; tests give their own."""
    global _current
    _current = broadcaster


def tabs_open() -> int:
    """How many tabs show a page of this server; none before it serves pages."""
    return 0 if _current is None else _current.rooms.tabs


async def show_limits() -> None:
    """Have every tab show what somebody has just changed about the queue."""
    await current().read_limits()


@contextlib.contextmanager
def broadcasting(broadcaster: Broadcaster, parts: Parts) -> Iterator[None]:
    """Keep pages live for as long as the parts of the server run."""
    use(broadcaster)
    parts.start(broadcaster.loops())
    try:
        yield
    finally:
        use(None)
