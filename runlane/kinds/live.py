"""Keeps a process's catalogue as the registered kinds are: a second after a worker has started, all know its kinds.

Whoever registers or removes kinds announces that, without saying which. Listeners read what has changed; they also
read after a lost connection, since announcements of that time were missed.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence

from runlane.background import run_together
from runlane.errors import Unavailable
from runlane.kinds.catalogue import Catalogue
from runlane.kinds.service import LimitsService
from runlane.kinds.store import KindStore, RegisteredKind, Standing
from runlane.model.kind import Kind
from runlane.queue import keys
from runlane.queue.client import JobQueue
from runlane.queue.redis_client import REDIS_TROUBLE, quietly, subscribe

RETRY_EVERY_S = 1.0
RENEW_EVERY_S = 86_400.0

log = logging.getLogger(__name__)


class LiveKinds:
    """The catalogue of one process, and what it is read from."""

    def __init__(self, store: KindStore, kinds: Catalogue, queue: JobQueue, limits: LimitsService, url: str) -> None:
        self._store = store
        self._kinds = kinds
        self._queue = queue
        self._limits = limits
        self._url = url
        self._own: tuple[Kind, ...] = ()
        self._registered: dict[str, RegisteredKind] = {}
        self._stale = asyncio.Event()

    @property
    def standings(self) -> dict[str, Standing]:
        """How each kind is registered, by its name, as it was read last."""
        return {name: registered.standing for name, registered in self._registered.items()}

    async def load(self) -> None:
        """Read what has changed. Raises ``Unavailable``."""
        standings = await self._store.standings()
        known = {name: self._registered[name] for name in standings if name in self._registered}
        changed = [name for name, now in standings.items() if name not in known or known[name].standing != now]
        found = await self._store.find(changed)
        self._registered = known | {registered.kind.name: registered for registered in found}
        # a version that was registered later counts, also here
        self._kinds.replace([*self._own, *(registered.kind for registered in self._registered.values())])

    async def register(self, kinds: Sequence[Kind], worker: str) -> dict[str, str]:
        """Register what this worker brings, and have all know; why, in a sentence, for each kind that is refused.

        Raises:
            Unavailable: the database does not answer; nothing is registered.
        """
        refused = await self._store.register(kinds, worker)
        self._own = tuple(kind for kind in kinds if kind.name not in refused)
        await self.load()
        await self._announce()
        return refused

    async def remove(self, name: str) -> None:
        """Remove a kind, and have all know. Raises as ``KindStore.remove``."""
        await self._store.remove(name)
        await self.load()
        await self._announce()

    async def run(self) -> None:
        """Keep the catalogue up to date until cancelled."""
        self._stale.set()
        await run_together(self._load_when_stale(), self._listen())

    async def renew(self, worker: str) -> None:
        """Record daily that this worker still brings its kinds, until cancelled."""
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            try:
                await self._store.brought([kind.name for kind in self._own], worker)
            except Unavailable as exc:
                log.info("Could not record which kinds this worker brings: %s", exc.message)

    async def _announce(self) -> None:
        await quietly(self._queue.announce_kinds())
        await quietly(self._queue.set_limits(self._limits.current))

    async def _load_when_stale(self) -> None:
        while True:
            await self._stale.wait()
            self._stale.clear()
            try:
                await self.load()
            except Unavailable as exc:
                log.info("Could not read the kinds: %s", exc.message)
                self._stale.set()
                await asyncio.sleep(RETRY_EVERY_S)

    async def _listen(self) -> None:
        while True:
            try:
                async with contextlib.aclosing(subscribe(self._url, keys.KINDS_CHANGED)) as messages:
                    async for _ in messages:  # the first one comes when we listen: what was before may be missed
                        self._stale.set()
            except REDIS_TROUBLE as exc:
                log.info("Lost the announcements of kinds (%s); connecting again.", exc)
            await asyncio.sleep(RETRY_EVERY_S)
