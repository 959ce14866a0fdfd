"""What code in a child prints and logs, as lines for the job that runs in it."""

import io
import logging
import sys
import threading
from collections.abc import Callable
from typing import IO

# Text, level and logger of one line.
Emit = Callable[[str, str, str], None]


def capture(emit: Emit, level: int) -> None:
    """Send what this process prints and logs to ``emit``, from now on and for all of its threads."""
    sys.stdout = _Printed(emit, "stdout", "info", 1)
    sys.stderr = _Printed(emit, "stderr", "warning", 2)
    root = logging.getLogger()
    root.handlers[:] = [_Logged(emit)]
    root.setLevel(level)


def level_of(number: int) -> str:
    """A level of ``logging`` as one of a job's log."""
    if number >= logging.ERROR:
        return "error"
    if number >= logging.WARNING:
        return "warning"
    return "info" if number >= logging.INFO else "debug"


class _Logged(logging.Handler):
    def __init__(self, emit: Emit) -> None:
        super().__init__()
        self._emit = emit

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._emit(self.format(record), level_of(record.levelno), record.name)
        except Exception:  # arguments that do not fit the message: logging prints where
            self.handleError(record)


class _Printed(io.TextIOBase):
    """Standard output or error; each thread has a line of its own. Bytes and other programs use the file itself."""

    def __init__(self, emit: Emit, name: str, level: str, fd: int) -> None:
        self._emit = emit
        self._name = name
        self._level = level
        self._fd = fd
        self._begun = threading.local()
        self.buffer: IO[bytes] = open(fd, "wb", buffering=0, closefd=False)  # noqa: SIM115 (for the whole process)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        return "replace"

    def fileno(self) -> int:
        return self._fd

    def isatty(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, rest = (getattr(self._begun, "text", "") + text).split("\n")
        self._begun.text = rest
        for line in lines:
            self._emit(line.rstrip("\r").rpartition("\r")[2], self._level, self._name)
        return len(text)

    def end_line(self) -> None:
        """Send what this thread has begun to print."""
        if getattr(self._begun, "text", ""):
            self.write("\n")


def end_lines() -> None:
    """Send what this thread has printed without a line's end."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, _Printed):
            stream.end_line()
