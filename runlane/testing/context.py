"""The context of a job in a test: what it reports is kept in memory, and programs and threads are real."""

import asyncio
import contextlib
import copy
import os
import signal
from collections.abc import Callable, Mapping
from typing import ParamSpec, TypeVar
from uuid import UUID

from runlane.define.context import Context, Finished, LogLevel, ProcessFailed, Saved
from runlane.define.reports import check_artifact, check_level, percent, step_percent
from runlane.testing.outcome import Artifact, LogLine, Outcome

P = ParamSpec("P")
R = TypeVar("R")


class MemoryContext(Context):
    """One attempt of a job that a test runs; ``outcome`` gets what it reports.

    ``on_step`` is called with each step's message; if it returns true, the attempt is being cancelled.
    """

    def __init__(self, job_id: UUID, attempt: int, outcome: Outcome[R], on_step: Callable[[str], bool]) -> None:
        super().__init__(job_id, attempt, copy.deepcopy(outcome.saved))
        self._outcome = outcome
        self._on_step = on_step

    async def progress(self, done: float, total: float, message: str | None = None) -> None:
        self._outcome.progress = percent(done, total)
        if message is not None:
            await self._report(message)

    async def step(self, message: str, done: float | None = None, total: float | None = None) -> None:
        part = step_percent(done, total)
        self._outcome.steps.append(message)
        if part is not None:
            self._outcome.progress = part
        await self._report(message)

    async def _report(self, message: str) -> None:
        self._outcome.message = message
        if self._on_step(message):
            await asyncio.sleep(0)  # where the cancel arrives

    async def log(self, line: str, level: LogLevel = "info") -> None:
        check_level(level)
        self._outcome.logs.append(LogLine(line, level))

    async def artifact(self, name: str, content: bytes, media_type: str = "application/octet-stream") -> None:
        check_artifact(name, content, media_type)
        self._outcome.artifacts.append(Artifact(name, bytes(content), media_type))

    async def _keep(self, saved: Saved, *, wait: bool = False) -> None:
        self._outcome.saved = copy.deepcopy(saved)

    async def process(
        self, *argv: str, cwd: str | None = None, env: Mapping[str, str] | None = None, check: bool = True
    ) -> Finished:
        lines: list[str] = []
        process = await asyncio.create_subprocess_exec(
            *argv,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            async for raw in process.stdout:
                lines.append(raw.decode(errors="replace").rstrip("\r\n"))
                await self.log(lines[-1])
            code = await process.wait()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # and what it has left in its group
            await process.wait()
        finished = Finished(code, "\n".join(lines))
        if check and code != 0:
            raise ProcessFailed(argv, finished)
        return finished

    async def thread(self, fn: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        running = asyncio.create_task(asyncio.to_thread(fn, *args, **kwargs))
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            raise
