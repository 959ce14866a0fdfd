"""The query language: ``status:failed kind:web_agent error:timeout params.url:example slow:>30s word``.

All terms must match; commas inside a field mean *or*; ``-`` in front means *not*; quotes hold words together. Pure
text: what the terms mean in SQL is in ``runlane.search.matching``. What is parsed and printed is parsed the same again,
so that a query can be part of an address.
"""

import dataclasses
import difflib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from runlane import plain_json
from runlane.errors import FieldError, InvalidInput
from runlane.model.status import JobStatus

MAX_LENGTH = 500
MAX_TERMS = 20
MAX_VALUES = 50
MAX_PATH_DEPTH = 10

# The fields, each with a description of its values.
FIELDS = {
    "status": "failed, running, …: one or several, with commas",
    "kind": "the name of a kind, or several",
    "id": "the beginning or the end of an id",
    "error": "words in the type or message of an error",
    "failure": "the mark of a group of failures",
    "message": "words in the current step",
    "worker": "words in the name of a worker",
    "params": "words in the parameters; params.url: in one of them",
    "result": "words in the result; result.items.0: in a part of it",
    "after": "made since: 30m, 2h, 7d, or a date",
    "before": "made before: 30m, 2h, 7d, or a date",
    "finished_after": "ended since: 30m, 2h, 7d, or a date",
    "finished_before": "ended before: 30m, 2h, 7d, or a date",
    "slow": "ran for: >30s, <5m",
    "attempt": "which attempt: 2, >1",
    "priority": "which priority: 0, >5",
}

COMPARED = ("slow", "attempt", "priority")
WITH_PATH = ("params", "result")
_LISTS = ("status", "kind")

_NAME = re.compile(r"([A-Za-z_][\w.\-]*):(?!//)")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_BARE = re.compile(r'[^\s"]+')
_BARE_IN_LIST = re.compile(r'[^\s",]+')
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)(ms|s|m|h|d|w)")
_UNITS_S = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_INTEGER = re.compile(r"-?\d{1,9}")
_MAX_AGE_S = 100 * 365 * 86_400


class QueryError(InvalidInput):
    """A query that cannot be parsed. ``position`` counts characters from 0."""

    def __init__(self, position: int, message: str) -> None:
        super().__init__([FieldError("q", f"{message} (at character {position + 1})")])
        self.position = position


@dataclass(frozen=True)
class Term:
    """One condition. A plain word has no field; ``comparison`` is one of ``>``, ``<``, ``>=``, ``<=`` or empty."""

    field: str
    values: tuple[str, ...]
    path: tuple[str, ...] = ()
    comparison: str = ""
    negated: bool = False
    position: int = dataclasses.field(default=0, compare=False)

    def __str__(self) -> str:
        name = ".".join((self.field, *self.path)) + ":" if self.field else ""
        is_list = self.field in _LISTS
        values = ",".join(_printed(value, is_list=is_list, is_word=not self.field) for value in self.values)
        return f"{'-' if self.negated else ''}{name}{self.comparison}{values}"


@dataclass(frozen=True)
class Query:
    """Terms that must all match; none match everything."""

    terms: tuple[Term, ...] = ()

    def __str__(self) -> str:
        return " ".join(str(term) for term in self.terms)


def parse(text: str) -> Query:
    """The query in ``text``.

    Raises:
        QueryError: it cannot be parsed; the message says what is wrong, and where.
    """
    if len(text) > MAX_LENGTH:
        raise QueryError(MAX_LENGTH, f"A query may have {MAX_LENGTH} characters; this one has {len(text)}.")
    try:
        plain_json.check(text, "q")
    except InvalidInput as exc:
        raise QueryError(0, f"The query {exc.errors[0].message}.") from exc
    terms = tuple(_terms(text))
    if len(terms) > MAX_TERMS:
        raise QueryError(terms[MAX_TERMS].position, f"A query may have {MAX_TERMS} terms.")
    return Query(terms)


