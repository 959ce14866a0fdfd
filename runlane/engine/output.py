"""What a job's code logs and prints, taken to whoever runs it, without any setup by the user.

``install`` once in a process, ``of_job`` around each attempt: inside of it, records of standard ``logging`` and lines
written to standard output and error reach the sink, also from tasks and threads that the code starts. They reach the
process's log as before; what is printed becomes a record there, of the logger ``stdout`` or ``stderr``, so that it has
the job's id. What is on the job's page is in the log, unless a handler there has a higher level.

Taken is what a logger lets through, from ``level`` on, of every logger but our own: libraries too, as in any other
log. A library that logs too much is quietened with ``logging.getLogger("httpx").setLevel("WARNING")``. Processes that
the code starts write past all this; ``ctx.process`` is for them.
"""

import contextlib
import contextvars
import logging
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Literal, Protocol, TextIO

LogLevel = Literal["debug", "info", "warning", "error"]

MAX_LINE_LENGTH = 10_000
# What a worker says about a job is for whoever runs the worker; what a job says is for whoever reads its page.
OWN_LOGGERS = ("runlane", "arq", "worker")
_LEVELS: tuple[tuple[int, LogLevel], ...] = (
    (logging.ERROR, "error"),
    (logging.WARNING, "warning"),
    (logging.INFO, "info"),
)
_STREAMS = {"stdout": logging.INFO, "stderr": logging.WARNING}


class Sink(Protocol):
    """Where the lines of one attempt go."""

    def emit(self, text: str, level: LogLevel, logger: str) -> None:
        """Take a line. Called from any thread, perhaps more than one at a time."""


# One for all: a lock for each job would be made a hundred times for each line.
_lock = threading.Lock()


class _Output:
    """The output of one attempt, until it has ended: a thread that runs on is not heard any more."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._begun: dict[tuple[str, int], str] = {}
        self.closed = False

    def __enter__(self) -> None:  # no generator: each job pays for this
        self._token = _current.set(self)
        if _installed is not None:
            _installed.repair()

    def __exit__(self, *_error: object) -> None:
        if _installed is not None and self._begun:
            for stream, line in self.unfinished():
                _installed.log_line(stream, line)
        self.closed = True
        _current.reset(self._token)

    def emit(self, text: str, level: LogLevel, logger: str) -> None:
        if len(text) > MAX_LINE_LENGTH:
            text = text[: MAX_LINE_LENGTH - 1] + "…"
        self._sink.emit(text, level, logger)

    def lines(self, stream: str, text: str) -> list[str]:
        """The lines that this text ends. What it begins is kept for the thread's next text.

        Of what is written over itself with carriage returns, as progress bars are, only the last is kept.
        """
        key = stream, threading.get_ident()
        with _lock:
            *ended, begun = (self._begun.pop(key, "") + text.replace("\r\n", "\n")).split("\n")
            begun = _last_written(begun)
            if len(begun) >= MAX_LINE_LENGTH:
                ended, begun = [*ended, begun], ""
            if begun:
                self._begun[key] = begun
        return [line for line in map(_last_written, ended) if line.strip()]

    def unfinished(self) -> list[tuple[str, str]]:
        """The stream and the text of each line that has no end, once."""
        with _lock:
            begun, self._begun = self._begun, {}
        return [(stream, line) for (stream, _), text in begun.items() if (line := _last_written(text)).strip()]


_current: "contextvars.ContextVar[_Output | None]" = contextvars.ContextVar("output", default=None)


def _output() -> _Output | None:
    """The output of the job whose code runs here."""
    output = _current.get()
    return None if output is None or output.closed else output


def of_job(sink: Sink) -> contextlib.AbstractContextManager[None]:
    """What the block logs and prints, and all that it starts, goes to ``sink`` too, until the block ends."""
    return _Output(sink)


class _ToSink(logging.Handler):
    """Takes records to the sink of the job whose code logs them."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.setFormatter(logging.Formatter())  # the message, and the error with its traceback if there is one

    def handle(self, record: logging.LogRecord) -> bool:
        # Without the lock that the base class takes: a sink may make a thread wait, and other threads log meanwhile.
        if keep := bool(self.filter(record)):
            self.emit(record)
        return keep

    def emit(self, record: logging.LogRecord) -> None:
        output = _output()
        if output is None or _is_ours(record.name):
            return
        try:
            text = self.format(record)
        except Exception:  # arguments that do not fit the message; logging's own way to say so
            self.handleError(record)
        else:
            output.emit(text, _level(record.levelno), record.name)


