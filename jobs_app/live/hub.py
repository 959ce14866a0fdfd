"""Announcements inside this process: one subscription, handed to any number of listeners.

Owns the mailboxes. A mailbox is bounded: when its reader falls behind, what it missed is replaced by one ``Feed.UP``,
which has the reader read the store, as after a lost connection. Nothing here knows Reflex or HTTP.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Iterator
from uuid import UUID

from runlane import clock
from runlane.core.reader import JobReader
from runlane.errors import JobNotFound, Unavailable
from runlane.logs import about_job
from runlane.metrics.histogram import Histogram
from runlane.model.snapshot import Change, Deleted
from runlane.model.status import EventType
from runlane.queue.change_feed import Announcement, Events, Feed, TooBig

MAILBOX_SIZE = 1000

Item = Change | Deleted | Feed

log = logging.getLogger(__name__)


class Mailbox:
    """What one listener has not read yet."""

    def __init__(self, job_id: UUID | None) -> None:
        self._job_id = job_id
        self.dropped = 0
        """Items that its reader was too slow for, and read from the store instead."""
        self._items: deque[Item] = deque()
        self._filled = asyncio.Event()

    def put(self, item: Item) -> None:
        if self._job_id is not None and not isinstance(item, Feed) and self._job_id not in _about(item):
            return
        if len(self._items) >= MAILBOX_SIZE:
            self.dropped += len(self._items)
            self._items.clear()
            self._items.append(Feed.UP)
        self._items.append(item)
        self._filled.set()

    async def get(self) -> Item:
        """The oldest item; waits for one."""
        while not self._items:
            self._filled.clear()
            await self._filled.wait()
        return self._items.popleft()

    def __aiter__(self) -> AsyncIterator[Item]:
        return self._read()

    async def _read(self) -> AsyncIterator[Item]:
        while True:
            yield await self.get()


class Hub:
    """The one subscription of this process."""

    def __init__(self, events: Events, reader: JobReader) -> None:
        self._events = events
        self._reader = reader
        self._mailboxes: set[Mailbox] = set()
        self.feed = Feed.DOWN
        self.delays = Histogram()
        """Seconds from a change to here, since this process started."""
        self._dropped = 0
        self.list_version = 0
        """Counts what may change a list: while it stays the same, a list that was read is still true."""

    @property
    def listeners(self) -> int:
        return len(self._mailboxes)

    @property
    def dropped(self) -> int:
        """How many items listeners were too slow for, since this process started."""
        return self._dropped + sum(mailbox.dropped for mailbox in self._mailboxes)

    @contextlib.contextmanager
    def listen(self, job_id: UUID | None = None) -> Iterator[Mailbox]:
        """A mailbox that fills with what happens to one job, or to all, until the block ends."""
        mailbox = Mailbox(job_id)
        self._mailboxes.add(mailbox)
        try:
            yield mailbox
        finally:
            self._mailboxes.discard(mailbox)
            self._dropped += mailbox.dropped

    async def run(self) -> None:
        """Hand out announcements until cancelled."""
        async for announcement in self._events.listen():
            if isinstance(announcement, Feed):
                self.feed = announcement
            item = await self._whole(announcement)
            if item is not None:
                self.list_version += _may_change_lists(item)
                if isinstance(item, Change):
                    self.delays.add((clock.utc_now() - item.event.at).total_seconds())
                for mailbox in self._mailboxes:
                    mailbox.put(item)

    async def _whole(self, announcement: Announcement | Feed) -> Item | None:
        """The announcement with its job in full, read from the store if it was too big to be sent."""
        if not isinstance(announcement, TooBig):
            return announcement
        try:
            job = await self._reader.get(announcement.too_big)
            events = await self._reader.events(job.id, after=job.version - 1, limit=1)
        except JobNotFound:
            return Deleted(deleted=(announcement.too_big,))
        except Unavailable as exc:
            with about_job(announcement.too_big):
                log.warning("Could not read it after its change: %s", exc.message)
            return Feed.UP
        return Change(job=job, event=events[0]) if events else None


def _may_change_lists(item: Item) -> bool:
    """Whether more than a job's progress has changed."""
    return not isinstance(item, Change) or item.event.type is EventType.STATUS


def _about(item: Change | Deleted) -> tuple[UUID, ...]:
    return item.deleted if isinstance(item, Deleted) else (item.job.id,)