def seconds(text: str) -> float:
    """The seconds in a duration such as ``30s``, ``1.5h`` or ``7d``.

    Raises:
        ValueError: it is no duration, or longer than a hundred years.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError("is not a duration such as 30s, 5m, 2h or 7d")
    found = float(match[1]) * _UNITS_S[match[2]]
    if found > _MAX_AGE_S:
        raise ValueError("is longer than a hundred years")
    return found


def moment(text: str, now: datetime) -> datetime:
    """The time that ``2h`` (before ``now``), ``2026-11-23`` or ``2026-11-23T10:00Z`` means; without offset, in UTC.

    Raises:
        ValueError: it is neither a duration nor a date.
    """
    if _DURATION.fullmatch(text):
        return now - timedelta(seconds=seconds(text))
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise ValueError("is neither a duration such as 2h nor a date such as 2026-11-23") from exc


def _terms(text: str) -> Iterator[Term]:
    position = 0
    while True:
        while position < len(text) and text[position].isspace():
            position += 1
        if position == len(text):
            return
        begin = position
        negated = text[position] == "-" and position + 1 < len(text) and not text[position + 1].isspace()
        position += negated
        name, path = "", ()
        if match := _NAME.match(text, position):
            name, *rest = match[1].split(".")
            path = tuple(rest)
            name = name.lower()
            _check_field(name, path, match.start())
            position = match.end()
        position, comparison, values = _values(text, position, name)
        yield Term(name, values, path, comparison, negated, begin)


def _values(text: str, position: int, name: str) -> tuple[int, str, tuple[str, ...]]:
    """Where the term ends, its comparison and its values."""
    comparison = ""
    if name in COMPARED and (match := re.compile(">=|<=|>|<").match(text, position)):
        comparison, position = match[0], match.end()
    values: list[str] = []
    while True:
        begin = position
        position, value = _value(text, position, is_list=name in _LISTS)
        _check_value(name, value, begin)
        values.append(value)
        if len(values) > MAX_VALUES:
            raise QueryError(begin, f"A field may have {MAX_VALUES} values.")
        if name not in _LISTS or position >= len(text) or text[position] != ",":
            break
        position += 1
    if position < len(text) and not text[position].isspace():
        raise QueryError(position, "Leave a space between two terms.")
    return position, comparison, tuple(values)


def _value(text: str, position: int, *, is_list: bool) -> tuple[int, str]:
    if text[position : position + 1] == '"':
        match = _QUOTED.match(text, position)
        if match is None:
            raise QueryError(position, "This quote is not closed.")
        if not match[1].strip():
            raise QueryError(position, "There is nothing between these quotes.")
        return match.end(), re.sub(r"\\(.)", r"\1", match[1], flags=re.DOTALL)
    match = (_BARE_IN_LIST if is_list else _BARE).match(text, position)
    if match is None:
        raise QueryError(position, "Something to look for is missing here.")
    return match.end(), match[0]


def _check_field(name: str, path: tuple[str, ...], position: int) -> None:
    if name not in FIELDS:
        close = difflib.get_close_matches(name, FIELDS, n=1)
        hint = f"did you mean {close[0]}:?" if close else f"there are {', '.join(FIELDS)}."
        raise QueryError(position, f"There is no field {name}; {hint} To look for the text itself, put it in quotes.")
    if path and name not in WITH_PATH:
        raise QueryError(position, f"{name} has no parts; only {' and '.join(WITH_PATH)} have.")
    if len(path) > MAX_PATH_DEPTH or not all(path):
        raise QueryError(position, f"A path has up to {MAX_PATH_DEPTH} names with one dot between them.")


def _check_value(name: str, value: str, position: int) -> None:
    check = _CHECKS.get(name)
    if check is None:
        return
    try:
        check(value)
    except ValueError as exc:
        raise QueryError(position, f"{name}: {value!r} {exc}.") from exc


def _check_status(value: str) -> None:
    if value not in set(JobStatus):
        raise ValueError(f"is no status; there are {', '.join(JobStatus)}")


def _check_integer(value: str) -> None:
    if not _INTEGER.fullmatch(value):
        raise ValueError("is not a whole number")


_CHECKS: dict[str, Callable[[str], object]] = {
    "status": _check_status,
    "after": lambda value: moment(value, datetime.now(UTC)),
    "before": lambda value: moment(value, datetime.now(UTC)),
    "finished_after": lambda value: moment(value, datetime.now(UTC)),
    "finished_before": lambda value: moment(value, datetime.now(UTC)),
    "slow": seconds,
    "attempt": _check_integer,
    "priority": _check_integer,
}


def _printed(value: str, *, is_list: bool, is_word: bool) -> str:
    """``value`` as it must be written to be parsed as itself."""
    in_two = re.search(r'[\s"]', value) or (is_list and "," in value)
    as_other = is_word and (value.startswith("-") or _NAME.match(value))
    if not (in_two or as_other):
        return value
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
