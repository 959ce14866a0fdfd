"""Building sentences that people read."""

import difflib
from collections.abc import Iterable


def suggestion(word: str, known: Iterable[str]) -> str:
    """`` Did you mean X?`` when ``word`` is close to a known one, else nothing."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" Did you mean {close[0]!r}?" if close else ""


def counted(number: int, thing: str) -> str:
    """``1 job``, ``2,000 jobs``."""
    return f"1 {thing}" if number == 1 else f"{number:,} {thing}s"


def waiting(number: int) -> str:
    """``1 job waits``, ``2 jobs wait``."""
    return f"{counted(number, 'job')} {'waits' if number == 1 else 'wait'}"
