"""The worker's side of one child: starting it, running a job in it, ending it."""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Sequence
from contextvars import Context as Variables
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import Any

from runlane.background import end_tasks
from runlane.define.context import Context, LogLevel, ProcessFailed, Saved
from runlane.engine.loading import AnyJob
from runlane.engine.pipes import PipeReader, text_of
from runlane.engine.plain.errors import Interrupted, PlainError, ProcessEnded, how_it_ended
from runlane.engine.plain.protocol import MAX_LINES_AHEAD, Frame, Message, pack, read
from runlane.engine.processes import Spawned, module_command, module_environment, never_cancelled, spawner

_MAX_FRAMES = 16
_REST_S = 1.0
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

log = logging.getLogger(__name__)


@dataclass
class _Run:
    """A job that a child is running."""

    number: int
    context: Context
    variables: Variables
    calls: set[asyncio.Task[None]] = field(default_factory=set)
    has_outcome: bool = False
    interrupted: bool = False


class Child:
    """A process that has imported the user's modules.

    ``reusable``: it can run another job. ``runs``: how many it has had.
    """

    def __init__(self, spawned: Spawned, stdout: PipeReader, stderr: PipeReader) -> None:
        self._spawned = spawned
        self._writer: asyncio.StreamWriter | None = None
        self._frames: asyncio.Queue[Frame | None] = asyncio.Queue(_MAX_FRAMES)
        self._run: _Run | None = None
        self._lines_taken = 0
        self._pipes = [stdout, stderr]
        self._tasks = [
            asyncio.create_task(self._follow_pipe(stdout, "stdout", "info")),
            asyncio.create_task(self._follow_pipe(stderr, "stderr", "warning")),
        ]
        self.runs = 0
        self.reusable = True

    @classmethod
    async def start(cls, modules: Sequence[str]) -> "Child":
        """A child that is ready.

        Raises:
            PlainError: it ended before it was.
            OSError: it cannot be started.
        """
        ours, theirs = socket.socketpair()
        (out, stdout), (err, stderr) = os.pipe(), os.pipe()
        try:
            spawned = await spawner().start(
                module_command("runlane.engine.plain.child"),
                env=module_environment(),
                stdin=theirs.fileno(),
                stdout=stdout,
                stderr=stderr,
            )
        except BaseException:
            ours.close()
            os.close(out)
            os.close(err)
            raise
        finally:
            theirs.close()
            os.close(stdout)
            os.close(stderr)
        child = cls(spawned, PipeReader(out), PipeReader(err))
        try:
            await child._connect(ours)
            await child._set_up(modules)
        except BaseException:
            await never_cancelled(child.kill())
            raise
        return child

    @property
    def ended(self) -> asyncio.Future[int]:
        return self._spawned.ended

    async def _connect(self, connection: socket.socket) -> None:
        reader, self._writer = await asyncio.open_unix_connection(sock=connection)
        self._tasks.append(asyncio.create_task(self._receive_all(reader)))

    async def _set_up(self, modules: Sequence[str]) -> None:
        pythonpath = os.environ.get("PYTHONPATH")
        self._send({"setup": True, "modules": list(modules), "pythonpath": pythonpath})
        while True:
            message, _ = await self._next_frame("A process for plain functions ended while it was starting: {}")
            if "ready" in message:
                return
            await self._take_line(message)

    # One job

    async def run(self, job: AnyJob, params: dict[str, Any], context: Context) -> Any:
        """What the job returns, as JSON holds it.

        Raises:
            PlainError: the error that it raised, or how its process ended.
        """
        self.runs += 1
        self._run = run = _Run(self.runs, context, copy_context())
        self._send(
            {
                "run": run.number,
                "job": job.name,
                "params": params,
                "id": str(context.id),
                "attempt": context.attempt,
                "saved": context._saved.as_json(),
            }
        )
        try:
            return await self._until_outcome(job, run)
        finally:
            if not run.has_outcome:  # its code may still run, and nobody listens to it
                await never_cancelled(self.kill())
            await never_cancelled(end_tasks(*run.calls))
            self._run = None

    async def _until_outcome(self, job: AnyJob, run: _Run) -> Any:
        while True:
            try:
                message, content = await self._next_frame("{}")
            except PlainError as error:
                error.may_retry = job.options.retry.allows(ProcessEnded())
                raise
            if "line" in message:
                await self._take_line(message)
            elif "call" in message:
                await self._call(run, message, content)
            else:
                run.has_outcome = True
                self.reusable = self.reusable and message["reusable"]
                await self._rest_of_output()
                if "failed" in message:
                    raise PlainError(**message["failed"])
                return message["done"]

    def interrupt(self) -> None:
        """Have the job interrupted: its programs are ended, and ``Interrupted`` is raised in its code."""
        self.reusable = False
        if self._run is not None:
            self._run.interrupted = True
            for call in self._run.calls:
                call.cancel()
        self._spawned.signal(signal.SIGINT, group=False)

    async def _call(self, run: _Run, message: Message, content: bytes) -> None:
        if message["run"] != run.number:  # of a thread that a job has left
            answer = {"type": "RuntimeError", "message": "This Context is of a job that has ended."}
            return self._send({"answer": message["call"], "error": answer})
        if run.interrupted and message["method"] == "process" and not message["main"]:
            # The signal interrupts the main thread alone. That may clean up with programs, or wait for this thread.
            return self._send({"answer": message["call"], "error": {"type": Interrupted.__name__}})
        answering = self._answer(run.context, message, content)
        if message["method"] != "process":  # the rest in order, as it came
            return await answering
        call = asyncio.create_task(answering)
        run.calls.add(call)
        call.add_done_callback(run.calls.discard)

    async def _answer(self, context: Context, message: Message, content: bytes) -> None:
        reply: Message = {"answer": message["call"]}
        try:
            reply["value"] = await _called(context, message["method"], message["arguments"], content)
        except asyncio.CancelledError:
            self._send({**reply, "error": {"type": Interrupted.__name__}})
            raise
        except Exception as exc:  # the job's code may answer it
            reply["error"] = _as_error(exc, message["arguments"])
        self._send(reply)

    # Its output

    async def _take_line(self, message: Message) -> None:
        current = self._run if self._run is not None and message["run"] == self._run.number else None
        await _report(current, message["line"], message["level"], message["logger"])
        self._lines_taken += 1
        if self._lines_taken >= MAX_LINES_AHEAD // 4:
            self._send({"room": self._lines_taken})
            self._lines_taken = 0

    async def _follow_pipe(self, pipe: PipeReader, name: str, level: LogLevel) -> None:
        async for lines in pipe.batches():
            reporting = _report_all(self._run, [text_of(line) for line in lines], level, name)
            variables = self._run.variables if self._run is not None else None
            await asyncio.create_task(reporting, context=variables)

    async def _rest_of_output(self) -> None:
        await asyncio.wait([asyncio.ensure_future(pipe.dry()) for pipe in self._pipes], timeout=_REST_S)

    # Its end

    async def stop(self, within_s: float) -> None:
        """Have it close its resources and end; it is killed if it has not after ``within_s`` seconds."""
        self._send({"stop": True})
        try:
            async with asyncio.timeout(within_s):
                while (frame := await self._frames.get()) is not None:
                    if "line" in frame[0]:
                        await self._take_line(frame[0])
                await asyncio.shield(self.ended)
        except TimeoutError:
            log.warning("A process for plain functions did not close its resources in time; it is killed.")
        await self.kill()

    async def kill(self) -> None:
        """End it and all that it started, and wait until that is so."""
        self.reusable = False
        self._spawned.kill()
        await asyncio.wait({self.ended})
        if self._writer is not None:
            self._writer.close()
        await asyncio.wait(self._tasks, timeout=_REST_S)
        await end_tasks(*self._tasks)
        for pipe in self._pipes:
            pipe.close()
        self._pipes.clear()

    def _send(self, message: Message, content: bytes = b"") -> None:
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(pack(message, content))

    async def _receive_all(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                await self._frames.put(await read(reader))
        except (asyncio.IncompleteReadError, ConnectionError):
            await self._frames.put(None)

    async def _next_frame(self, sentence: str) -> Frame:
        frame = await self._frames.get()
        if frame is not None:
            return frame
        self.reusable = False
        how = how_it_ended(await asyncio.shield(self.ended))
        await self._rest_of_output()
        raise PlainError(ProcessEnded.__name__, sentence.format(how), None, may_retry=True)


async def _report_all(run: _Run | None, lines: Sequence[str], level: LogLevel, logger: str) -> None:
    for line in lines:
        await _report(run, line, level, logger)


async def _report(run: _Run | None, line: str, level: LogLevel, logger: str) -> None:
    """A line of a job's output; of no job, it goes to the worker's own log."""
    if run is None:
        log.log(_LEVELS[level], "%s: %s", logger, line)
        return
    await run.context.log_line(line, level, logger)


async def _called(context: Context, method: str, arguments: Message, content: bytes) -> Any:
    match method:
        case "keep":
            await context._keep(Saved.of(arguments["saved"]), wait=arguments["wait"])
        case "process":
            more = {name: value for name, value in arguments.items() if name != "argv"}
            finished = await context.process(*arguments["argv"], **more)
            return {"code": finished.code, "output": finished.output}
        case "artifact" | "picture":
            await getattr(context, method)(content=content, **arguments)
        case "progress" | "step" | "log":
            await getattr(context, method)(**arguments)
        case _:
            raise ValueError(f"a job's context has no method {method!r}")


def _as_error(exc: Exception, arguments: Message) -> Message:
    error: Message = {"type": type(exc).__name__, "message": str(exc)}
    if isinstance(exc, OSError):
        error |= {"errno": exc.errno, "message": exc.strerror or str(exc)}
    if isinstance(exc, ProcessFailed):
        finished = {"code": exc.finished.code, "output": exc.finished.output}
        error |= {"argv": arguments["argv"], "finished": finished}
    return error
