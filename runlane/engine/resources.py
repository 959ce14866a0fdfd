"""The resources of a worker process: made when the first job needs one, closed with the process.

Each lives in a task of its own, from its making to its closing: cancel scopes and context managers inside of the
generator are entered and left in one task, whichever jobs come and go. That task has no job's context. A plain
generator has a thread of its own instead, so that a slow one does not block the loop; what it yields must not insist on
being used in that thread (``sqlite3.connect(..., check_same_thread=False)``).
"""

import asyncio
import contextlib
import contextvars
import logging
import sys
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType
from typing import Any

from runlane.define.resource import SharedResource

CLOSE_WITHIN_S = 5.0

log = logging.getLogger(__name__)


class Resources:
    """What the jobs of one process share. Use from one event loop."""

    def __init__(self) -> None:
        self._kept: dict[SharedResource[Any], _Kept] = {}
        self._replaced: dict[SharedResource[Any], Any] = {}
        self._closing = False

    def replace(self, fakes: Mapping[Any, Any]) -> None:
        """Give jobs these values instead, by resource; none of those is made any more.

        Raises:
            TypeError: a key is no resource.
        """
        for resource in fakes:
            if not isinstance(resource, SharedResource):
                raise TypeError(f"{resource!r} is no resource; only what @Resource has made can be replaced.")
        self._replaced.update(fakes)

    async def get(self, resource: SharedResource[Any]) -> Any:
        """What this resource yielded; it is made now unless it is there.

        Who asks while it is made waits for the same one. If that fails it fails for all of them, and whoever asks next
        has it made again.

        Raises:
            Exception: whatever kept it from being made.
            RuntimeError: the worker stops.
        """
        if resource in self._replaced:
            return self._replaced[resource]
        if self._closing:
            raise RuntimeError(f"The worker stops, so the resource {resource.name} is not made.")
        kept = self._kept.get(resource)
        if kept is None:
            kept = self._kept[resource] = _Kept(self, resource)
        return await kept.value()

    async def close(self, within_s: float = CLOSE_WITHIN_S) -> None:
        """Close them, the last one first, when no job needs them any more. Never raises; errors are logged.

        Each has an even share of the time that is left.
        """
        self._closing = True
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + within_s
        open_ones = list(self._kept.values())
        while open_ones:
            share_s = (ends_at - loop.time()) / len(open_ones)
            await open_ones.pop().close(max(share_s, 0.0))

    def drop(self, kept: "_Kept") -> None:
        """It has ended; whoever asks next has another one made."""
        if self._kept.get(kept.resource) is kept:
            del self._kept[kept.resource]


class _Kept:
    """One resource, from its making to its closing."""

    def __init__(self, resources: Resources, resource: SharedResource[Any]) -> None:
        self.resource = resource
        self._resources = resources
        self._end = asyncio.Event()
        self._made: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._traceback: TracebackType | None = None
        self._task = asyncio.get_running_loop().create_task(
            self._keep(), name=f"resource:{resource.name}", context=contextvars.Context()
        )
        self._task.add_done_callback(self._ended)

    async def value(self) -> Any:
        await asyncio.wait([self._made])  # cancelling one who waits cancels nothing for others
        if error := self._made.exception():
            raise error.with_traceback(self._traceback)  # which would grow with each who waits
        return self._made.result()

    async def close(self, within_s: float) -> None:
        if self._made.done():
            self._end.set()
        else:
            self._task.cancel()
        done, _ = await asyncio.wait([self._task], timeout=within_s)
        if not done:
            log.error("The resource %s did not close within %.1f s.", self.resource.name, within_s)
            self._task.cancel()

    async def _keep(self) -> None:
        try:
            async with _opened(self.resource) as value:
                log.debug("The resource %s is made.", self.resource.name)
                self._made.set_result(value)
                await self._end.wait()
        except (SystemExit, KeyboardInterrupt) as exc:  # asyncio would end the whole worker with it
            name = self.resource.name
            raise RuntimeError(f"The resource {name} wanted to end the process ({type(exc).__name__}: {exc}).") from exc

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._resources.drop(self)
        error = None if task.cancelled() else task.exception()
        if not self._made.done():
            self._fail(error)
        elif error is not None:
            log.error("The resource %s failed.", self.resource.name, exc_info=error)

    def _fail(self, error: BaseException | None) -> None:
        name = self.resource.name
        if not isinstance(error, Exception):
            reason: Exception = RuntimeError(f"The making of the resource {name} was cancelled.")
        elif isinstance(error, RuntimeError) and str(error) == "generator didn't yield":  # contextlib's words
            reason = RuntimeError(f"The resource {name} yielded nothing; it must yield once what jobs get.")
        else:
            reason = error
        self._traceback = reason.__traceback__
        self._made.set_exception(reason)
        self._made.exception()  # whoever waited may have been cancelled
        log.warning("The resource %s could not be made: %s: %s", name, type(reason).__name__, reason)


def _opened(resource: SharedResource[Any]) -> contextlib.AbstractAsyncContextManager[Any]:
    if resource.is_async:
        return contextlib.asynccontextmanager(resource.make)()
    return _opened_in_thread(resource)


@contextlib.asynccontextmanager
async def _opened_in_thread(resource: SharedResource[Any]) -> AsyncIterator[Any]:
    """A plain generator, entered and left in one thread, which is its own."""
    thread = ThreadPoolExecutor(1, thread_name_prefix=f"resource-{resource.name}")
    loop = asyncio.get_running_loop()
    opened = contextlib.contextmanager(resource.make)()
    making = thread.submit(opened.__enter__)
    try:
        try:
            value = await asyncio.shield(asyncio.wrap_future(making))
        except asyncio.CancelledError:
            # the thread cannot be cancelled; what it makes after all is closed by it
            making.add_done_callback(lambda made: None if made.exception() else opened.__exit__(None, None, None))
            raise
        try:
            yield value
        except BaseException:
            await loop.run_in_executor(thread, opened.__exit__, *sys.exc_info())
            raise
        await loop.run_in_executor(thread, opened.__exit__, None, None, None)
    finally:
        thread.shutdown(wait=False)
