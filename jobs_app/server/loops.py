"""What a server does by itself while it serves: figures, samples, purges, the text index, and catching up Redis.

Each loop goes on when the database or Redis is away. Any number of servers may run them at once: what is counted is
counted once, and a minute is sampled once.
"""

import asyncio
import logging

from jobs_app.live.hub import Mailbox
from jobs_app.runtime import Runtime
from runlane.background import end_tasks
from runlane.clock import utc_now
from runlane.core.deletion import Removal
from runlane.core.follow_up import FollowUp
from runlane.core.reconcile import Reconciler
from runlane.errors import Unavailable
from runlane.parts import Loop
from runlane.queue.change_feed import Feed
from runlane.queue.redis_client import REDIS_TROUBLE
from runlane.queue.worker_registry import WorkerRegistry, WorkerState
from runlane.search.text_index import TextIndex

CATCH_UP_AGAIN_S = 1.0
PURGE_EVERY_S = 5.0
COUNT_EVERY_S = 5.0
INDEX_EVERY_S = 5.0

log = logging.getLogger(__name__)


class Loops:
    """The loops of one server."""

    def __init__(
        self, runtime: Runtime, reconciler: Reconciler, follow_up: FollowUp, removal: Removal, index: TextIndex
    ) -> None:
        self._runtime = runtime
        self._reconciler = reconciler
        self._fell_behind = follow_up.fell_behind
        self._removal = removal
        self._index = index

    def all(self) -> dict[str, Loop]:
        """The loops by name, each a part of the server."""
        return {
            "catching up": self._catch_up_after_gaps,
            "purge": self._purge_deleted,
            "figures": self._keep_figures,
            "samples": self._take_samples,
            "text index": self._keep_index,
        }

    async def _catch_up_after_gaps(self) -> None:
        """Give Redis what it missed: when this server starts, its connection is back, or a call has failed."""
        behind = self._fell_behind
        with self._runtime.hub.listen() as mailbox:
            waiting = asyncio.create_task(_when_up(mailbox, behind))
            try:
                while True:
                    await behind.wait()
                    behind.clear()
                    try:
                        await self._runtime.queue.ping()
                        await self._reconciler.requeue_missing()
                    except (*REDIS_TROUBLE, Unavailable) as exc:
                        log.info("Could not catch up: %s", exc)
                        behind.set()
                        await asyncio.sleep(CATCH_UP_AGAIN_S)
            finally:
                await end_tasks(waiting)

    async def _purge_deleted(self) -> None:
        """Remove for good what can no longer be restored."""
        while True:
            try:
                if await self._removal.any_deleted():
                    purged = await self._removal.purge(utc_now())
                    log.info("Purged %d deleted jobs.", purged)
            except Unavailable as exc:
                log.info("Could not purge deleted jobs: %s", exc.message)
            await asyncio.sleep(PURGE_EVERY_S)

    async def _keep_figures(self) -> None:
        """Count what happened."""
        while True:
            try:
                await self._runtime.statistics.roll_up(utc_now())
                await self._runtime.counts.fold()
            except Unavailable as exc:
                log.info("Could not keep figures: %s", exc.message)
            await asyncio.sleep(COUNT_EVERY_S)

    async def _take_samples(self) -> None:
        """Sample the state once a minute."""
        active, sampled_at = self._runtime, None
        while True:
            now = utc_now()
            minute = now.replace(second=0, microsecond=0)
            try:
                if sampled_at != minute:
                    counts, oldest = await active.counts.all(), await active.reader.oldest_queued_at()
                    await active.samples.take(now, counts, await _running_workers(active.registry), oldest)
                    sampled_at = minute
            except Unavailable as exc:
                log.info("Could not take a sample: %s", exc.message)
            await asyncio.sleep(COUNT_EVERY_S)

    async def _keep_index(self) -> None:
        """Index the texts that changed."""
        while True:
            try:
                await self._index.catch_up()
            except Unavailable as exc:
                log.info("Could not update the text index: %s", exc.message)
            await asyncio.sleep(INDEX_EVERY_S)


async def _running_workers(registry: WorkerRegistry) -> int | None:
    """How many workers take jobs; ``None`` if Redis does not answer."""
    try:
        return sum(worker.state is WorkerState.RUNNING for worker in await registry.all())
    except REDIS_TROUBLE:
        return None


async def _when_up(mailbox: Mailbox, behind: asyncio.Event) -> None:
    async for item in mailbox:
        if item is Feed.UP:
            behind.set()
