"""A traceback in pieces, so that a page can set a team's own lines apart from those of libraries. Pure text."""

from typing import TypedDict

LIBRARIES = ("site-packages", "/lib/python", "\\Lib\\", "<frozen ")
FRAME = '  File "'


class Frame(TypedDict):
    """Some lines of a traceback; ``ours`` when they are of a team's own code, or name the exception."""

    text: str
    ours: bool


def frames(traceback: str) -> list[Frame]:
    """The traceback, whole, as one piece a frame."""
    pieces: list[list[str]] = []
    for line in traceback.splitlines():
        if not pieces or line.startswith(FRAME) or not line.startswith("    "):
            pieces.append([])
        pieces[-1].append(line)
    return [Frame(text="\n".join(lines), ours=_is_ours(lines[0])) for lines in pieces]


def top_frame(traceback: str) -> str:
    """The innermost frame of a team's own code as ``file.py:function``; empty if there is none."""
    for line in reversed(traceback.splitlines()):
        if line.startswith(FRAME) and _is_ours(line):
            path, _, rest = line.removeprefix(FRAME).partition('"')
            function = rest.rpartition(" in ")[2] if " in " in rest else ""
            return f"{path.replace(chr(92), '/').rpartition('/')[2]}:{function}".rstrip(":")
    return ""


def _is_ours(line: str) -> bool:
    return not any(part in line for part in LIBRARIES)
