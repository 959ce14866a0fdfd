"""What a person may go on typing in the search box. Pure text."""

from jobs.kinds import catalogue
from jobs.models import JobStatus
from jobs.query import FIELDS

MOST = 12


def suggestions(typed: str) -> list[str]:
    """Whole queries that begin with ``typed``: its last word completed to a field, or to one of a field's values."""
    before, _, last = typed.rpartition(" ")
    minus = "-" if last.startswith("-") else ""
    word = last.removeprefix("-")
    lead = f"{before} {minus}" if before else minus
    if not word:
        return []
    name, colon, value = word.partition(":")
    if not colon:
        return [f"{lead}{field}:" for field in FIELDS if field.startswith(word) and field != word][:MOST]
    earlier, comma, begun = value.rpartition(",")
    values = {"status": [s.value for s in JobStatus], "kind": [kind.name for kind in catalogue()]}.get(name, [])
    return [f"{lead}{name}:{earlier}{comma}{v}" for v in values if v.startswith(begun) and v != begun][:MOST]
