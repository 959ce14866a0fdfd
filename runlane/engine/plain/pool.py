"""The processes in which a worker runs plain functions, kept warm.

Each has imported the user's modules and waits for a job. After a job it waits for the next one, with what the modules
keep in it, so a job must not rely on what another has left in a module. One that was interrupted, that has left threads
or processes running, or that has run many jobs is ended, and another is started in its place.

Why own code: pebble kills a task's process with a signal, but not what that has started, and loky only all of its
processes; both send pickles, and neither lets a task call back while it runs.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any

from runlane.define.context import Context
from runlane.engine.loading import AnyJob
from runlane.engine.plain.children import Child
from runlane.engine.plain.errors import PlainError, ProcessEnded
from runlane.engine.processes import never_cancelled

# Against what libraries leak; a start takes less than a second of one core.
MAX_RUNS = 500
# How often it is checked whether the grace of an interrupted job is over; it may become shorter meanwhile.
_CHECK_EVERY_S = 0.1
_CLOSE_S = 3.0
# For what a killed job's last report may take.
_REST_S = 1.0

log = logging.getLogger(__name__)


class PlainPool:
    """``size``: how many processes are kept ready or busy; when more jobs run at once, more are started for them."""

    def __init__(self, modules: Sequence[str], size: int, *, max_runs: int = MAX_RUNS) -> None:
        self._modules = tuple(modules)
        self._size = size
        self._max_runs = max_runs
        self._idle: list[Child] = []
        self._busy: set[Child] = set()
        self._waiting: list[asyncio.Future[Child]] = []
        self._starting: set[asyncio.Task[None]] = set()
        self._ending: set[asyncio.Task[None]] = set()
        self._closed = False

    def open(self) -> None:
        """Start the processes, in the background."""
        while len(self._idle) + len(self._busy) + len(self._starting) < self._size:
            self._start_one()

    @property
    def ready(self) -> int:
        """How many processes wait for a job."""
        return len(self._idle)

    async def run(self, job: AnyJob, params: dict[str, Any], context: Context, *, grace_s: Callable[[], float]) -> Any:
        """What the job returns, as JSON holds it. ``params`` are as they are stored.

        When this is cancelled, the job's code is interrupted (``Interrupted``), and killed with all that it started
        when ``grace_s()`` seconds have passed since; this returns when nothing of it runs any more. What the function
        returns in spite of it is returned, what its clean-up raises is raised.

        Raises:
            PlainError: the function raised, or its process ended; has the texts that pages show.
        """
        child = await self._take()
        running = asyncio.create_task(child.run(job, params, context))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            return await never_cancelled(_interrupt(child, running, grace_s))
        finally:
            self._give_back(child)

    async def close(self) -> None:
        """End all processes; those that wait close their resources first."""
        self._closed = True
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_exception(_stopping())
        for starting in self._starting:
            starting.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        await asyncio.gather(*(child.kill() for child in self._busy))
        while self._idle:
            self._end(self._idle.pop())
        await asyncio.gather(*self._ending)

    async def _take(self) -> Child:
        while self._idle:
            child = self._idle.pop()
            if not child.ended.done():
                self._busy.add(child)
                return child
            self._end(child)
        if self._closed:
            raise _stopping()
        waiting: asyncio.Future[Child] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        if len(self._starting) < len(self._waiting):
            self._start_one()
        try:
            return await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled() and waiting.exception() is None:
                self._give_back(waiting.result())
            raise
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)

    def _give_back(self, child: Child) -> None:
        self._busy.discard(child)
        reusable = child.reusable and child.runs < self._max_runs and not child.ended.done()
        if self._closed or not reusable:
            self._end(child)
            self._refill()
        else:
            self._offer(child)

    def _offer(self, child: Child) -> None:
        """To a job that waits; else it waits for a job."""
        while self._waiting:
            waiting = self._waiting.pop(0)
            if not waiting.done():
                self._busy.add(child)
                waiting.set_result(child)
                return
        if len(self._idle) + len(self._busy) < self._size:
            self._idle.append(child)
        else:
            self._end(child)

    def _refill(self) -> None:
        if not self._closed:
            self.open()

    def _start_one(self) -> None:
        starting = asyncio.create_task(self._start())
        self._starting.add(starting)
        starting.add_done_callback(self._starting.discard)

    async def _start(self) -> None:
        try:
            child = await Child.start(self._modules)
        except (PlainError, OSError) as exc:
            log.error("A process for plain functions could not be started: %s", exc)
            error = exc if isinstance(exc, PlainError) else _not_started(exc)
            waiting = next((each for each in self._waiting if not each.done()), None)
            if waiting is not None:
                waiting.set_exception(error)
        else:
            self._offer(child)

    def _end(self, child: Child) -> None:
        gentle = child.reusable and not child.ended.done()
        ending = asyncio.create_task(child.stop(_CLOSE_S) if gentle else child.kill())
        self._ending.add(ending)
        ending.add_done_callback(self._ending.discard)


async def _interrupt(child: Child, running: asyncio.Task[Any], grace_s: Callable[[], float]) -> Any:
    """Have the job ended, within the grace; what it returned or raised if it did."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    child.interrupt()
    while not running.done() and (left_s := began + grace_s() - loop.time()) > 0:
        await asyncio.wait({running}, timeout=min(left_s, _CHECK_EVERY_S))
    in_time = running.done()
    await child.kill()
    await asyncio.wait({running}, timeout=_REST_S)
    running.cancel()
    await asyncio.wait({running})
    if not in_time or running.cancelled():
        raise asyncio.CancelledError
    error = running.exception()
    if isinstance(error, PlainError) and (error.interrupted or error.type == ProcessEnded.__name__):
        raise asyncio.CancelledError
    return running.result()


def _stopping() -> PlainError:
    return PlainError(ProcessEnded.__name__, "This worker stops; it starts no more processes.", None, may_retry=True)


def _not_started(exc: OSError) -> PlainError:
    message = f"No process for this function could be started: {exc.strerror or exc}."
    return PlainError(ProcessEnded.__name__, message, None, may_retry=True)
