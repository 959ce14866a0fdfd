"""The context of a job that runs in this worker: its reports go to the database.

Messages are written in batches: what comes while one write is under way goes together into the next.
Steps, log lines and artifacts are never merged; plain progress faster than ten a second is, the newest wins. A
handler far ahead of the database is slowed down instead of filling memory.
"""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from runlane import plain_json
from runlane.core.attempts import HandlerMessage, Report, cancel_delivered
from runlane.define.context import Context, Finished, LogLevel, Saved
from runlane.define.reports import check_artifact, check_level, percent, step_percent
from runlane.engine import programs
from runlane.engine.writer import Writer
from runlane.errors import InvalidInput
from runlane.model.snapshot import JobSnapshot
from runlane.model.status import EventType
from runlane.text import counted

P = ParamSpec("P")
R = TypeVar("R")

PROGRESS_EVERY_S = 0.1
MAX_PENDING = 1000
# Of artifacts that wait to be written, and of those in one write: about as much, and one artifact more.
MAX_PENDING_BYTES = 32_000_000
# Lines that a job logs and prints in one attempt; beyond, a database would fill with them.
MAX_EMITTED = 200_000
# Lines of threads on their way. A thread with more waits for the oldest; a blocked loop does not block it forever.
MAX_FROM_THREADS = 100
THREAD_WAITS_S = 1.0
MAX_IN_WRITE = 200
MAX_TEXT_LENGTH = 10_000
# All of it is written again with each change.
MAX_SAVED_BYTES = 2_000_000


