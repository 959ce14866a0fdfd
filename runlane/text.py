"""Building sentences that people read."""

import difflib
from collections.abc import Iterable

_CONTROLS = (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
# What would move a terminal's cursor, colour it, begin another line, or turn the order of what follows.
_ESCAPED = {code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in _CONTROLS}


def without_controls(text: str, *, lines: bool = False) -> str:
    """The text with what controls a terminal in it written out; ``lines``: it keeps its own lines."""
    if lines:
        return "\n".join(without_controls(line.replace("\t", "    ")) for line in text.splitlines())
    return text.translate(_ESCAPED)


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
