"""How commands end: the exit codes, and the sentence on standard error that says why."""

import sys
from typing import NoReturn

DONE = 0
FAILED = 1
"""The job failed or was cancelled."""
REFUSED = 2
"""Wrong usage, or the server refuses it; nothing was done."""
UNREACHABLE = 3
"""No Runlane answers at the address, or it cannot now."""
INTERRUPTED = 130
"""Ctrl-C; what shells expect."""


def remark(sentence: str) -> None:
    """Write for people, beside what the command prints."""
    print(sentence, file=sys.stderr, flush=True)


def end(sentence: str, code: int) -> NoReturn:
    """End the process, and say why."""
    remark(sentence)
    sys.exit(code)
