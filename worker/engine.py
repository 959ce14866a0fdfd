"""arq's Worker, as the part that claims jobs and gives each a slot; the rest of the product sees only this class.

What differs from arq's own: jobs end in SQL, so arq keeps no results and counts no tries; a lost Redis does not end
the process; stopping hands jobs back instead of costing them a try.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from arq.worker import RetryJob, Worker, func

from jobs.background import end_tasks
from jobs.queue import ENTRY_POINT, NEVER_MS, QUEUE_NAME, JobQueue, dumps, loads
from jobs.redis_link import REDIS_TROUBLE
from worker.runner import Interruption, Runner

if TYPE_CHECKING:
    from arq.typing import WorkerCoroutine

POLL_S = 0.05
CLAIM_TTL_S = 30 * 86_400
"""arq gives a job to a second worker when its claim ends. Ours are taken back through SQL when a worker is lost."""
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
UNLIMITED_TRIES = 10**9

log = logging.getLogger(__name__)


class Engine(Worker):
    """Claims jobs from the queue and runs at most ``slots`` of them at once."""

    def __init__(self, queue: JobQueue, runner: Runner, slots: int) -> None:
        super().__init__(
            functions=[func(cast("WorkerCoroutine", self._run_entry), name=ENTRY_POINT)],
            queue_name=QUEUE_NAME,
            redis_pool=queue.redis,
            handle_signals=False,
            max_jobs=slots,
            job_timeout=CLAIM_TTL_S,
            keep_result=0,
            poll_delay=POLL_S,
            max_tries=UNLIMITED_TRIES,
            allow_abort_jobs=True,
            job_serializer=dumps,
            job_deserializer=loads,
            expires_extra_ms=NEVER_MS,
            log_results=False,
        )
        self._runner = runner
        self._stopping = asyncio.Event()

    async def serve(self, on_connected: Callable[[], Awaitable[Any]]) -> None:
        """Run jobs until ``stop``; calls ``on_connected`` each time Redis was reached (again)."""
        pause_s = FIRST_PAUSE_S
        stopping = asyncio.create_task(self._stopping.wait())
        while not self._stopping.is_set():
            self.main_task = main = asyncio.create_task(self._connected(on_connected))
            await asyncio.wait({main, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if self._stopping.is_set():
                await end_tasks(main)
                break
            try:
                main.result()
            except REDIS_TROUBLE as exc:
                log.warning("Redis does not answer (%s); trying again in %.1f s.", exc, pause_s)
                await asyncio.wait({stopping}, timeout=pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            else:
                pause_s = FIRST_PAUSE_S
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)

    async def _connected(self, on_connected: Callable[[], Awaitable[Any]]) -> None:
        await self.pool.ping()
        await on_connected()
        await self.main()

    def stop(self) -> None:
        """Claim nothing more, hand the running jobs back, and let ``serve`` return."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self.allow_pick_jobs = False
        self._runner.interrupt_all(Interruption.STOP)

    async def _run_entry(self, _ctx: dict[Any, Any], job_id: str, attempt: int) -> None:
        """What arq calls for an entry of the queue; arq's abort arrives as a cancel of this very task."""
        running = asyncio.create_task(self._runner.run(UUID(job_id), attempt))
        while not running.done():
            try:
                await asyncio.shield(running)
            except asyncio.CancelledError:
                if not running.done():
                    self._runner.interrupt(UUID(job_id), attempt, Interruption.CANCEL)
        if not running.result():
            raise RetryJob("handed back")  # arq then keeps the entry in the queue