class _Stream:
    """Standard output or error, whose lines are a job's where a job's code writes them."""

    def __init__(self, name: str, stream: TextIO, log_line: Callable[[str, str], None], *, echo: bool) -> None:
        self._name = name
        self._stream = stream
        self._log_line = log_line
        self._echo = echo

    def write(self, text: str) -> int:
        output = _output()
        if output is None or _writing.now or _is_written_by_logging():
            return self._stream.write(text)
        if self._echo:
            self._stream.write(text)
        for line in output.lines(self._name, text):
            self._log_line(self._name, line)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Writing(threading.local):
    """Whether this thread is logging what was printed: a handler that prints must not have that logged again."""

    now = False


_writing = _Writing()


class _Installation:
    def __init__(self, level: int, *, echo: bool) -> None:
        self._handler = _ToSink(level)
        self._echo = echo
        self._undo = contextlib.ExitStack()
        self.users = 0
        root = logging.getLogger()
        if root.level > level:
            for handler in root.handlers:
                if handler.level == logging.NOTSET:  # it shows what it showed before
                    handler.setLevel(root.level)
                    self._undo.callback(handler.setLevel, logging.NOTSET)
            self._undo.callback(root.setLevel, root.level)
            root.setLevel(level)
        root.addHandler(self._handler)
        for name in _STREAMS:
            self._wrap(name)
        for owner, name, replacement in (
            (threading.Thread, "start", _start(threading.Thread.start)),
            (ThreadPoolExecutor, "submit", _submit(ThreadPoolExecutor.submit)),
        ):
            self._undo.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, replacement)

    def repair(self) -> None:
        """The user's own ``dictConfig`` may have removed the handler."""
        if self._handler not in logging.root.handlers:
            logging.root.addHandler(self._handler)

    def log_line(self, stream: str, line: str) -> None:
        record = logging.LogRecord(stream, _STREAMS[stream], "", 0, line, (), None)
        if self._echo:
            self._handler.handle(record)
            return
        _writing.now = True
        try:
            # Not by a logger of its name: ``disable_existing_loggers`` would make it silent.
            logging.getLogger().handle(record)
        finally:
            _writing.now = False

    def undo(self) -> None:
        logging.getLogger().removeHandler(self._handler)
        self._undo.close()

    def _wrap(self, name: str) -> None:
        stream = getattr(sys, name)
        wrapped = _Stream(name, stream, self.log_line, echo=self._echo)
        setattr(sys, name, wrapped)
        self._undo.callback(lambda: setattr(sys, name, stream) if getattr(sys, name) is wrapped else None)


_installed: _Installation | None = None


def install(level: int | str = logging.INFO, *, echo: bool = False) -> None:
    """Take what jobs log and print in this process to their sinks. Once more is harmless; see ``uninstall``.

    Call it after the log is configured, and before the user's modules are imported. ``level``: from which on records
    are taken; a root logger with a higher one is lowered to it, while its handlers show what they showed. ``echo``:
    what is printed stays what it was, and no record of the log.
    """
    global _installed
    if _installed is None:
        _installed = _Installation(
            logging.getLevelNamesMapping()[level] if isinstance(level, str) else level, echo=echo
        )
    _installed.users += 1


def uninstall() -> None:
    """Undo one ``install``; the last one puts everything back."""
    global _installed
    if _installed is not None:
        _installed.users -= 1
        if _installed.users == 0:
            _installed.undo()
            _installed = None


def _start(start: Callable[[threading.Thread], None]) -> Callable[[threading.Thread], None]:
    """``Thread.start`` for threads of jobs: they run in a copy of the context, as ``asyncio.to_thread``'s do."""

    def start_in_context(thread: threading.Thread) -> None:
        if _output() is not None:
            context, run = contextvars.copy_context(), thread.run

            def run_in_context() -> None:
                del thread.run  # it would hold the thread in a cycle
                context.run(run)

            thread.run = run_in_context  # type: ignore[method-assign]
        start(thread)

    return start_in_context


def _submit(submit: Callable[..., Future[Any]]) -> Callable[..., Future[Any]]:
    """``ThreadPoolExecutor.submit`` for jobs: a context for each call, and none for the threads, which live on."""

    def submit_in_context(pool: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        if _output() is None:
            return submit(pool, fn, *args, **kwargs)
        context = contextvars.copy_context()
        return contextvars.Context().run(submit, pool, context.run, fn, *args, **kwargs)

    return submit_in_context


def _is_ours(logger: str) -> bool:
    return logger in OWN_LOGGERS or logger.startswith(("runlane.", "arq."))  # a package ``worker`` may be the user's


def _is_written_by_logging() -> bool:
    """Whether a handler of ``logging`` writes to the stream: the record itself is on its way already."""
    return sys._getframe(2).f_code is logging.StreamHandler.emit.__code__


def _level(number: int) -> LogLevel:
    return next((name for least, name in _LEVELS if number >= least), "debug")


def _last_written(line: str) -> str:
    return line.rstrip("\r").rpartition("\r")[2]


def _forget() -> None:
    """A process that was forked while a job ran has nobody to give its lines to."""
    _current.set(None)


os.register_at_fork(after_in_child=_forget)
