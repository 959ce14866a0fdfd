"""What a worker does beside running jobs: tell that it lives, wake scheduled jobs, and mend what accidents leave.

Each duty is a loop that survives Redis and the database being away. Any number of workers may do them at once: every
change they make is conditional.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from jobs.background import run_together
from jobs.errors import Unavailable
from jobs.models import utc_now
from jobs.redis_link import REDIS_TROUBLE
from jobs.service import JobService
from jobs.workers import BEAT_S, WorkerInfo, WorkerRegistry, WorkerState
from worker.runner import Interruption, Runner

PROMOTE_AT_LEAST_EVERY_S = 0.5
RECONCILE_EVERY_S = 30.0
LOST_CHECK_EVERY_S = 2.0
LOST_FOR_S = 8.0
"""A worker's jobs are taken from it when it has been missing this long. Redis may just have been emptied, and a live
worker says so again within a beat."""

log = logging.getLogger(__name__)


class Upkeep:
    """The duties of one worker process."""

    def __init__(self, service: JobService, registry: WorkerRegistry, runner: Runner, about: WorkerInfo) -> None:
        self._service = service
        self._registry = registry
        self._runner = runner
        self._about = about
        self._missing_since: dict[str, float] = {}

    async def run(self) -> None:
        """Do all duties until cancelled."""
        await run_together(
            self._forever(self._beat, BEAT_S),
            self._forever(self._hear_cancels, BEAT_S),
            self._forever(self._promote, PROMOTE_AT_LEAST_EVERY_S),
            self._forever(self._service.requeue_missing, RECONCILE_EVERY_S),
            self._forever(self._take_from_lost_workers, LOST_CHECK_EVERY_S),
        )

    async def forget(self) -> None:
        """Sign off, so that nobody takes this worker for a lost one."""
        try:
            await self._registry.leave(self._about.id)
        except REDIS_TROUBLE as exc:
            log.info("Could not sign off (%s); this worker will be shown as lost.", exc)

    async def _forever(self, duty: Callable[[], Awaitable[Any]], every_s: float) -> None:
        while True:
            pause_s = every_s
            try:
                sooner_s = await duty()
                if isinstance(sooner_s, float):
                    pause_s = min(every_s, sooner_s)
            except (*REDIS_TROUBLE, Unavailable) as exc:
                log.debug("%s has to wait: %s", duty.__name__, exc)
            await asyncio.sleep(pause_s)

    async def _beat(self) -> None:
        now = {"last_seen_at": utc_now(), "running": self._runner.running}
        await self._registry.beat(self._about.model_copy(update=now))

    async def _hear_cancels(self) -> None:
        """Catch the wishes whose message was lost: SQL has them all."""
        jobs = await self._service.store.get_many(self._runner.running)
        for job in jobs.values():
            if job.cancel_requested_at is not None:
                self._runner.interrupt(job.id, job.attempt, Interruption.CANCEL)

    async def _promote(self) -> float | None:
        await self._service.promote_due()
        due_at = await self._service.store.next_due_at()
        return None if due_at is None else max(0.0, (due_at - utc_now()).total_seconds())

    async def _take_from_lost_workers(self) -> None:
        alive = {w.id for w in await self._registry.all() if w.state is not WorkerState.LOST}
        alive.add(self._about.id)
        now = asyncio.get_running_loop().time()
        holders = {job.worker for job in await self._service.store.running() if job.worker}
        self._missing_since = {w: self._missing_since.get(w, now) for w in holders - alive}
        lost = {w for w, since in self._missing_since.items() if now - since >= LOST_FOR_S}
        if lost:
            await self._service.take_from_lost_workers(lost)
