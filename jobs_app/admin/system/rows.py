"""Facts about Redis, the database and the workers, as their pages show them."""

from typing import TypedDict


class FactRow(TypedDict):
    """A named fact; ``at`` may be empty."""

    name: str
    value: str
    at: str
