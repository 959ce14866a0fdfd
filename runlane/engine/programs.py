"""Running a program for a job: its lines as they come, and an end to all of it when the job ends."""

import asyncio
import errno
import os
import signal
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from runlane.background import end_tasks
from runlane.define.context import Finished, ProcessFailed
from runlane.engine.pipes import PipeReader, text_of
from runlane.engine.processes import CannotStart, Spawned, never_cancelled, spawner

# How long a program may clean up before it is killed: less than a job has when its worker stops.
GRACE_S = 1.0
# How many lines of one program are kept for its ``Finished``, and how many are reported at most.
LAST_LINES = 100
MAX_LINES = 20_000
# For what holds a pipe open although all that was started has ended.
_REST_S = 1.0

OnLine = Callable[[str, bool], Awaitable[None]]


async def run(
    argv: Sequence[str | os.PathLike[str]],
    *,
    on_line: OnLine,
    cwd: str | None = None,
    env: Mapping[str, str] | None = None,
    check: bool = True,
    grace_s: float = GRACE_S,
) -> Finished:
    """Run a program to its end, in a session of its own with nothing to read.

    ``on_line(text, is_error)`` gets each line of its output; one that fails ends the program. ``env`` is added to this
    process's own. What the program leaves running is killed when it has ended. A cancel sends SIGTERM to its process
    group, and kills all of it after ``grace_s`` seconds; if this process is killed, all of it is too.

    Raises:
        ProcessFailed: with ``check``, it ended with another code than 0; -9 is signal 9.
        FileNotFoundError, PermissionError, NotADirectoryError, OSError: it cannot be started; says which and why.
    """
    words = [os.fspath(word) for word in argv]
    if not words:
        raise ValueError("ctx.process needs the name of a program.")
    output = _Output(on_line)
    async with output.pipes() as (stdout, stderr):
        program = await _start(words, cwd, env, stdout, stderr)
    code = await _to_its_end(program, output, grace_s)
    finished = Finished(code, output.last())
    if check and code != 0:
        raise ProcessFailed(tuple(words), finished)
    return finished


async def _start(words: list[str], cwd: str | None, env: Mapping[str, str] | None, stdout: int, stderr: int) -> Spawned:
    nothing = os.open(os.devnull, os.O_RDONLY)
    try:
        given = {**os.environ, **(env or {})}
        return await spawner().start(words, env=given, stdin=nothing, stdout=stdout, stderr=stderr, cwd=cwd)
    except CannotStart as exc:
        raise _refused(words[0], cwd, exc) from None
    finally:
        os.close(nothing)


def _refused(name: str, cwd: str | None, exc: CannotStart) -> OSError:
    if cwd is not None and not os.path.isdir(cwd):
        return NotADirectoryError(exc.errno, f"The program {name!r} cannot be run in {cwd!r}, which is no folder")
    if exc.errno == errno.ENOENT:
        where = "there is no such file" if os.path.dirname(name) else "no folder in PATH has it"
        return FileNotFoundError(exc.errno, f"This worker has no program {name!r}: {where}. Install it there")
    if exc.errno == errno.EACCES:
        return PermissionError(exc.errno, f"The program {name!r} may not be executed by this worker")
    return OSError(exc.errno, f"The program {name!r} cannot be started: {exc.strerror}")


async def _to_its_end(program: Spawned, output: "_Output", grace_s: float) -> int:
    following = asyncio.gather(*output.start(), _ended(program))
    try:
        await asyncio.shield(following)
    except BaseException:  # cancelled, or a line could not be reported
        await never_cancelled(_stop(program, grace_s))
        raise
    finally:
        await never_cancelled(output.end())
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
    return program.ended.result()


async def _ended(program: Spawned) -> None:
    await asyncio.shield(program.ended)


async def _stop(program: Spawned, grace_s: float) -> None:
    program.signal(signal.SIGTERM, group=True)
    await asyncio.wait({program.ended}, timeout=grace_s)
    program.kill()
    await asyncio.wait({program.ended})


class _Output:
    """What a program writes: both of its pipes, and its last lines."""

    def __init__(self, on_line: OnLine) -> None:
        self._on_line = on_line
        self._last: deque[bytes] = deque(maxlen=LAST_LINES)
        self._count = 0
        self._readers: list[PipeReader] = []
        self._tasks: list[asyncio.Task[None]] = []

    @asynccontextmanager
    async def pipes(self) -> AsyncIterator[tuple[int, int]]:
        """The ends to write to, open for as long as the block lasts."""
        (out, stdout), (err, stderr) = os.pipe(), os.pipe()
        self._readers = [PipeReader(out), PipeReader(err)]
        try:
            yield stdout, stderr
        except BaseException:
            self._close()
            raise
        finally:
            os.close(stdout)
            os.close(stderr)

    def start(self) -> list[asyncio.Task[None]]:
        self._tasks = [
            asyncio.create_task(self._follow(reader, bool(number))) for number, reader in enumerate(self._readers)
        ]
        return self._tasks

    async def _follow(self, reader: PipeReader, is_error: bool) -> None:
        async for lines in reader.batches():
            room = max(0, MAX_LINES - self._count)
            self._count += len(lines)
            self._last.extend(lines[-LAST_LINES:])
            for line in lines[:room]:
                await self._on_line(text_of(line), is_error)

    async def end(self) -> None:
        """After the program: what is left of its output, and that some was left out."""
        await asyncio.wait(self._tasks, timeout=_REST_S)
        await end_tasks(*self._tasks)
        self._close()
        if self._count > MAX_LINES:
            left_out = self._count - MAX_LINES
            await self._on_line(f"… {left_out} more lines were written; a program's first {MAX_LINES} are kept.", False)

    def last(self) -> str:
        return "\n".join(map(text_of, self._last))

    def _close(self) -> None:
        for reader in self._readers:
            reader.close()
        self._readers.clear()
