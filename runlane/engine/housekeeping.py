"""What a worker does beside running jobs: hear what is wanted, wake what is due, and make Redis follow SQL.

Each duty is a loop that survives Redis and the database being away. Any number of workers may do them at once: every
change they make is conditional, and what only one needs to do is told to one, or guarded by a lock that ends by itself.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from runlane.background import run_together
from runlane.core.service import JobService
from runlane.engine.engine import Engine
from runlane.engine.runner import Interruption, Runner
from runlane.errors import Unavailable
from runlane.model.status import WAITING
from runlane.predecessor import remove_old_keys
from runlane.queue.claims import Claims
from runlane.queue.client import COMMANDS_CHANNEL, Command, JobQueue, id_in, parse_command
from runlane.queue.redis_client import REDIS_TROUBLE, hear
from runlane.queue.worker_registry import WorkerRegistry
from runlane.schedules.service import REMINDER, ScheduleService

FAILED_PAUSE_S = 5.0
LOOK_UP_EVERY_S = 2.0
WISH_EVERY = 5
RECONCILE_EVERY_S = 30.0
# Jobs that wait, of which reconciling goes through all each time: half a second's work, measured.
FEW = 20_000
# How often it goes through all of more, and not only through what came last.
THOROUGH_EVERY_S = 600.0
LOCK_KEY, THOROUGH_KEY = "runlane:reconciler", "runlane:reconciler:thorough"

log = logging.getLogger(__name__)


class Upkeep:
    """The duties of one worker process."""

    def __init__(
        self,
        url: str,
        service: JobService,
        schedules: ScheduleService,
        queue: JobQueue,
        registry: WorkerRegistry,
        claims: Claims,
        worker_id: str,
    ) -> None:
        self._url = url
        self._service = service
        self._schedules = schedules
        self._queue = queue
        self._registry = registry
        self._claims = claims
        self._worker_id = worker_id
        self._due_changed = asyncio.Event()
        self._reconciling = asyncio.Lock()
        self._has_reconciled = False
        self._looked_up = 0

    async def run(self, engine: Engine, runner: Runner) -> None:
        """Do all duties until cancelled."""
        await run_together(
            self._forever(lambda: self._listen(engine, runner), 0.2),
            self._forever(lambda: self._look_up(engine, runner), LOOK_UP_EVERY_S),
            self._forever(self._wake_due, 0.0),
            self._forever(self._reconcile_now_and_then, 0.0),
        )

    async def _forever(self, duty: Callable[[], Awaitable[Any]], pause_s: float) -> None:
        while True:
            try:
                await duty()
            except (*REDIS_TROUBLE, Unavailable) as exc:
                log.debug("A duty has to wait: %s", exc)
                await asyncio.sleep(1.0)
            except Exception:  # whatever it is: no duty may end, nor keep the others from theirs
                log.exception("A duty failed; it is tried again in %.0f s.", FAILED_PAUSE_S)
                await asyncio.sleep(FAILED_PAUSE_S)
            await asyncio.sleep(pause_s)

    # What is wanted

    async def _listen(self, engine: Engine, runner: Runner) -> None:
        """Obey commands as they come, until the connection is lost."""
        async with contextlib.aclosing(hear(self._url, COMMANDS_CHANNEL)) as messages:
            async for message in messages:
                if message is None:  # whatever was said before was missed
                    self._due_changed.set()
                    engine.look()
                elif command := parse_command(message):
                    self._obey(command, engine, runner)

    def _obey(self, command: Command, engine: Engine, runner: Runner) -> None:
        if command.cancel is not None:
            runner.interrupt(command.cancel, Interruption.CANCEL)
        if command.claim:
            engine.look()
        if command.due:
            self._due_changed.set()
        if command.worker == self._worker_id:
            _obey_wish(command.wish, engine)

    async def _look_up(self, engine: Engine, runner: Runner) -> None:
        """Make up for commands that were lost: wishes about this worker, and cancels of what it runs, are kept."""
        if self._looked_up % WISH_EVERY == 0:
            _obey_wish(await self._registry.wish(self._worker_id), engine)
        self._looked_up += 1
        if started := runner.started:
            runner.compare(started, await self._service.store.get_many(list(started)))

    # What is due

    async def _wake_due(self) -> None:
        """Deal with what has fallen due, and return when it is time to look again.

        That is within a lease: so a claim that is made after a look is seen by the next before it can be over.
        """
        self._due_changed.clear()
        due = await self._claims.due()
        if dealt_with := [claim for claim in due.lost if await self._alone(self._service.take_up(claim.job_id))]:
            await self._claims.release(dealt_with)
        if jobs := [job_id for name in due.names if (job_id := id_in(name))]:
            await self._service.promote_due(jobs, due.at)
        for name in due.names:
            if schedule_id := id_in(name.removeprefix(REMINDER)):
                if name.startswith(REMINDER):
                    await self._alone(self._schedules.fire(schedule_id, due.at))
            else:
                log.warning("The reminder %r is not ours; it is dropped.", name)
                await self._queue.forget_reminder(name)
        longest_s = self._claims.lease_s if due.next_s is None else min(due.next_s, self._claims.lease_s)
        try:
            async with asyncio.timeout(longest_s):
                await self._due_changed.wait()
        except TimeoutError:
            pass

    async def _alone(self, call: Awaitable[None]) -> bool:
        """Deal with one thing that is due; whether that was done. What is odd about it holds up no other."""
        try:
            await call
        except (*REDIS_TROUBLE, Unavailable):
            raise
        except Exception:
            log.exception("What was due could not be dealt with; it is looked at again soon.")
            return False
        return True

    # What Redis may have lost

    async def _reconcile_now_and_then(self) -> None:
        """Compare SQL with Redis: when this worker starts, when it fell behind, and every while one worker of all."""
        if (
            not self._has_reconciled
            or self._service.fell_behind.is_set()
            or await self._may(LOCK_KEY, RECONCILE_EVERY_S)
        ):
            self._service.fell_behind.clear()
            async with self._reconciling:
                await self._reconcile(
                    thorough=await self._few_wait() or await self._may(THOROUGH_KEY, THOROUGH_EVERY_S)
                )
            self._has_reconciled = True
        try:
            async with asyncio.timeout(RECONCILE_EVERY_S):
                await self._service.fell_behind.wait()
            await asyncio.sleep(LOOK_UP_EVERY_S)  # whatever kept Redis from being told may last a little
        except TimeoutError:
            pass

    async def _few_wait(self) -> bool:
        counts = await self._service.store.counts()
        return sum(counts[status] for status in WAITING) <= FEW

    async def _may(self, key: str, every_s: float) -> bool:
        """Whether no other worker has taken this turn; the lock ends by itself before the next."""
        return bool(await self._queue.redis.set(key, self._worker_id, nx=True, px=round(every_s * 900)))

    async def refill(self) -> None:
        """Give an emptied Redis everything back, if no other worker has begun to meanwhile.

        Raises one of ``REDIS_TROUBLE``, or ``Unavailable``.
        """
        async with self._reconciling:
            if await self._queue.filling() is None:
                await self._may(THOROUGH_KEY, THOROUGH_EVERY_S)
                await self._reconcile(thorough=True)

    async def _reconcile(self, *, thorough: bool) -> None:
        """Make Redis follow SQL: leases of what runs first, so that nothing is claimed twice, then the limits.

        A Redis that was emptied, or filled by who was overtaken by another, is filled anew.
        """
        filling, known = None, await self._queue.filling()
        if known is None or known < await self._service.store.filling():
            await remove_old_keys(self._queue.redis)
            filling = await self._service.store.begin_filling()
        running = await self._service.store.running()
        await self._claims.adopt([(job.id, job.kind) for job in running])
        await self._queue.set_limits(self._service.limits, filling=filling)
        await self._schedules.remind_of_all()
        await self._service.requeue_missing(thorough=thorough)
        if thorough:
            await self._service.drop_strangers()


def _obey_wish(wish: str | None, engine: Engine) -> None:
    if wish in ("quiet", "resume"):
        engine.set_quiet(wish == "quiet")
    elif wish == "stop":
        engine.stop()