class WorkerContext(Context):
    """One attempt of one job in this worker."""

    def __init__(
        self,
        job: JobSnapshot,
        writer: Writer,
        on_lost: Callable[[], None],
        saved: Saved | None = None,
    ) -> None:
        super().__init__(job.id, job.attempt, saved)
        self._job = job
        self._writer = writer
        self._on_lost = on_lost
        self._pending: list[HandlerMessage] = []
        self._pending_bytes = 0
        self._unsaved: dict[str, Any] | None = None
        self._room = asyncio.Event()
        self._room.set()
        self._hurry = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None
        self._wrote_at = 0.0
        self._lost = False
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._from_threads: deque[Future[None]] = deque()
        self._emitted = 0
        self._left_out = 0

    async def progress(self, done: float, total: float, message: str | None = None) -> None:
        report = HandlerMessage(EventType.PROGRESS, message=_text(message), progress=percent(done, total))
        if self._pending and self._is_merged(self._pending[-1]):
            self._pending[-1] = report
        else:
            await self._add(report)

    async def step(self, message: str, done: float | None = None, total: float | None = None) -> None:
        part = step_percent(done, total)
        await self._add(HandlerMessage(EventType.PROGRESS, message=_text(message), progress=part, data={"step": True}))

    async def log(self, line: str, level: LogLevel = "info") -> None:
        check_level(level)
        await self._add(HandlerMessage(EventType.LOG, log_message=_text(line) or "", data={"level": level}))

    async def log_line(self, line: str, level: LogLevel, logger: str) -> None:
        data = {"level": level, "logger": logger}
        await self._add(HandlerMessage(EventType.LOG, log_message=_text(line) or "", data=data))

    async def artifact(self, name: str, content: bytes, media_type: str = "application/octet-stream") -> None:
        check_artifact(name, content, media_type)
        shown = _text(name) or "unnamed"
        about = {"name": shown, "media_type": media_type}
        await self._add(HandlerMessage(EventType.ARTIFACT, log_message=shown, data=about, content=bytes(content)))

    async def process(
        self, *argv: str, cwd: str | None = None, env: Mapping[str, str] | None = None, check: bool = True
    ) -> Finished:
        program = Path(argv[0]).name if argv else ""

        async def on_line(line: str, is_error: bool) -> None:
            await self.log_line(line, "info", program)  # programs write to both of their outputs what is no error

        return await programs.run(argv, on_line=on_line, cwd=cwd, env=env, check=check)

    async def thread(self, fn: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return await asyncio.to_thread(fn, *args, **kwargs)

    async def _keep(self, saved: Saved, *, wait: bool = False) -> None:
        text = plain_json.dumps(saved.as_json())
        if (size_bytes := len(text.encode())) > MAX_SAVED_BYTES:
            raise ValueError(
                f"what this job keeps has {size_bytes} bytes, more than {MAX_SAVED_BYTES} allowed; keep less, or "
                "attach it as an artifact"
            )
        self._raise_if_failed()
        self._unsaved = plain_json.loads(text)  # a copy: the job may change what it gave
        self._start_writing()
        if wait:
            await self.flush()

    def emit(self, text: str, level: LogLevel, logger: str) -> None:
        """Add a line that the job logged or printed, from any thread. A thread far ahead of the database is slowed.

        The event loop cannot be: lines that it is given faster than they can be written are left out, and counted; so
        are those beyond ``MAX_EMITTED``.
        """
        self._emitted += 1
        if self._emitted > MAX_EMITTED:
            self._left_out += 1
            return
        line = HandlerMessage(EventType.LOG, log_message=_text(text) or "", data={"level": level, "logger": logger})
        if threading.get_ident() != self._loop_thread:
            self._from_threads.append(asyncio.run_coroutine_threadsafe(self._add(line), self._loop))
            if len(self._from_threads) > MAX_FROM_THREADS:
                wait([self._from_threads.popleft()], timeout=THREAD_WAITS_S)
        elif self._has_failed():
            return  # the attempt fails for it
        elif len(self._pending) < MAX_PENDING:
            self._append_left_out()
            self._append(line)
        else:
            self._left_out += 1

    def _append_left_out(self) -> None:
        if self._left_out:
            text = f"{counted(self._left_out, 'line')} left out: too many, or faster than they could be kept."
            self._left_out = 0
            self._append(HandlerMessage(EventType.LOG, log_message=text, data={"level": "warning"}))

    def report_cancel(self) -> None:
        """Report that the handler is being interrupted; never waits, for whoever interrupts must not."""
        self.cancelled = True
        if not (self._lost or self._has_failed()):
            self._pending.append(cancel_delivered())
            self._start_writing()

    def _has_failed(self) -> bool:
        """Whether something that was reported cannot be written."""
        return self._writing is not None and self._writing.done() and self._writing.exception() is not None

    async def flush(self) -> None:
        """Return when everything reported so far is written, at once; raises what kept it from being written."""
        if self._left_out and not self._has_failed():
            self._append_left_out()
        if self._from_threads:
            with contextlib.suppress(IndexError):  # a thread may take the last one first
                while True:
                    await asyncio.wrap_future(self._from_threads.popleft())
        if self._writing is None:
            return
        self._hurry.set()
        while (writing := self._writing) is not None:
            await asyncio.shield(writing)
            if writing is self._writing:
                break
        self._hurry.clear()

    def end(self) -> None:
        """Take nothing more: the attempt has ended. What runs on must not report for the next one."""
        self._lost = True
        self._pending.clear()
        if not self._room.is_set():
            self._room.set()

    @staticmethod
    def _is_merged(message: HandlerMessage) -> bool:
        return message.type is EventType.PROGRESS and message.data is None

    async def _add(self, message: HandlerMessage) -> None:
        await self._room.wait()
        self._raise_if_failed()
        self._append(message)

    def _raise_if_failed(self) -> None:
        """Raises what kept an earlier message from being written."""
        if not self._lost and self._writing is not None and self._writing.done():
            self._writing.result()

    def _append(self, message: HandlerMessage) -> None:
        if self._lost:
            return
        self._pending.append(message)
        self._pending_bytes += len(message.content or b"")
        if len(self._pending) >= MAX_PENDING or self._pending_bytes >= MAX_PENDING_BYTES:
            self._room.clear()
        self._start_writing()

    def _start_writing(self) -> None:
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())

    async def _write_all(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while (self._pending or self._unsaved is not None) and not self._lost:
                if all(map(self._is_merged, self._pending)):
                    await self._pause(self._wrote_at + PROGRESS_EVERY_S - loop.time())
                batch = self._take_batch()
                saved, self._unsaved = self._unsaved, None
                self._room.set()
                self._wrote_at = loop.time()
                if await self._writer.write(Report(self._job.id, self._job.attempt, batch, self._job, saved)) is None:
                    self._lost = True
                    self._pending.clear()
                    self._on_lost()
        finally:
            self._room.set()  # nobody may wait for room that a failed writer will not make

    def _take_batch(self) -> list[HandlerMessage]:
        """What goes into one write: a number of messages, fewer if they carry much."""
        size = count = 0
        for message in self._pending[:MAX_IN_WRITE]:
            count += 1
            size += len(message.content or b"")
            if size >= MAX_PENDING_BYTES:
                break
        batch, self._pending = self._pending[:count], self._pending[count:]
        self._pending_bytes -= size
        return batch

    async def _pause(self, pause_s: float) -> None:
        """Give newer progress the time to replace what waits, unless the job ends."""
        if pause_s > 0 and not self._hurry.is_set():
            try:
                async with asyncio.timeout(pause_s):
                    await self._hurry.wait()
            except TimeoutError:
                pass


def _text(text: str | None) -> str | None:
    """``text`` cut to a sane length, without what databases refuse."""
    if text is None:
        return None
    try:
        plain_json.check(text)
    except InvalidInput:
        text = text.replace("\x00", "�").encode("utf-8", "replace").decode()
    return text if len(text) <= MAX_TEXT_LENGTH else text[: MAX_TEXT_LENGTH - 1] + "…"
