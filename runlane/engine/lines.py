"""A job's lines on their way from any thread to the loop: in batches, bounded, in order.

The sink that a worker gives to ``output.of_job``. A thread that writes faster than lines can be kept is slowed down.
Code on the loop itself cannot be, nor a thread while nothing is kept: beyond the bound their lines are left out, and a
line says how many.
"""

import asyncio
import contextvars
import logging
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from runlane.engine.output import LogLevel

MAX_IN_WRITE = 200
# In characters, each line with what it takes besides.
MAX_WAITING = 4_000_000
LINE_COST = 200
# How long a thread waits for room while none is made; then nothing drains, perhaps since the loop waits for the thread.
STALLED_AFTER_S = 2.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Line:
    """A line of a job's log. ``logger``: who wrote it, ``stdout`` and ``stderr`` for what was printed."""

    text: str
    level: LogLevel
    logger: str


class LoopSink:
    """Takes lines in any thread and has ``write`` keep them, on the loop that made this. End with ``close``."""

    def __init__(self, write: Callable[[Sequence[Line]], Awaitable[None]]) -> None:
        self._write = write
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._room = threading.Condition()
        self._lines: deque[Line] = deque()
        self._waiting = 0
        self._left_out = 0
        self._stalled = False
        self._scheduled = False
        self._closed = False
        self._draining: asyncio.Task[None] | None = None

    def emit(self, text: str, level: LogLevel, logger: str) -> None:
        """Take a line; may wait, in another thread than the loop's."""
        with self._room:
            if threading.get_ident() != self._loop_thread and not (self._has_room() or self._stalled):
                self._stalled = not self._room.wait_for(self._has_room, STALLED_AFTER_S)
            if self._closed:
                return
            if not self._has_room():
                self._left_out += 1
                return
            self._add_left_out()
            self._add(Line(text, level, logger))
            if self._scheduled:
                return
            self._scheduled = True
            try:
                # Outside of the job's context: what is logged while lines are written must not become lines.
                self._loop.call_soon_threadsafe(self._drain, context=contextvars.Context())
            except RuntimeError:  # the loop is closed: the thread outlived its worker
                self._close()

    async def close(self) -> None:
        """Return when every line is kept; later ones are not taken."""
        while self._lines or self._left_out or self._draining is not None:
            contextvars.Context().run(self._drain)
            assert self._draining is not None
            await asyncio.shield(self._draining)
        with self._room:
            self._close()

    def _has_room(self) -> bool:
        return self._closed or self._waiting < MAX_WAITING

    def _add(self, line: Line) -> None:
        self._lines.append(line)
        self._waiting += len(line.text) + LINE_COST

    def _add_left_out(self) -> None:
        if self._left_out:
            text = f"{self._left_out} lines are left out here: they came faster than they could be kept."
            self._left_out = 0
            self._add(Line(text, "warning", __name__))

    def _close(self) -> None:
        self._closed = True
        self._lines.clear()
        self._left_out = 0
        self._room.notify_all()

    def _drain(self) -> None:
        if self._draining is None:
            self._draining = self._loop.create_task(self._keep_all())

    async def _keep_all(self) -> None:
        try:
            while batch := self._take():
                await self._write(batch)
        except Exception:  # the attempt fails by what it reports itself; its lines have nowhere to go
            log.exception("The output of a job could not be kept.")
            with self._room:
                self._close()
        finally:
            self._draining = None

    def _take(self) -> list[Line]:
        with self._room:
            if not self._lines:
                self._add_left_out()
            batch = [self._lines.popleft() for _ in range(min(len(self._lines), MAX_IN_WRITE))]
            self._waiting -= sum(len(line.text) + LINE_COST for line in batch)
            self._stalled = False
            self._scheduled = bool(batch)
            self._room.notify_all()
            return batch
