"""The lines of the command palette."""

from typing import TypedDict


class Command(TypedDict):
    """A line of the command palette; ``does`` is ``<what>:<with what>``, see ``Keys.choose``."""

    label: str
    hint: str
    does: str
