"""A notification, as every page shows it."""

from typing import TypedDict


class Notification(TypedDict):
    """A message; ``level`` is ``success``, ``error`` or ``info``, ``href`` may be empty."""

    at: str
    level: str
    text: str
    href: str
