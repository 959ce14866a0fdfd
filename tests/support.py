"""What tests of every floor share: conditions to wait for, free ports, a real server."""

import asyncio
import contextlib
import socket
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import redis

from jobs.attempts import AttemptWrite
from jobs.models import JobStatus
from jobs.service import JobService
from jobs.snapshot import Change
from launcher.redis_server import command

T = TypeVar("T")
ROOT = Path(__file__).parents[1]


async def until(
    look: Callable[[], Awaitable[T]],
    is_right: Callable[[T], object] = bool,
    *,
    within_s: float = 10.0,
    every_s: float = 0.01,
) -> T:
    """What ``look`` gives, once it is right; fails with what it saw last."""
    ends_at = time.monotonic() + within_s
    while True:
        seen = await look()
        if is_right(seen):
            return seen
        assert time.monotonic() < ends_at, f"still {seen!r} after {within_s} s"
        await asyncio.sleep(every_s)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class CountingService(JobService):
    """Counts the transactions of its worker, and how many jobs a reader saw running after one at most."""

    transactions = 0
    most_running = 0

    async def record(self, writes: Sequence[AttemptWrite]) -> list[list[Change] | None]:
        self.transactions += 1
        recorded = await super().record(writes)
        self.most_running = max(self.most_running, (await self.store.counts())[JobStatus.RUNNING])
        return recorded


class RedisServer:
    """A real server of our own, which may be killed, stopped and started again on the same port and files."""

    def __init__(self, folder: Path, *options: str, password: str = "") -> None:
        self.port = free_port()
        login = f":{password}@" if password else ""
        self.url = f"redis://{login}127.0.0.1:{self.port}/0"
        self.pid = 0
        self._options = (*options, "--requirepass", password) if password else options
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [*command(self._folder, self.port), *self._options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.pid = self._process.pid
        ends_at = time.monotonic() + 10
        while True:
            try:
                with redis.Redis.from_url(self.url) as client:
                    client.ping()
                return
            except redis.ConnectionError:
                assert time.monotonic() < ends_at, "the server does not start"
                time.sleep(0.01)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """The server is killed for as long as the block lasts; what it did not write to its file is gone."""
        self.kill()
        try:
            yield
        finally:
            self.start()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(10)

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url, decode_responses=True)
