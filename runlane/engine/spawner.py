"""The program that starts processes for a worker, and ends them with all that they started: after a kill -9 too.

A worker that is killed cannot clean up, and a process group does not hold what has left it. So the children of a worker
are started here, in a process of its own that holds one end of a socket: end of file means that the worker has ended.
Each child is made a subreaper (Linux), as this program is: whatever a child started stays below it, daemons too, and
comes here when the child has ended. So what is a child of this program, and was not started by it, is an orphan of a
child that has ended, and is killed.

It also keeps the worker, which has many threads and much memory, from forking. Where there are no subreapers, the
process group and the descendants found at that moment are killed.

A frame from the worker: its length in 4 bytes, together with the three files that ``start`` brings, then JSON. A reply
is a line of JSON. ``runlane.engine.processes`` is the other side.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
from typing import Any

import psutil

LENGTH_BYTES = 4
FILES = 3
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
# Of killing what killed processes leave behind; each round takes one generation.
_MAX_GENERATIONS = 50
_WAIT_S = 1.0

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class Spawner:
    """What was started and has not ended, by the id that the worker gave it."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._started: dict[str, subprocess.Popen[bytes]] = {}
        self._pid = os.getpid()
        if _libc is not None:
            _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)

    def serve(self) -> None:
        """Do what the worker asks until it has ended; then kill everything."""
        woken, wake = socket.socketpair()
        for each in (woken, wake):
            each.setblocking(False)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        # A function and not SIG_IGN, which programs would inherit.
        for signum in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, lambda _signum, _frame: None)
        try:
            while True:
                ready, _, _ = select.select([self._control, woken], [], [])
                if woken in ready:
                    with contextlib.suppress(BlockingIOError):
                        woken.recv(4096)
                    self._reap()
                if self._control in ready and not self._obey():
                    return
        except ConnectionError:  # the worker has ended just now
            return
        finally:
            self._end_all()

    def _obey(self) -> bool:
        """Do the next thing that the worker asks; whether it still lives."""
        head, files, _, _ = socket.recv_fds(self._control, LENGTH_BYTES, FILES)
        if not head:
            return False
        command = json.loads(self._read(int.from_bytes(head + self._read(LENGTH_BYTES - len(head)), "big")))
        match command.pop("do"):
            case "start":
                self._start(files=files, **command)
            case "signal":
                self._signal(**command)
            case "kill":
                self._kill(command["id"])
        return True

    def _read(self, size: int) -> bytes:
        parts = b""
        while len(parts) < size:
            part = self._control.recv(size - len(parts))
            if not part:
                raise ConnectionResetError
            parts += part
        return parts

    def _reply(self, **reply: Any) -> None:
        self._control.sendall(json.dumps(reply).encode() + b"\n")

    def _start(self, id: str, argv: list[str], cwd: str | None, env: dict[str, str], files: list[int]) -> None:
        try:
            process = subprocess.Popen(
                argv,
                stdin=files[0],
                stdout=files[1],
                stderr=files[2],
                cwd=cwd,
                env=env,
                start_new_session=True,
                preexec_fn=self._bind if _libc is not None else None,  # one thread runs here, so it is safe
            )
        except (OSError, ValueError) as exc:  # ValueError: a NUL in an argument
            errno = exc.errno if isinstance(exc, OSError) else None
            self._reply(refused=id, errno=errno, message=str(exc))
        else:
            self._started[id] = process
            self._reply(started=id, pid=process.pid)
        finally:
            for file in files:
                os.close(file)

    def _bind(self) -> None:
        """In the new process: both outlive the exec. It dies with this program, were that to be killed."""
        assert _libc is not None
        _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != self._pid:
            os._exit(1)

    def _signal(self, id: str, signum: int, group: bool) -> None:
        if process := self._started.get(id):
            with contextlib.suppress(ProcessLookupError):
                (os.killpg if group else os.kill)(process.pid, signum)

    def _kill(self, id: str) -> None:
        if process := self._started.get(id):
            _kill_with_descendants(process.pid)

    def _reap(self) -> None:
        by_pid = {process.pid: id for id, process in self._started.items()}
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in by_pid:
                id = by_pid[pid]
                code = os.waitstatus_to_exitcode(status)
                self._started.pop(id).returncode = code
                _kill_group(pid)
                self._kill_orphans()
                self._reply(ended=id, code=code)

    def _kill_orphans(self) -> None:
        """Kill what a child has left behind, and what that leaves behind, until there is nothing."""
        started = {process.pid for process in self._started.values()}
        for _ in range(_MAX_GENERATIONS):
            orphans = [child for child in psutil.Process().children() if child.pid not in started]
            if not orphans:
                return
            for orphan in orphans:
                with contextlib.suppress(psutil.NoSuchProcess):
                    orphan.kill()
            psutil.wait_procs(orphans, timeout=_WAIT_S)

    def _end_all(self) -> None:
        for process in self._started.values():
            _kill_with_descendants(process.pid)
            process.returncode = -signal.SIGKILL
        self._started.clear()
        self._kill_orphans()


def _kill_with_descendants(pid: int) -> None:
    descendants: list[psutil.Process] = []
    if _libc is None:  # else they come here
        with contextlib.suppress(psutil.NoSuchProcess):
            descendants = psutil.Process(pid).children(recursive=True)
    _kill_group(pid)
    for each in descendants:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS refuses it for what has ended
        os.killpg(pid, signal.SIGKILL)


def main() -> None:
    control = socket.socket(fileno=os.dup(0))
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    Spawner(control).serve()


if __name__ == "__main__":
    main()
