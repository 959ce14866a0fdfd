"""What a worker does beside running jobs: obey commands, queue what is due, and make Redis follow SQL.

Each task is a loop that survives Redis and the database being away. Any number of workers may do them at once: every
change they make is conditional, and what only one needs to do is handed to one, or guarded by a lock that expires.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from runlane.background import run_together
from runlane.composition import Services
from runlane.engine.engine import Engine
from runlane.engine.runner import Interruption, Runner
from runlane.errors import Unavailable
from runlane.model.status import WAITING
from runlane.predecessor import remove_old_keys
from runlane.queue import keys
from runlane.queue.claims import Claims
from runlane.queue.client import Command, JobQueue, WorkerCommand, id_in, parse_command
from runlane.queue.redis_client import REDIS_TROUBLE, subscribe
from runlane.queue.worker_registry import WorkerRegistry
from runlane.schedules.service import REMINDER

FAILED_PAUSE_S = 5.0
CATCH_UP_EVERY_S = 2.0
# So many times it catches up on cancels for each time it reads the stored command to this worker.
COMMAND_EVERY = 5
RECONCILE_EVERY_S = 30.0
# While no more jobs wait than this, each reconciliation goes through all of them: half a second's work, measured.
FEW_WAITING = 20_000
# While more wait, it goes through what came last each time, and through all of them this often.
THOROUGH_EVERY_S = 600.0

log = logging.getLogger(__name__)


class Housekeeping:
    """The tasks of one worker process."""

    def __init__(
        self,
        url: str,
        services: Services,
        queue: JobQueue,
        registry: WorkerRegistry,
        claims: Claims,
        worker_id: str,
    ) -> None:
        self._url = url
        self._store = services.store
        self._counts = services.counts
        self._reconciler = services.reconciler
        self._fell_behind = services.follow_up.fell_behind
        self._limits = services.limits
        self._schedules = services.schedules
        self._queue = queue
        self._registry = registry
        self._claims = claims
        self._worker_id = worker_id
        self._due_changed = asyncio.Event()
        self._reconciling = asyncio.Lock()
        self._has_reconciled = False
        self._times_caught_up = 0

    async def run(self, engine: Engine, runner: Runner) -> None:
        """Do all tasks until cancelled."""
        await run_together(
            self._forever(lambda: self._listen(engine, runner), 0.2),
            self._forever(lambda: self._catch_up(engine, runner), CATCH_UP_EVERY_S),
            self._forever(self._process_due, 0.0),
            self._forever(self._reconcile_when_needed, 0.0),
        )

    async def _forever(self, task: Callable[[], Awaitable[Any]], pause_s: float) -> None:
        while True:
            try:
                await task()
            except (*REDIS_TROUBLE, Unavailable) as exc:
                log.debug("Housekeeping has to wait: %s", exc)
                await asyncio.sleep(1.0)
            except Exception:  # no task may end, or keep the others from running, whatever went wrong
                log.exception("A housekeeping task failed; retrying in %.0f s.", FAILED_PAUSE_S)
                await asyncio.sleep(FAILED_PAUSE_S)
            await asyncio.sleep(pause_s)

    # Commands

    async def _listen(self, engine: Engine, runner: Runner) -> None:
        """Obey commands as they come, until the connection is lost."""
        async with contextlib.aclosing(subscribe(self._url, keys.COMMANDS)) as messages:
            async for message in messages:
                if message is None:  # whatever was sent before was missed
                    self._due_changed.set()
                    engine.claim_soon()
                elif command := parse_command(message):
                    self._obey(command, engine, runner)

    def _obey(self, command: Command, engine: Engine, runner: Runner) -> None:
        if command.cancel is not None:
            runner.interrupt(command.cancel, Interruption.CANCEL)
        if command.claim:
            engine.claim_soon()
        if command.due:
            self._due_changed.set()
        if command.worker == self._worker_id:
            _obey_worker_command(command.action, engine)

    async def _catch_up(self, engine: Engine, runner: Runner) -> None:
        """Catch up on lost commands: those to this worker, and cancels of what it runs, are stored."""
        if self._times_caught_up % COMMAND_EVERY == 0:
            _obey_worker_command(await self._registry.last_command(self._worker_id), engine)
        self._times_caught_up += 1
        if started := runner.started:
            runner.compare(started, await self._store.get_many(list(started)))

    # What is due

    async def _process_due(self) -> None:
        """Deal with what has fallen due, and return when it is time to check again.

        That is within a lease, so that the next check comes before a claim made now can expire.
        """
        self._due_changed.clear()
        due = await self._claims.due()
        if reclaimed := [claim for claim in due.lost if await self._isolated(self._reconciler.reclaim(claim.job_id))]:
            await self._claims.release(reclaimed)
        if jobs := [job_id for name in due.names if (job_id := id_in(name))]:
            await self._reconciler.queue_due(jobs, due.at)
        for name in due.names:
            if schedule_id := id_in(name.removeprefix(REMINDER)):
                if name.startswith(REMINDER):
                    await self._isolated(self._schedules.fire(schedule_id, due.at))
            else:
                log.warning("The reminder %r is not ours; dropping it.", name)
                await self._queue.forget_reminder(name)
        pause_s = self._claims.lease_s if due.next_s is None else min(due.next_s, self._claims.lease_s)
        try:
            async with asyncio.timeout(pause_s):
                await self._due_changed.wait()
        except TimeoutError:
            pass

    async def _isolated(self, call: Awaitable[None]) -> bool:
        """Deal with one thing that is due; whether that worked. An error in one holds up no other."""
        try:
            await call
        except (*REDIS_TROUBLE, Unavailable):
            raise
        except Exception:
            log.exception("Something that was due failed; it is tried again soon.")
            return False
        return True

    # What Redis may have lost

    async def _reconcile_when_needed(self) -> None:
        """Compare SQL with Redis: when this worker starts, when it fell behind, and regularly in one of all workers."""
        if (
            not self._has_reconciled
            or self._fell_behind.is_set()
            or await self._take_turn(keys.RECONCILER, RECONCILE_EVERY_S)
        ):
            self._fell_behind.clear()
            async with self._reconciling:
                await self._reconcile(
                    thorough=await self._few_wait() or await self._take_turn(keys.RECONCILER_THOROUGH, THOROUGH_EVERY_S)
                )
            self._has_reconciled = True
        try:
            async with asyncio.timeout(RECONCILE_EVERY_S):
                await self._fell_behind.wait()
            await asyncio.sleep(CATCH_UP_EVERY_S)  # what kept messages from Redis may last a little longer
        except TimeoutError:
            pass

    async def _few_wait(self) -> bool:
        counts = await self._counts.all()
        return sum(counts[status] for status in WAITING) <= FEW_WAITING

    async def _take_turn(self, key: str, every_s: float) -> bool:
        """Whether no other worker has taken this turn; the lock expires before the next."""
        return bool(await self._queue.redis.set(key, self._worker_id, nx=True, px=round(every_s * 900)))

    async def rebuild(self) -> None:
        """Give an emptied Redis everything back, unless another worker has already begun to.

        Raises one of ``REDIS_TROUBLE``, or ``Unavailable``.
        """
        async with self._reconciling:
            if await self._queue.generation() is None:
                if await self._store.generation():  # else nothing has ever been in it
                    log.warning("Redis has been emptied; rebuilding it from the database.")
                await self._take_turn(keys.RECONCILER_THOROUGH, THOROUGH_EVERY_S)
                await self._reconcile(thorough=True)

    async def _reconcile(self, *, thorough: bool) -> None:
        """Make Redis follow SQL: leases of what runs first, so that nothing is claimed twice, then the limits.

        A Redis that was emptied, or rebuilt by a worker that was overtaken by another, begins a new generation.
        """
        generation, known = None, await self._queue.generation()
        if known is None or known < await self._store.generation():
            await remove_old_keys(self._queue.redis)
            generation = await self._store.begin_generation()
        running = await self._store.running()
        await self._claims.adopt([(job.id, job.kind) for job in running])
        await self._queue.set_limits(self._limits.current, generation=generation)
        await self._schedules.remind_of_all()
        await self._reconciler.requeue_missing(thorough=thorough)
        if thorough:
            await self._reconciler.drop_orphans()


def _obey_worker_command(command: WorkerCommand | None, engine: Engine) -> None:
    if command in ("quiet", "resume"):
        engine.set_quiet(command == "quiet")
    elif command == "stop":
        engine.stop()
