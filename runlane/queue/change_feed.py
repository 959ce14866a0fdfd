"""Announce changes of jobs to all listeners, over Redis pub/sub.

Owns the channel name and the wire form: JSON lists of ``Change`` or ``Deleted``. Delivery is at most once. A listener
therefore subscribes first, reads the store second, and applies what is newer by version; ``Feed.UP`` is the sign
to read again. We send whole snapshots, not differences, so that a lost one does no harm.
"""

import asyncio
import contextlib
import enum
import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from typing import Protocol
from uuid import UUID

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from redis.asyncio import Redis

from runlane.model.snapshot import Change, Deleted
from runlane.queue import keys
from runlane.queue.redis_client import REDIS_TROUBLE, connection_pool, subscribe

# A larger change is announced by its id and version alone; who needs it reads the store.
MAX_ANNOUNCED_BYTES = 64_000
# Messages of our own that are on their way; what they gain is in ``runlane.db.prepared``.
MAX_OWN = 200
MAX_PAUSE_S = 5.0

log = logging.getLogger(__name__)


class Feed(enum.Enum):
    """Whether announcements arrive."""

    UP = "up"
    """Subscribed (again). Whatever was announced before was missed: read the store now."""
    DOWN = "down"
    """The connection is lost; what is shown is out of date."""


class TooBig(BaseModel):
    """A change that is too large to announce in full."""

    model_config = ConfigDict(frozen=True)

    too_big: UUID
    version: int


Announcement = Change | Deleted | TooBig
_wire: TypeAdapter[list[Announcement]] = TypeAdapter(list[Announcement])


class Events(Protocol):
    """What the rest of the product needs of announcements; ``tests/twins.py`` has one that needs no Redis."""

    async def publish(self, changes: Sequence[Change | Deleted]) -> None: ...

    def listen(self) -> AsyncIterator[Announcement | Feed]: ...

    async def close(self) -> None: ...


def encode(changes: Iterable[Change | Deleted]) -> Iterator[tuple[bytes, list[Announcement]]]:
    """The wire form: JSON lists of as many changes, in order, as fit in a message that every listener can take.

    Each comes with what it decodes to.
    """
    bodies: list[bytes] = []
    announced: list[Announcement] = []
    size_bytes = 0
    for change in changes:
        announcement: Announcement = change
        body = change.model_dump_json().encode()
        if len(body) > MAX_ANNOUNCED_BYTES and isinstance(change, Change):
            announcement = TooBig(too_big=change.job.id, version=change.job.version)
            body = announcement.model_dump_json().encode()
        if bodies and size_bytes + len(body) > MAX_ANNOUNCED_BYTES:
            yield b"[" + b",".join(bodies) + b"]", announced
            bodies, announced, size_bytes = [], [], 0
        bodies.append(body)
        announced.append(announcement)
        size_bytes += len(body)
    if bodies:
        yield b"[" + b",".join(bodies) + b"]", announced


class RedisEvents:
    """Announcements over one Redis.

    While it listens, what it announces itself is kept until it comes back, so that it need not be decoded.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._redis = Redis(connection_pool=connection_pool(url))
        self._listening = False
        self._own: OrderedDict[bytes, list[Announcement]] = OrderedDict()

    async def publish(self, changes: Sequence[Change | Deleted]) -> None:
        """Announce changes in order, in one round trip. Raises one of ``REDIS_TROUBLE`` when Redis is away."""
        if not changes:
            return
        async with self._redis.pipeline(transaction=False) as pipe:
            for message, announced in encode(changes):
                pipe.publish(keys.CHANGES, message)
                if self._listening:
                    self._own[message] = announced
            while len(self._own) > MAX_OWN:  # the oldest were lost on their way
                self._own.popitem(last=False)
            await pipe.execute()

    async def listen(self) -> AsyncIterator[Announcement | Feed]:
        """Every announcement from now on, forever, between ``Feed.UP`` and ``Feed.DOWN``; reconnects by itself."""
        pause_s = 0.1
        while True:
            was_up = False
            try:
                async for item in self._listen_once():
                    was_up, pause_s = True, 0.1
                    yield item
            except REDIS_TROUBLE as exc:
                if was_up:
                    log.warning("Lost the announcements (%s); reconnecting.", exc)
                    yield Feed.DOWN
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, MAX_PAUSE_S)

    async def _listen_once(self) -> AsyncIterator[Announcement | Feed]:
        async with contextlib.aclosing(subscribe(self._url, keys.CHANGES)) as messages:
            async for message in messages:
                if message is None:
                    self._own.clear()
                    self._listening = True
                    yield Feed.UP
                else:
                    for item in self._own.pop(message, None) or decode(message):
                        yield item

    async def close(self) -> None:
        await self._redis.aclose(close_connection_pool=True)


def decode(message: bytes) -> list[Announcement]:
    """The announcements in a message; none if it is not one of ours."""
    try:
        return _wire.validate_json(message)
    except ValidationError:
        log.warning("Ignored an announcement that is not ours: %.200r", message)
        return []
