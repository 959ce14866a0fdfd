"""The one writer of a worker: all pending changes of its jobs go into one transaction, then out in one announcement.

A change waits only for the write under way, or for a claim under way, which takes less. While the database is locked,
full or away, the writer holds: it keeps what it has, logs that, tries again, and the worker claims nothing more. Queue
and listeners are notified after each commit, in order, and hold up no write.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from runlane.background import end_tasks
from runlane.core.attempts import AttemptWrite, Start
from runlane.core.follow_up import FollowUp
from runlane.core.store import Store
from runlane.errors import Unavailable
from runlane.model.snapshot import Change

MAX_IN_TRANSACTION = 500
# Changes that Redis does not know yet. Beyond, the oldest are left to those who read the store.
MAX_UNANNOUNCED = 20_000
GATHER_S = 0.002
FIRST_PAUSE_S = 0.1
MAX_PAUSE_S = 2.0

Outcome = list[Change] | None
log = logging.getLogger(__name__)


class Writer:
    """Writes what attempts do. Use from one event loop, between ``open`` and ``close``."""

    def __init__(self, store: Store, follow_up: FollowUp, on_hold: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._follow_up = follow_up
        self._on_hold = on_hold
        self._pending: list[tuple[AttemptWrite, asyncio.Future[Outcome]]] = []
        self._unannounced: list[Change] = []
        self._wake = asyncio.Event()
        self._announce = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._starts_arrived = asyncio.Event()
        self._starts_arrived.set()
        # Whether the database refuses writes right now.
        self.holding = False

    def open(self) -> None:
        self._tasks = [asyncio.create_task(self._write_forever()), asyncio.create_task(self._announce_forever())]

    async def close(self) -> None:
        """Stop. What is pending was not acknowledged to anyone."""
        await end_tasks(*self._tasks)
        if self._unannounced:
            await self._follow_up.changed(self._unannounced)

    async def write(self, write: AttemptWrite) -> Outcome:
        """The changes made, after they are committed; ``None`` if this attempt is no longer running.

        However long the database is away, this returns only after the write. Raises what makes this very write
        impossible.
        """
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._pending.append((write, outcome))
        if isinstance(write, Start):
            self.starts_arrived()
        self._wake.set()
        return await outcome

    def expect_starts(self) -> None:
        """Jobs are being claimed for the slots of those that end: their starts may go in the write of the ends."""
        self._starts_arrived.clear()

    def starts_arrived(self) -> None:
        """They have arrived, or will not."""
        self._starts_arrived.set()

    async def _write_forever(self) -> None:
        while True:
            await self._wake.wait()
            await self._gather()
            batch, self._pending = self._pending[:MAX_IN_TRANSACTION], self._pending[MAX_IN_TRANSACTION:]
            if not self._pending:
                self._wake.clear()
            outcomes = await self._commit([write for write, _ in batch])
            for (_, waiting), outcome in zip(batch, outcomes, strict=True):
                if waiting.done():  # its caller was cancelled
                    pass
                elif isinstance(outcome, Exception):
                    waiting.set_exception(outcome)
                else:
                    waiting.set_result(outcome)
            self._unannounced += [c for outcome in outcomes if isinstance(outcome, list) for c in outcome]
            self._announce.set()

    async def _gather(self) -> None:
        """One commit to disk for ends and starts instead of two nearly doubles what five slots get done."""
        if not self._starts_arrived.is_set():
            try:
                async with asyncio.timeout(GATHER_S):
                    await self._starts_arrived.wait()
            except TimeoutError:
                self._starts_arrived.set()

    async def _commit(self, writes: Sequence[AttemptWrite]) -> list[Outcome | Exception]:
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                outcomes: list[Outcome | Exception] = [*await self._store.record(writes)]
            except Unavailable:  # logged where it happened
                if not self.holding:
                    self.holding = True
                    log.error("The database takes no writes; holding %d, and claiming no jobs.", len(writes))
                    self._on_hold()
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, MAX_PAUSE_S)
                continue
            except Exception as exc:  # one that cannot be written must not hold up the others
                if len(writes) == 1:
                    return [exc]
                return [outcome for write in writes for outcome in await self._commit([write])]
            if self.holding:
                self.holding = False
                log.warning("The database takes writes again; nothing was lost.")
                self._on_hold()
            return outcomes

    async def _announce_forever(self) -> None:
        while True:
            await self._announce.wait()
            self._announce.clear()
            changes, self._unannounced = self._unannounced, []
            if len(changes) > MAX_UNANNOUNCED:
                log.warning("Redis is slow; dropping %d announcements.", len(changes) - MAX_UNANNOUNCED)
                self._follow_up.fell_behind.set()
                changes = changes[-MAX_UNANNOUNCED:]
            await self._follow_up.changed(changes)
