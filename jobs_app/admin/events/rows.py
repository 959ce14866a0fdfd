"""What a person did, as its page shows it."""

from typing import TypedDict


class ActionRow(TypedDict):
    """Something that somebody did; ``href`` leads to what it was done to, or is empty."""

    id: str
    at: str
    who: str
    what: str
    name: str
    href: str
    change: str
