"""Printing: for people in a terminal, for programs in a pipe, and as JSON.

In a pipe, with ``NO_COLOR``, and in a terminal that cannot do more, there are neither colours nor bars; in a pipe
nothing is cut. What comes from jobs cannot control the terminal.
"""

import os
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any, TextIO

from pydantic import BaseModel
from pydantic_core import to_jsonable_python
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from runlane import plain_json
from runlane.text import without_controls

# No terminal is as wide, so that nothing is cut in a pipe.
NO_LIMIT = 1_000_000
COLOURS = {
    "completed": "green",
    "failed": "red",
    "cancelled": "yellow",
    "running": "cyan",
    "queued": "blue",
    "scheduled": "magenta",
}


def is_lively(stream: TextIO) -> bool:
    """Whether colours and bars are welcome there."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def console(stream: TextIO) -> Console:
    """What draws on a stream."""
    return Console(
        file=stream,
        color_system="auto" if is_lively(stream) else None,
        width=None if stream.isatty() else NO_LIMIT,
        markup=False,
        highlight=False,
        emoji=False,
    )


def plain(value: Any) -> str:
    """A text of a job on one line, in which nothing controls the terminal."""
    return without_controls(" ".join(str(value).split()))


def status(name: str) -> Text:
    """A status in its colour."""
    return Text(name, COLOURS.get(name, ""))


def local(at: datetime | None) -> str:
    """A time as the clock of this machine shows it."""
    return "" if at is None else f"{at.astimezone():%Y-%m-%d %H:%M:%S}"


def print_json(value: Any) -> None:
    """Print one JSON document."""
    print(plain_json.indented(_plain(value)))


def print_json_line(value: Any) -> None:
    """Print one of several JSON documents, each on a line."""
    print(plain_json.dumps(_plain(value)), flush=True)


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return to_jsonable_python(value)


def print_value(value: Any) -> None:
    """Print what a job returned: a text as it is, all else as JSON."""
    text = value if isinstance(value, str) else plain_json.indented(value)
    print(without_controls(text, lines=True) if sys.stdout.isatty() else text)


def table(headings: Sequence[str], rows: Sequence[Sequence[str | Text]], *, stretch: str) -> None:
    """Print a table, if there are rows; the column ``stretch`` is cut where the terminal is too narrow."""
    if not rows:
        return
    drawn = Table(box=SIMPLE_HEAD if sys.stdout.isatty() else None, pad_edge=False, show_edge=False)
    for heading in headings:
        # cells of the one that is cut do not wrap either: the column may, so that rich takes the room from it alone
        drawn.add_column(heading, no_wrap=heading != stretch, overflow="ellipsis")
    for row in rows:
        cells = [each if isinstance(each, Text) else Text(plain(each)) for each in row]
        for cell in cells:
            cell.no_wrap, cell.overflow = True, "ellipsis"
        drawn.add_row(*cells)
    draw(drawn)


def draw(drawn: Table) -> None:
    """Print what has columns; in a pipe without the spaces that fill the last one."""
    out = console(sys.stdout)
    if sys.stdout.isatty():
        out.print(drawn)
        return
    with out.capture() as captured:
        out.print(drawn)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))


def is_narrow() -> bool:
    """Whether there is no room for all columns."""
    return console(sys.stdout).width < 70
