"""The code of one attempt: its handler and the threads that it started, which cannot be cancelled.

``asyncio.to_thread`` lets go of a thread when its task is cancelled, and the thread runs on. So threads of the
loop's own executor are counted for the job that started them; who makes threads by other means has to end them.
"""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")

_running: "contextvars.ContextVar[Code | None]" = contextvars.ContextVar("running", default=None)


class Code:
    """The handler in ``task``, with its threads. Use from the event loop."""

    def __init__(self, handler: Coroutine[Any, Any, Any], name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._threads: set[Future[Any]] = set()
        self._on_end: list[Callable[[Any], None]] = []
        context = contextvars.copy_context()
        context.run(_running.set, self)
        self.task = self._loop.create_task(handler, name=name, context=context)
        self.task.add_done_callback(self._call_back_if_done)

    def done(self) -> bool:
        """Whether nothing of it runs any more."""
        return self.task.done() and not self._threads

    def add_done_callback(self, call: Callable[[Any], None]) -> None:
        self._on_end.append(call)

    def remove_done_callback(self, call: Callable[[Any], None]) -> None:
        self._on_end = [each for each in self._on_end if each != call]

    def began(self, thread: Future[Any]) -> None:
        """Count a thread until it has ended."""
        self._threads.add(thread)
        thread.add_done_callback(lambda ended: self._loop.call_soon_threadsafe(self._ended, ended))

    def _ended(self, thread: Future[Any]) -> None:
        self._threads.discard(thread)
        self._call_back_if_done()

    def _call_back_if_done(self, _task: object = None) -> None:
        if self.done():
            for call in self._on_end:
                call(self.task)


class Threads(ThreadPoolExecutor):
    """The loop's executor: counts what a handler runs in it."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        thread = super().submit(fn, *args, **kwargs)
        if (code := _running.get()) is not None:
            code.began(thread)
        return thread
