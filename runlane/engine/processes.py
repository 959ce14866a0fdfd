"""Processes that end with this one, however it ends, together with all that they started: ``runlane.engine.spawner``.

The spawner is started with the first process, once for each event loop. Were it killed, what it had started is killed
here, as far as it has not left its process group, and the next process gets a new spawner.
"""

import asyncio
import atexit
import contextlib
import errno
import itertools
import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from runlane.background import end_tasks
from runlane.engine.spawner import LENGTH_BYTES
from runlane.installation import HOME

T = TypeVar("T")

_FULL_S = 0.005
_CLOSE_S = 5.0

log = logging.getLogger(__name__)


class CannotStart(OSError):
    """A program cannot be started; ``errno`` as the system gave it."""


class Spawned:
    """A process that was started. ``ended`` gives its exit code, negative for a signal, when all of it has ended."""

    def __init__(self, id: str, pid: int, spawner: "Spawner") -> None:
        self.pid = pid
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._id = id
        self._spawner = spawner

    def signal(self, signum: int, *, group: bool) -> None:
        """Send it, or its process group, a signal; nothing happens when it has ended."""
        self._spawner.send({"do": "signal", "id": self._id, "signum": signum, "group": group})

    def kill(self) -> None:
        """Kill it and all that it started; then ``ended``."""
        self._spawner.send({"do": "kill", "id": self._id})


class Spawner:
    """The worker's side of one spawner."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        with theirs:
            self._process = subprocess.Popen(
                module_command("runlane.engine.spawner"),
                stdin=theirs.fileno(),
                env=module_environment(),
                start_new_session=True,
            )
        self.pid = self._process.pid
        self._socket = ours
        self._ids = map(str, itertools.count(1))
        self._starting: dict[str, asyncio.Future[Spawned]] = {}
        self._started: dict[str, Spawned] = {}
        self._outgoing: asyncio.Queue[tuple[bytes, list[int]]] = asyncio.Queue()
        self._tasks = [asyncio.create_task(self._receive_all()), asyncio.create_task(self._send_all())]
        self.ended = False
        atexit.register(self._let_end)

    async def start(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        stdin: int,
        stdout: int,
        stderr: int,
        cwd: str | None = None,
    ) -> Spawned:
        """Start a program in a session of its own. The files may be closed afterwards; cancelled, nothing of it runs.

        Raises:
            CannotStart: the system refuses it.
        """
        id = next(self._ids)
        starting: asyncio.Future[Spawned] = asyncio.get_running_loop().create_future()
        self._starting[id] = starting
        command = {"do": "start", "id": id, "argv": list(argv), "cwd": cwd or os.getcwd(), "env": dict(env)}
        self.send(command, [os.dup(file) for file in (stdin, stdout, stderr)])
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            await never_cancelled(_undo(starting))
            raise

    def send(self, command: Mapping[str, Any], files: Sequence[int] = ()) -> None:
        if not self.ended:
            self._outgoing.put_nowait((json.dumps(command).encode(), list(files)))

    async def _send_all(self) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ConnectionError):  # it has ended: ``_receive_all`` notes it
            while True:
                frame, files = await self._outgoing.get()
                try:
                    await self._send_head(len(frame).to_bytes(LENGTH_BYTES, "big"), files)
                finally:
                    for file in files:
                        os.close(file)
                await loop.sock_sendall(self._socket, frame)

    async def _send_head(self, head: bytes, files: list[int]) -> None:
        while True:
            try:
                sent = socket.send_fds(self._socket, [head], files)
            except BlockingIOError:
                await asyncio.sleep(_FULL_S)
            else:
                return await asyncio.get_running_loop().sock_sendall(self._socket, head[sent:])

    async def _receive_all(self) -> None:
        loop = asyncio.get_running_loop()
        rest = b""
        with contextlib.suppress(ConnectionError):
            while part := await loop.sock_recv(self._socket, 65536):
                *lines, rest = (rest + part).split(b"\n")
                for line in lines:
                    self._receive(json.loads(line))
        self._note_ended()

    def _receive(self, reply: dict[str, Any]) -> None:
        match reply:
            case {"started": id, "pid": pid}:
                spawned = self._started[id] = Spawned(id, pid, self)
                self._starting.pop(id).set_result(spawned)
            case {"refused": id, "errno": number, "message": message}:
                self._starting.pop(id).set_exception(CannotStart(number or errno.EINVAL, message))
            case {"ended": id, "code": code}:
                self._started.pop(id).ended.set_result(code)

    def _note_ended(self) -> None:
        if self.ended:
            return
        log.error("The process that starts processes for this worker has ended; what it had started is killed.")
        for spawned in self._started.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(spawned.pid, signal.SIGKILL)
        self._end_all()
        self._let_end()

    async def close(self) -> None:
        """Kill all that was started, and end the spawner."""
        self.ended = True
        await end_tasks(*self._tasks)
        await asyncio.to_thread(self._let_end)
        self._end_all()

    def _end_all(self) -> None:
        self.ended = True
        for starting in self._starting.values():
            starting.set_exception(CannotStart(errno.ECHILD, "the process that starts programs has ended"))
        for spawned in self._started.values():
            spawned.ended.set_result(-signal.SIGKILL)
        self._starting.clear()
        self._started.clear()

    def _let_end(self) -> None:
        """It kills all that is left when the socket is closed."""
        atexit.unregister(self._let_end)
        self._socket.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_CLOSE_S)


async def _undo(starting: asyncio.Future[Spawned]) -> None:
    """End a process that nobody waits for any more, if it can be started at all."""
    with contextlib.suppress(CannotStart):
        spawned = await starting
        spawned.kill()
        await spawned.ended


async def never_cancelled(coroutine: Coroutine[Any, Any, T]) -> T:
    """What it returns; a cancel that comes meanwhile is left to whoever cancelled before."""
    task = asyncio.create_task(coroutine)
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            continue
        except Exception:
            break
    return task.result()


_spawners: WeakKeyDictionary[asyncio.AbstractEventLoop, Spawner] = WeakKeyDictionary()


def spawner() -> Spawner:
    """The spawner of the running event loop, started if there is none."""
    loop = asyncio.get_running_loop()
    found = _spawners.get(loop)
    if found is None or found.ended:
        found = _spawners[loop] = Spawner()
    return found


async def close_spawner() -> None:
    """End the spawner of the running event loop, if there is one, and all that it started."""
    if found := _spawners.pop(asyncio.get_running_loop(), None):
        await found.close()


def module_command(module: str) -> list[str]:
    """How one of our modules is run as a program; see ``module_environment``."""
    return [sys.executable, "-P", "-m", module]


def module_environment() -> dict[str, str]:
    """An environment in which a program finds the modules that this process finds.

    Without the current folder, unless we lie there: a user's ``email.py`` would be taken for Python's own. A process
    that needs the user's modules adds it when it has imported ours.
    """
    here = os.getcwd()
    paths = [path for each in sys.path if (path := each or here) != here or path == str(HOME)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
