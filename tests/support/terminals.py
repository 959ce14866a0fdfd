"""A terminal of a size, in which a command runs as people start it: what it wrote, and what stood there at the end."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
import unicodedata
from dataclasses import dataclass

from testbed import ROOT
from testbed.waiting import PATIENCE_S

_PARTS = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)")
_CONTROL = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])")


@dataclass
class Session:
    """A command that has ended. ``written``: all of it, with what controls the terminal."""

    written: str
    code: int

    @property
    def text(self) -> str:
        """What was written at any time, without colours and movements."""
        return _CONTROL.sub("", self.written).replace("\r", "\n")

    @property
    def screen(self) -> list[str]:
        """The lines that were left when it ended, in a terminal high enough for all."""
        lines, row = [""], 0
        # text, a control sequence, or a control character; what is drawn again is erased first
        for amount, command, char, text in re.findall(
            r"\x1b\[([?\d;]*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)", self.written
        ):
            if command == "A":
                row = max(0, row - int(amount or 1))
            elif command == "K":
                lines[row] = ""
            elif char == "\n":
                row += 1
                lines += [""] * (row + 1 - len(lines))
            else:
                lines[row] += text
        return [line.rstrip() for line in lines]


def cells(line: str) -> int:
    """How wide a line is in a terminal."""
    wide, joined = "WF", ("Mn", "Me", "Cf")
    return sum(
        0 if unicodedata.category(char) in joined else 2 if unicodedata.east_asian_width(char) in wide else 1
        for char in line
    )


def in_terminal(
    words: list[str], *, columns: int = 80, lines: int = 24, interrupt_at: str = "", **environment: str
) -> Session:
    """Run a command in a terminal; Ctrl-C is typed once ``interrupt_at`` is there."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    environ = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
    process = subprocess.Popen(
        words,
        cwd=ROOT,
        env=environ | {"TERM": "xterm-256color"} | environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        written = _read(ours, process, interrupt_at)
        return Session(written, process.wait(PATIENCE_S))
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(ours)


def _read(ours: int, process: subprocess.Popen[bytes], interrupt_at: str) -> str:
    written, ends_at = b"", time.monotonic() + PATIENCE_S
    while time.monotonic() < ends_at:
        if not select.select([ours], [], [], 0.1)[0]:
            continue
        try:
            written += os.read(ours, 65_536)
        except OSError:  # it has closed its side
            return written.decode()
        if interrupt_at and interrupt_at in written.decode(errors="replace"):
            interrupt_at = ""
            process.send_signal(signal.SIGINT)
    raise AssertionError(f"It does not end: {written.decode()}")
