"""A clock for the event loop of a test: nobody waits for a sleep, however long it is.

The loop's own clock is put forward to what comes next, when all that is ready has run. So sleeps, timeouts and periods
keep their order, and a test of hours takes milliseconds. While a connection or a pipe is open, or a thread or a program
works, a timeout takes its real time, for it may be about just that; a sleep does not. Clocks besides the loop's, such
as ``time.time`` and ``datetime.now``, go on as ever.

Ready-made clocks (looptime, aiotools' VirtualClock) put time forward while a server is about to answer, so that clients
of real servers time out at once, or bring plugins that change each test of a project.
"""

import asyncio
import concurrent.futures.thread
import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import Executor
from typing import Any

# How long the loop waits for what is really going on before it skips a sleep beside it.
POLL_S = 0.02
# Names of the standard library's own; where they change, less is skipped.
_ACCEPTS = "_accept_connection"
_POOL_THREADS: Any = getattr(concurrent.futures.thread, "_threads_queues", ())
_SLEEP = getattr(asyncio.futures, "_set_result_unless_cancelled", None)


class _Clock:
    """The clock of one loop, which is ahead of the real one, and never goes back."""

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self._selector: Any = loop._selector
        self._real_time, self._real_select = loop.time, self._selector.select
        self._run_in_executor = loop.run_in_executor
        self._ahead_s = 0.0
        self._calls = 0
        self._wakes: int = loop._ssock.fileno()  # the end of a pipe by which threads wake the loop
        self._threads_before: set[threading.Thread] = set()
        self._users = 0
        loop.time = self._time
        loop.run_in_executor = self._count_call
        self._selector.select = self._select

    def _time(self) -> float:
        return float(self._real_time()) + self._ahead_s

    def _select(self, timeout: float | None = None) -> list[Any]:
        if not self._users or timeout is None or timeout <= 0:
            return list(self._real_select(timeout))
        ready, waited_s = list(self._real_select(0)), 0.0
        if not ready and (self._calls or self._has_files() or self._has_threads()):
            waited_s = min(timeout, POLL_S) if self._next_is_sleep() else timeout
            ready = list(self._real_select(waited_s))
        if not ready:
            self._ahead_s += timeout - waited_s
        return ready

    def _next_is_sleep(self) -> bool:
        timers = self._loop._scheduled
        return bool(timers) and getattr(timers[0], "_callback", None) is _SLEEP

    def _has_files(self) -> bool:
        """Whether anything but the loop's own pipe and servers that wait for clients is open."""
        readers = [key.data[0] for key in self._selector.get_map().values() if key.fd != self._wakes]
        return any(getattr(getattr(reader, "_callback", None), "__name__", "") != _ACCEPTS for reader in readers)

    def _has_threads(self) -> bool:
        """Whether threads were started since, other than those of pools, which live on when they have nothing to do."""
        return bool(set(threading.enumerate()) - self._threads_before - set(_POOL_THREADS))

    def _count_call(self, executor: Executor | None, func: Any, *args: Any) -> Any:
        future = self._run_in_executor(executor, func, *args)
        self._calls += 1
        future.add_done_callback(self._call_ended)
        return future

    def _call_ended(self, _future: object) -> None:
        self._calls -= 1

    def __enter__(self) -> None:
        if not self._users:
            self._threads_before = set(threading.enumerate())
        self._users += 1

    def __exit__(self, *_: object) -> None:
        self._users -= 1


@contextlib.contextmanager
def skipping_sleeps() -> Iterator[None]:
    """Nobody on the running loop waits for a sleep while the block lasts.

    Raises:
        RuntimeError: the loop is not asyncio's own.
    """
    loop: Any = asyncio.get_running_loop()
    if not (hasattr(loop, "_selector") and hasattr(loop, "_scheduled") and hasattr(loop._selector, "get_map")):
        raise RuntimeError(
            f"Sleeps cannot be skipped on {type(loop).__module__}.{type(loop).__name__}, only on asyncio's own loop. "
            "Run the test on that one, or call run_job(..., skip_sleeps=False)."
        )
    clock: _Clock | None = getattr(loop, "_runlane_clock", None)
    if clock is None:
        clock = loop._runlane_clock = _Clock(loop)
    with clock:
        yield
