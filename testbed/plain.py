"""A context that keeps what plain functions report, and processes that are looked for by their numbers."""

import asyncio
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil

from runlane.define.context import Context, Finished, LogLevel, Saved
from runlane.define.reports import check_level, percent
from runlane.engine import programs
from runlane.engine.plain.pool import PlainPool
from testbed import plain_jobs
from testbed.waiting import until

MODULE = plain_jobs.__name__


class Recorder(Context):
    """One attempt; ``lines`` are text, level and logger."""

    def __init__(self, saved: Saved | None = None) -> None:
        super().__init__(uuid4(), 2, saved)
        self.steps_seen: list[str] = []
        self.percents: list[float] = []
        self.lines: list[tuple[str, str, str]] = []
        self.artifacts: list[tuple[str, bytes, str]] = []
        self.kept: dict[str, Any] = {}

    async def progress(self, done: float, total: float, message: str | None = None) -> None:
        self.percents.append(percent(done, total))

    async def step(self, message: str, done: float | None = None, total: float | None = None) -> None:
        self.steps_seen.append(message)

    async def log(self, line: str, level: LogLevel = "info") -> None:
        check_level(level)
        await self.log_line(line, level, "")

    async def log_line(self, text: str, level: LogLevel, logger: str) -> None:
        self.lines.append((text, level, logger))

    async def artifact(self, name: str, content: bytes, media_type: str = "application/octet-stream") -> None:
        self.artifacts.append((name, content, media_type))

    async def _keep(self, saved: Saved, *, wait: bool = False) -> None:
        self.kept = saved.as_json()

    async def process(
        self, *argv: str, cwd: str | None = None, env: Mapping[str, str] | None = None, check: bool = True
    ) -> Finished:
        async def on_line(text: str, is_error: bool) -> None:
            await self.log_line(text, "warning" if is_error else "info", argv[0])

        return await programs.run(argv, cwd=cwd, env=env, check=check, on_line=on_line)

    async def thread(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a plain function's thread is in its own process")

    @property
    def texts(self) -> list[str]:
        return [text for text, _, _ in self.lines]


async def pids_in(path: Path, count: int) -> list[int]:
    """The process numbers in a file, when there are so many."""

    async def read() -> list[int]:
        return [int(line) for line in path.read_text().split()] if path.exists() else []

    return await until(read, lambda pids: len(pids) >= count)


async def all_end(pids: list[int]) -> None:
    async def alive() -> list[int]:
        return [pid for pid in pids if is_alive(pid)]

    await until(alive, lambda left: not left)


def is_alive(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


async def _run(name: str, pids: str) -> None:
    pool = PlainPool([MODULE], 1)
    await pool.run(getattr(plain_jobs, name), {"pids": pids}, Recorder(), grace_s=lambda: 60)


if __name__ == "__main__":  # a worker, for tests that kill it: the job, and the file for process numbers
    asyncio.run(_run(*sys.argv[1:]))
