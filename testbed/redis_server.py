"""A real Redis-compatible server of our own: the one that the product brings."""

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import redis

from runlane.launcher.redis_server import command, on_port
from testbed.ports import free_port
from testbed.waiting import PATIENCE_S


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
            [*command(self._folder, on_port(self.port)), *self._options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.pid = self._process.pid
        ends_at = time.monotonic() + PATIENCE_S
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
        """The server is killed for as long as the block lasts; what it did not write to its file is lost."""
        self.kill()
        try:
            yield
        finally:
            self.start()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(PATIENCE_S)

    def client(self) -> redis.Redis:
        return redis.Redis.from_url(self.url, decode_responses=True)
