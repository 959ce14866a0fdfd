"""How a job that failed in a child is described to the worker."""

import os
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from runlane.define import context

MAX_TEXT_LENGTH = 100_000
# Frames of ours in a traceback: this package calls the function, and the context is called by it.
_OURS = (os.path.join(Path(__file__).parent, ""), context.__file__)


class PlainError(Exception):
    """A plain function ended without a result: the error it raised, as texts, or how its process ended.

    ``may_retry``: whether the job's ``retry_on`` allows another attempt. ``interrupted``: it ended because it was asked
    to.
    """

    def __init__(
        self, type: str, message: str, traceback: str | None, *, may_retry: bool, interrupted: bool = False
    ) -> None:
        super().__init__(message)
        self.type = type
        self.message = message
        self.traceback = traceback
        self.may_retry = may_retry
        self.interrupted = interrupted


class ProcessEnded(Exception):
    """The process of a plain function has ended under it. Its name is what pages show as the type of the error."""


class Interrupted(KeyboardInterrupt):
    """Raised in a plain function whose job is cancelled, late, or handed back.

    As Ctrl-C does: ``finally`` blocks run, libraries let it pass, and it may be caught as ``KeyboardInterrupt``.
    """


def describe(error: BaseException, *, may_retry: bool) -> dict[str, Any]:
    """The arguments of a ``PlainError``."""
    described = traceback.TracebackException.from_exception(error)
    for each in _chain(described):
        kept = [frame for frame in each.stack if not frame.filename.startswith(_OURS)]
        each.stack = traceback.StackSummary.from_list(kept)
    return {
        "type": type(error).__name__,
        "message": _storable(_message(error, str(described))),
        "traceback": _storable("".join(described.format())),
        "may_retry": may_retry,
        "interrupted": isinstance(error, Interrupted),
    }


def how_it_ended(code: int) -> str:
    """A sentence about a process that ended while a job ran in it."""
    if code < 0:
        hint = " Often that is a machine without memory left." if code == -9 else ""
        return f"The process of this job ended with signal {-code} ({_signal_name(-code)}).{hint}"
    return f"The process of this job ended with code {code}, before the function had returned."


def _message(error: BaseException, text: str) -> str:
    if isinstance(error, SystemExit):
        return (
            f"The function called sys.exit({error.code!r}). Return a result, or raise an error that says what failed."
        )
    if isinstance(error, Interrupted):
        return "The function was interrupted."
    return text or type(error).__name__


def _signal_name(number: int) -> str:
    import signal

    try:
        return signal.Signals(number).name
    except ValueError:
        return "unknown"


def _chain(error: traceback.TracebackException) -> Iterator[traceback.TracebackException]:
    """It, its causes, and the members of groups."""
    waiting = [error]
    while waiting:
        each = waiting.pop()
        yield each
        linked = [each.__cause__, each.__context__, *(each.exceptions or ())]
        waiting.extend(other for other in linked if other is not None)


def _storable(text: str) -> str:
    return text.replace("\x00", "�").encode("utf-8", "replace").decode()[:MAX_TEXT_LENGTH]
