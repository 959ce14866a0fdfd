"""Children that are kept alive: started in process groups of their own, restarted when they die, ended together.

Ready-made process managers either restart nothing or bring a daemon and a file format of their own; what is needed
here is small. Each child's whole group is ended with it, for a server may have children too.
"""

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from runlane.errors import StartRefused

# The exit code of a process that logged why it may not start; starting it again would not help.
REFUSED = 2
FIRST_PAUSE_S = 0.2
MAX_PAUSE_S = 10.0
# A child that lived this long is started again without a pause.
STEADY_AFTER_S = 10.0
POLITE_S = 3.0
HURRY_AFTER_S = 0.2
POLITE_LAST_S = 1.0

log = logging.getLogger(__name__)


class Guard:
    """The process that ends the children if this one cannot: ``runlane.launcher.guard``."""

    def __init__(self, lock_fd: int) -> None:
        read_end, self._pipe = os.pipe()
        self._process = _start(
            # by its file: it imports nothing of ours, and what lies in the current folder is the user's
            [sys.executable, "-P", str(Path(__file__).with_name("guard.py"))],
            stdin=read_end,
            pass_fds=(lock_fd,),
        )
        os.close(read_end)

    def watch(self, group: int) -> None:
        os.write(self._pipe, f"{group}\n".encode())

    def forget(self, group: int) -> None:
        os.write(self._pipe, f"{-group}\n".encode())

    def dismiss(self) -> None:
        """Let it end; it ends whatever is still watched."""
        os.close(self._pipe)
        self._process.wait()


def _start(command: Sequence[str], **options: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, start_new_session=True, **options)  # type: ignore[call-overload, no-any-return]


class Child:
    """A program that should run until ``end``."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        guard: Guard,
        *,
        env: Mapping[str, str],
        cwd: Path,
        on_line: Callable[[str], None] | None = None,
        first_pause_s: float = FIRST_PAUSE_S,
        fds: Sequence[int] = (),
        on_trial: bool = False,
    ) -> None:
        self.name = name
        self._command = command
        self._guard = guard
        self._env = env
        self._cwd = cwd
        self._on_line = on_line
        self._first_pause_s = first_pause_s
        self._fds = fds
        # Whether it may die once only, for it has to show first that it can run.
        self.on_trial = on_trial
        # Whether it has been seen to run: from then on no exit code is a refusal, for a job may end it with any.
        self.has_run = False
        self._process: asyncio.subprocess.Process | None = None
        self._ending = asyncio.Event()

    async def keep(self) -> None:
        """Run it, and again whenever it dies, until ``end``.

        Raises:
            StartRefused: it reported, at its first start and before it was seen to run, that it may not start.
        """
        loop = asyncio.get_running_loop()
        pause_s, first = self._first_pause_s, True
        while not self._ending.is_set():
            began = loop.time()
            code = await self._run()
            if self._ending.is_set():
                return
            if self.on_trial or (first and code == REFUSED and not self.has_run):
                raise StartRefused("")
            first = False
            if loop.time() - began > STEADY_AFTER_S:
                pause_s = self._first_pause_s
            log.warning("The %s ended (%s); starting it again in %.1f s.", self.name, _shown(code), pause_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), pause_s)
            pause_s = min(pause_s * 2, MAX_PAUSE_S)

    async def _run(self) -> int:
        piped = asyncio.subprocess.PIPE if self._on_line else None
        self._process = process = await asyncio.create_subprocess_exec(
            *self._command,
            env=self._env,
            cwd=self._cwd,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=piped,
            stderr=asyncio.subprocess.STDOUT if piped else None,
            start_new_session=True,
            pass_fds=self._fds,
        )
        self._guard.watch(process.pid)
        if self._ending.is_set():  # while it was being started
            self._signal(signal.SIGTERM)
        try:
            if process.stdout is not None and self._on_line is not None:
                async for line in process.stdout:
                    self._on_line(line.decode(errors="replace").rstrip())
            return await process.wait()
        finally:
            self._signal(signal.SIGKILL)  # what it may have left in its group
            self._guard.forget(process.pid)

    def restart(self) -> None:
        """End it so that it is started again."""
        self._signal(signal.SIGTERM)

    def end(self) -> None:
        """Ask it to end, for good."""
        self._ending.set()
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._ending.set()
        self._signal(signal.SIGKILL)

    def _signal(self, signum: int) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signum)


class Supervisor:
    """The children of one run. Those added last are asked to end first."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._kept: list[tuple[Child, asyncio.Task[None]]] = []

    def add(self, child: Child) -> None:
        """Start a child and keep it running."""
        self._kept.append((child, asyncio.create_task(child.keep(), name=child.name)))

    def all_run(self) -> None:
        """Note that every child has been seen to run."""
        for child, _ in self._kept:
            child.has_run = True

    async def refusal(self) -> None:
        """Wait until a child reports that it may not start; then raise its ``StartRefused``."""
        tasks = [task for _, task in self._kept]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def replace(self, old: Child, new: Child, ready: Awaitable[object]) -> bool:
        """Start ``new``, and end ``old`` when ``ready`` is there; whether it came. Else ``new`` ends and ``old`` stays.

        ``old`` is asked twice to end: a worker then hands its jobs back at once.
        """
        task = asyncio.create_task(new.keep(), name=new.name)
        waiting = asyncio.ensure_future(ready)
        try:
            await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():  # it may not start, and has said why
                return False
            new.on_trial, new.has_run = False, True
            self._kept.append((new, task))
            [kept] = [each for each in self._kept if each[0] is old]
            await self._end([kept], POLITE_S)
            self._kept.remove(kept)  # no sooner: a stop that comes meanwhile has to end it too
            return True
        finally:
            if not waiting.done():
                waiting.cancel()
                new.end()
                await asyncio.gather(task, waiting, return_exceptions=True)

    async def end(self) -> None:
        """End all children: the first added, which the others use, after the others."""
        if self._kept:
            await self._end(self._kept[1:], POLITE_S)
            await self._end(self._kept[:1], POLITE_LAST_S)

    async def _end(self, kept: list[tuple[Child, asyncio.Task[None]]], polite_s: float) -> None:
        tasks = [task for _, task in kept]
        if not tasks:
            return
        late: set[asyncio.Task[None]] = set(tasks)
        # asked twice: a worker then gives its jobs no more time
        for wait_s in (HURRY_AFTER_S, polite_s - HURRY_AFTER_S):
            for child, task in kept:
                if task in late:
                    child.end()
            if late:
                _, late = await asyncio.wait(late, timeout=wait_s)
        for child, task in kept:
            if task in late:
                log.warning("The %s did not end within %.0f s; killing it.", child.name, polite_s)
                child.kill()
        await asyncio.gather(*tasks, return_exceptions=True)

    def kill(self) -> None:
        """End all children at once."""
        for child, _ in self._kept:
            child.kill()


async def run_to_end(command: Sequence[str], guard: Guard, *, env: Mapping[str, str], cwd: Path) -> tuple[int, str]:
    """Run a program that ends by itself; its exit code and all its output. Ends it when this call is cancelled."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env=env,
        cwd=cwd,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    guard.watch(process.pid)
    try:
        output, _ = await process.communicate()
        return await process.wait(), output.decode(errors="replace")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        guard.forget(process.pid)


def _shown(code: int) -> str:
    return f"exit code {code}" if code >= 0 else signal.Signals(-code).name
