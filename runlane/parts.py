"""The long-lived loops of one process: each is started again when it fails, and those that are down are listed.

A part that fails is logged with its traceback and started again after a pause, which doubles up to ``MAX_PAUSE_S``
as long as it keeps failing. It counts as down until it has run for ``STEADY_S``: a loop that fails every time is not up
in between. The process goes on without it, since ending would stop the parts that work.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from runlane.background import end_tasks
from runlane.clock import utc_now

FIRST_PAUSE_S = 1.0
MAX_PAUSE_S = 30.0
STEADY_S = 10.0

Loop = Callable[[], Awaitable[None]]

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Down:
    """A part that is down, and since when; ``error``: the type of its last failure."""

    name: str
    since: datetime
    error: str


class Parts:
    """The parts of one process. ``pause_s``: before the first restart."""

    def __init__(self, pause_s: float = FIRST_PAUSE_S) -> None:
        self._pause_s = pause_s
        self._tasks: list[asyncio.Task[None]] = []
        self._down: dict[str, Down] = {}
        self._began_at: dict[str, float] = {}
        # How often each part has failed, since this process started.
        self.failures: dict[str, int] = {}

    def start(self, loops: Mapping[str, Loop]) -> None:
        """Run these loops, each forever, until ``end``."""
        for name, loop in loops.items():
            self.failures[name] = 0
            self._tasks.append(asyncio.create_task(self._keep(name, loop), name=name))

    async def end(self) -> None:
        await end_tasks(*self._tasks)

    def down(self) -> list[Down]:
        """The parts that are down, longest first."""
        return sorted((down for name, down in self._down.items() if not self._is_steady(name)), key=lambda d: d.since)

    async def _keep(self, name: str, loop: Loop) -> None:
        pause_s = self._pause_s
        while True:
            self._began_at[name] = time.monotonic()
            error = await _run(name, loop)
            if self._is_steady(name):
                self._down.pop(name, None)
                pause_s = self._pause_s
            del self._began_at[name]
            since = self._down[name].since if name in self._down else utc_now()
            self._down[name] = Down(name, since, error)
            self.failures[name] += 1
            log.error("The part %r of this server is down; it is started again in %g s.", name, pause_s)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, MAX_PAUSE_S)

    def _is_steady(self, name: str) -> bool:
        began_at = self._began_at.get(name)
        return began_at is not None and time.monotonic() - began_at >= STEADY_S


async def _run(name: str, loop: Loop) -> str:
    """Run a loop until it fails; how it did."""
    try:
        await loop()
    except asyncio.CancelledError:
        if (task := asyncio.current_task()) is None or task.cancelling():
            raise
        log.exception(
            "The part %r was cancelled by something in it.", name
        )  # a library's own cancel reached the wrong task
        return "CancelledError"
    except Exception as exc:
        log.exception("The part %r failed.", name)
        return type(exc).__name__
    return "ended by itself"
