"""A thread that shows that this process lives: it renews the leases of its jobs, and its entry among the workers.

It is a thread of its own because a handler may block the event loop. Were leases renewed there, such a job would be
given to another worker while its code still runs here: two runs at once of what must run once. So the lease stays for
as long as the process lives, and the thread finds out which job blocks, and where, and logs it. If the loop stays
blocked after that job's time limit, or after the grace time of a cancel, nothing but the end of the process can stop
it, and the thread ends it; its jobs then run elsewhere.
"""

import asyncio
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from uuid import UUID

from redis.client import Redis

from runlane.engine.runner import Bounds
from runlane.queue.claims import Claim, script
from runlane.queue.redis_client import REDIS_TROUBLE, sync_redis
from runlane.queue.worker_registry import BEAT_S, WorkerInfo, write_entry

BLOCKED_AFTER_S = 2.0
EXIT_STUCK = 70
TICK_S = 0.5
# Together with a tick it is less than the last call that a worker gets for a lease that is over.
ANSWER_TIMEOUT_S = 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ProcessProbe:
    """What the heartbeat needs from its process; each is called from its thread."""

    describe: Callable[[], WorkerInfo]
    held: Callable[[], list[Claim]]
    on_missing: Callable[[list[UUID]], None]
    """Called in the loop with jobs that Redis does not list as ours."""
    bounds: Callable[[str], Bounds | None]
    """How long the job in this task may block the loop; ``None``: the task is no job."""
    cancel_is_asked: Callable[[UUID], Future[bool]]
    """Whether this job is to be cancelled; the blocked loop cannot receive that."""


class Heartbeat:
    """Beats from ``start`` to ``stop``."""

    def __init__(self, url: str, lease_s: float, process: ProcessProbe, loop: asyncio.AbstractEventLoop) -> None:
        self._redis: Redis = sync_redis(url, ANSWER_TIMEOUT_S)
        self._renew = self._redis.register_script(script("renew"))
        self._lease_ms = round(lease_s * 1000)
        self._renew_every_s = lease_s / 3
        self._process = process
        self._loop = loop
        self._loop_thread = threading.get_ident()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat_forever, name="heartbeat", daemon=True)
        self._loop_asked_at: float | None = None
        self._reported = False
        self._asking: Future[bool] | None = None
        self._cancelled_at: float | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop beating; returns when the thread has ended."""
        self._ended.set()
        self._thread.join(timeout=10)
        self._redis.close()

    def _beat_forever(self) -> None:
        beat_at = renew_at = time.monotonic()
        while not self._ended.is_set():
            now = time.monotonic()
            try:
                if now >= renew_at:  # before anything else when Redis is back: others are about to reclaim the jobs
                    self._renew_leases()
                    renew_at = now + self._renew_every_s
                if now >= beat_at:
                    beat_at = now + BEAT_S
                    write_entry(self._redis, self._process.describe())
            except REDIS_TROUBLE as exc:
                log.debug("Could not beat: %s", exc)
            self._check_loop()
            self._ended.wait(TICK_S)

    def _renew_leases(self) -> None:
        held = self._process.held()
        if not held:
            return
        pairs = [part for claim in held for part in (str(claim.job_id), claim.token)]
        _, *missing = self._renew(args=[self._lease_ms, *pairs])
        if missing:
            ids = [UUID(job_id.decode()) for job_id in missing]
            self._in_loop(lambda: self._process.on_missing(ids))

    def _check_loop(self) -> None:
        blocked_s = self._loop_silent_s()
        if blocked_s < BLOCKED_AFTER_S:
            self._reported, self._asking, self._cancelled_at = False, None, None
            return
        task = asyncio.current_task(self._loop)
        name = "something outside of any task" if task is None else task.get_name()
        if not self._reported:
            self._reported = True
            frame = sys._current_frames().get(self._loop_thread)
            where = "".join(traceback.format_stack(frame, limit=3)) if frame else ""
            log.error(
                "%s has blocked the event loop for %.1f s: no other job of this worker moves, and none can be "
                "cancelled. Run such code in a thread: await asyncio.to_thread(…). It is here:\n%s",
                *(name, blocked_s, where),
            )
        bounds = self._process.bounds(name)
        if bounds is None:
            return
        if blocked_s > bounds.deadline_s:
            self._end_process(f"{name} still blocks the event loop after its time limit")
        if self._cancelled_for_s(bounds.job_id) > bounds.cancel_grace_s:
            self._end_process(f"{name} was cancelled and still blocks the event loop")

    def _loop_silent_s(self) -> float:
        """For how long the loop has not answered. Counted from a question to it, as this thread may itself be late."""
        now = time.monotonic()
        asked_at = self._loop_asked_at
        if asked_at is not None:
            return now - asked_at
        self._loop_asked_at = now
        self._in_loop(self._mark_loop_alive)
        return 0.0

    def _cancelled_for_s(self, job_id: UUID) -> float:
        """For how long this job has been due to be cancelled. Requested in one check, answered in a later one."""
        if self._cancelled_at is not None:
            return time.monotonic() - self._cancelled_at
        if self._asking is None:
            self._asking = self._process.cancel_is_asked(job_id)
        elif self._asking.done():
            if self._asking.exception() is None and self._asking.result():
                self._cancelled_at = time.monotonic()
            self._asking = None
        return 0.0

    def _end_process(self, why: str) -> None:
        log.critical("%s; this worker ends itself.", why)
        logging.shutdown()
        os._exit(EXIT_STUCK)

    def _mark_loop_alive(self) -> None:
        self._loop_asked_at = None

    def _in_loop(self, call: Callable[[], None]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call)
