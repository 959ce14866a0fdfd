"""A whole Runlane for the integration tests of a project: app, worker, queue and database, in a folder of its own."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runlane.launcher.local_server import free_port, is_ready

if TYPE_CHECKING:
    from runlane.client.client import Client
    from runlane.client.sync import SyncClient

READY_WITHIN_S = 120.0
ENDS_WITHIN_S = 15.0
CHECK_EVERY_S = 0.05
TAIL_LINES = 20


class ServerFailed(Exception):
    """The server did not start; the message has the end of its log."""


@dataclass(frozen=True)
class Server:
    """A running server. ``log``: the file that all its programs write to."""

    url: str
    log: Path

    def client(self, **options: Any) -> "Client":
        """A client of this server, for ``async with``."""
        from runlane import Client

        return Client(self.url, **options)

    def sync_client(self, **options: Any) -> "SyncClient":
        """A client of this server for tests that are no coroutines, for ``with``."""
        from runlane import SyncClient

        return SyncClient(self.url, **options)


@contextlib.contextmanager
def running(modules: Sequence[str], folder: Path) -> Iterator[Server]:
    """A server on the embedded parts, for the jobs of these modules, or the bundled ones; it ends with the block.

    It runs in ``folder``, which keeps its data, so that no ``.env`` leads it to a database that is not a test's.

    Raises:
        ServerFailed: it ended, or does not answer.
    """
    from runlane.launcher.supervisor import Guard

    port, log = free_port(), folder / "log"
    with log.open("wb") as out, open(os.devnull) as nothing:
        guard = Guard(nothing.fileno())  # which ends it if this process is killed
        process = subprocess.Popen(
            [sys.executable, "-m", "runlane", "run"],
            cwd=folder,
            env=_environment(modules, folder, port),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        guard.watch(process.pid)
        try:
            _wait_until_ready(process, port, log)
            yield Server(f"http://127.0.0.1:{port}", log)
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(ENDS_WITHIN_S)
                guard.forget(process.pid)
            guard.dismiss()
            process.wait()


def _environment(modules: Sequence[str], folder: Path, port: int) -> dict[str, str]:
    own = {
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "RUNLANE_DATA_DIR": str(folder / "data"),
        "PYTHONPATH": os.pathsep.join(os.path.abspath(path) for path in sys.path),  # as the tests import
    }
    inherited = {name: value for name, value in os.environ.items() if name not in ("REDIS_URL", "DATABASE_URL")}
    return inherited | own | ({"RUNLANE_JOBS": ",".join(modules)} if modules else {})


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    ends_at = time.monotonic() + READY_WITHIN_S
    while not is_ready("127.0.0.1", port):
        if process.poll() is not None:
            raise ServerFailed(f"Runlane ended with code {process.returncode} before it was ready.{_tail(log)}")
        if time.monotonic() > ends_at:
            raise ServerFailed(f"Runlane was not ready after {READY_WITHIN_S:g} s.{_tail(log)}")
        time.sleep(CHECK_EVERY_S)


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()[-TAIL_LINES:]
    return "\n".join(["", *lines])
