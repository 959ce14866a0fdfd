"""What a question before a deletion shows."""

from typing import TypedDict


class Named(TypedDict):
    """A listed thing that a question is about; without an id there is no question."""

    id: str
    name: str


NOTHING: Named = {"id": "", "name": ""}
