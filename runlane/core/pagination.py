"""Positions in a list of jobs: the orders of a list, the cursors that clients keep, and what comes after one.

Owns the wire form of a cursor: the order it was made for, that column's value, and the job's id, so that a list goes on
at the same position whatever has been added or removed since. Which jobs a list has is in ``runlane.core.reader``.
"""

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, literal

from runlane import plain_json
from runlane.core.transitions import job_table
from runlane.errors import InvalidInput
from runlane.model.snapshot import JobSnapshot, ListedJob

SORTS = {
    "-created_at": (job_table.c.created_at, True),
    "created_at": (job_table.c.created_at, False),
    "-priority": (job_table.c.priority, True),
    "priority": (job_table.c.priority, False),
}
DEFAULT_SORT = "-created_at"
# The largest value of an integer column on every database.
MAX_INTEGER = 2**31 - 1


@dataclass(frozen=True)
class Page:
    """Part of a list, and where the next part begins (``None``: this was the last)."""

    jobs: list[JobSnapshot]
    next_cursor: str | None


@dataclass(frozen=True)
class Listing:
    """As ``Page``, with jobs without their large parts."""

    jobs: list[ListedJob]
    next_cursor: str | None


def comes_before(job: JobSnapshot, other: JobSnapshot, sort: str) -> bool:
    """Whether ``job`` is before ``other`` in a list in the order of ``sort``."""
    column, descending = column_of(sort)
    position, others = ((getattr(each, column.name), each.id) for each in (job, other))
    return bool(position > others if descending else position < others)


def is_cursor(text: str, sort: str) -> bool:
    """Whether it is a cursor of a list in the order of ``sort``."""
    try:
        decode_cursor(text, sort)
    except InvalidInput:
        return False
    return True


def column_of(sort: str) -> tuple[Any, bool]:
    """The column that a list is sorted by, and whether it descends.

    Raises:
        InvalidInput: no list has this order.
    """
    if sort not in SORTS:
        raise InvalidInput.of("sort", f"is {sort!r}, but it must be one of {', '.join(SORTS)}")
    return SORTS[sort]


def reversed_sort(sort: str) -> str:
    """The same order, reversed."""
    return sort[1:] if sort.startswith("-") else f"-{sort}"


def position_at(column: Any, value: Any, job_id: UUID) -> tuple[ColumnElement[Any], ColumnElement[UUID]]:
    """A position in a list, as SQL to compare others with."""
    return literal(value, column.type), literal(job_id, job_table.c.id.type)


def encode_cursor(sort: str, value: Any, job_id: UUID) -> str:
    """The position of a job whose sorted column has ``value``, in a list in the order of ``sort``."""
    encoded = value.isoformat() if isinstance(value, datetime) else value
    return base64.urlsafe_b64encode(plain_json.dumps([sort, encoded, str(job_id)]).encode()).decode()


def decode_cursor(cursor: str, sort: str) -> tuple[Any, UUID]:
    """What ``encode_cursor`` was given.

    Raises:
        InvalidInput: no list in this order made it.
    """
    try:
        made_for, encoded, job_id = plain_json.loads(base64.urlsafe_b64decode(cursor.encode()))
        if made_for != sort:
            raise InvalidInput.of("cursor", f"was made for the order {made_for!r}; start again without it")
        return _cursor_value(sort, encoded), UUID(job_id)
    except (binascii.Error, ValueError, TypeError, AttributeError, OverflowError) as exc:
        raise InvalidInput.of("cursor", "is not one that this list gave; start again without it") from exc
    except InvalidInput as exc:
        if exc.errors[0].field == "cursor":
            raise
        raise InvalidInput.of("cursor", "is not one that this list gave; start again without it") from exc


def _cursor_value(sort: str, encoded: Any) -> int | datetime:
    """The sort column's value; raises ``ValueError`` or ``OverflowError`` for what no job can have."""
    if sort.endswith("priority"):
        if not isinstance(encoded, int) or abs(encoded) > MAX_INTEGER:
            raise ValueError(encoded)
        return encoded
    at = datetime.fromisoformat(encoded)
    if at.tzinfo is None:
        raise ValueError(encoded)
    return at.astimezone(UTC)
