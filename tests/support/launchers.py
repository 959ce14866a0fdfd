"""Launchers that a test starts, with every process they lead to, and their end."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from testbed import ROOT
from testbed.ports import free_port
from testbed.waiting import PATIENCE_S, until

OF_CHECKOUT = (sys.executable, "-m", "runlane", "run")
MARK = "LAUNCHER_TEST"


@dataclass
class Run:
    """A launcher, its address, and every process that it ever led to."""

    process: asyncio.subprocess.Process
    mark: str
    port: int
    log: Path
    known: set[psutil.Process] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def family(self) -> list[psutil.Process]:
        """The processes of this run that live: the launcher, its children, and whoever carries its mark."""
        with contextlib.suppress(psutil.NoSuchProcess):
            # the Redis server hides its environment, so children are remembered while their parent lives
            self.known.update(psutil.Process(self.process.pid).children(recursive=True))
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get(MARK) == self.mark:
                    self.known.add(process)
        return [process for process in self.known if _lives(process)]

    def child(self, word: str) -> psutil.Process:
        return next(p for p in self.family() if any(word in part for part in p.cmdline()[:5]))

    async def logged(self, text: str) -> None:
        async def log() -> str:
            return self.log.read_text()

        await until(log, lambda written: text in written)

    async def ready(self) -> None:
        await self.logged("Ready: ")
        assert len(self.family()) == 5, "launcher, guard, redis, worker, app"

    async def ends(self) -> int:
        return await asyncio.wait_for(self.process.wait(), PATIENCE_S)

    async def all_ended(self) -> None:
        async def family() -> list[psutil.Process]:
            return self.family()

        await until(family, lambda left: left == [])

    async def get(self, path: str) -> httpx.Response | None:
        async with httpx.AsyncClient(base_url=self.url, timeout=PATIENCE_S) as client:
            try:
                return await client.get(path)
            except httpx.TransportError:
                return None


def _lives(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


Launch = Callable[..., "asyncio.Future[Run]"]


@contextlib.asynccontextmanager
async def launching(folder: Path, command: Sequence[str] = OF_CHECKOUT, cwd: Path = ROOT) -> AsyncIterator[Launch]:
    """Starts launchers in ``cwd``, with their logs in ``folder``, their data too; all that they led to is killed."""
    runs: list[Run] = []

    async def start(**environ: str) -> Run:
        port = int(environ.get("PORT", free_port()))
        mark = f"{folder}-{len(runs)}"
        cleared = {k: v for k, v in os.environ.items() if not k.startswith(("REDIS_", "DATABASE_"))}
        given = cleared | {"PORT": str(port), "RUNLANE_DATA_DIR": str(folder / "data"), MARK: mark} | environ
        log = folder / f"log-{len(runs)}"
        with log.open("wb") as out:
            process = await asyncio.create_subprocess_exec(*command, cwd=cwd, env=given, stdout=out, stderr=out)
        run = Run(process, mark, port, log)
        runs.append(run)
        return run

    yield start
    for run in runs:
        for process in run.family():
            process.kill()
        await run.process.wait()
        print(run.log.read_text())
