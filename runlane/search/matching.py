"""Which rows of the job table match a filter: the query as SQL, on every database we support."""

import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    Float,
    Select,
    Text,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import FunctionElement

from runlane.clock import utc_now
from runlane.core.transitions import job_table
from runlane.model.status import DELETED, JobStatus
from runlane.search.query import Term, moment, parse, seconds
from runlane.search.text_index import candidates, few

_COMPARE: dict[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "": operator.eq,
}
# Fields that the indexes of lists cover.
_IN_ORDER = frozenset({"status", "kind", "after", "before", "priority"})
_HEXADECIMAL = frozenset("0123456789abcdef")
# What is written the same in a JSON text and in a value taken from it: no quotes, no numbers, no spaces.
_ALIKE = re.compile(r"(?=.*[a-df-z])[a-z0-9_./:@-]+", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class JobFilter:
    """Which jobs; every part that is set must match. ``text`` is a query, see ``runlane.search.query``."""

    statuses: tuple[JobStatus, ...] = ()
    kinds: tuple[str, ...] = ()
    text: str = ""
    created_after: datetime | None = None
    created_before: datetime | None = None
    finished_after: datetime | None = None
    finished_before: datetime | None = None
    ids: tuple[UUID, ...] | None = None


EVERY_JOB = JobFilter()


def matches(db: Connection, job_filter: JobFilter) -> ColumnElement[bool]:
    """The condition of a filter, to be used in this transaction; rare matches are looked up, and named by their ids.

    Raises:
        QueryError: its text cannot be parsed; the message says where and why.
    """
    terms, now = parse(job_filter.text).terms, utc_now()
    parts = [condition(job_filter)]
    by_word = candidates(db, [words for term in terms if (words := _needed(term))])
    for found in (by_word, _ended(db, job_filter, terms, now), *(_rare(db, term) for term in terms)):
        if found is not None:
            parts.append(job_table.c.id.in_(found))
    return and_(*parts)


def condition(job_filter: JobFilter) -> ColumnElement[bool]:
    """The condition of a filter as it is: what no index of a list covers takes reading every job.

    Raises:
        QueryError: its text cannot be parsed; the message says where and why.
    """
    now = utc_now()
    parts = [in_order(job_filter)]
    if job_filter.finished_after is not None:
        parts.append(job_table.c.finished_at >= job_filter.finished_after)
    if job_filter.finished_before is not None:
        parts.append(job_table.c.finished_at < job_filter.finished_before)
    if job_filter.ids is not None:
        parts.append(job_table.c.id.in_(job_filter.ids))
    parts += (_condition(term, now) for term in parse(job_filter.text).terms if term.field not in _IN_ORDER)
    return and_(*parts)


def in_order(job_filter: JobFilter) -> ColumnElement[bool]:
    """The part of a filter's condition that the indexes of lists cover: matches are found in the list's order.

    Raises:
        QueryError: as ``condition``.
    """
    now = utc_now()
    parts: list[ColumnElement[bool]] = [job_table.c.status != DELETED]
    if job_filter.statuses:
        parts.append(job_table.c.status.in_(job_filter.statuses))
    if job_filter.kinds:
        parts.append(job_table.c.kind.in_(job_filter.kinds))
    if job_filter.created_after is not None:
        parts.append(job_table.c.created_at > job_filter.created_after)
    if job_filter.created_before is not None:
        parts.append(job_table.c.created_at < job_filter.created_before)
    parts += (_condition(term, now) for term in parse(job_filter.text).terms if term.field in _IN_ORDER)
    return and_(*parts)


def takes_reading(job_filter: JobFilter) -> bool:
    """Whether a filter's condition has more than ``in_order`` covers.

    Raises:
        QueryError: as ``condition``.
    """
    given = (job_filter.finished_after, job_filter.finished_before, job_filter.ids)
    return any(each is not None for each in given) or any(
        term.field not in _IN_ORDER for term in parse(job_filter.text).terms
    )


class SecondsBetween(FunctionElement[float]):
    """The seconds from one time to another."""

    type = Float()
    inherit_cache = True
    name = "seconds_between"


class Like(FunctionElement[bool]):
    """Whether a text matches a pattern, whatever its case; ``/`` escapes wildcards in the pattern."""

    type = Boolean()
    inherit_cache = True
    name = "like_pattern"


def _compile(element: type[FunctionElement[Any]], **templates: str) -> None:
    """How an element is written on each database; ``{0}`` and ``{1}`` are its parts."""
    for dialect, template in templates.items():

        def write(element: Any, compiler: Any, template: str = template, **kw: Any) -> str:
            return template.format(*(compiler.process(clause, **kw) for clause in element.clauses))

        compiles(element, dialect)(write)


_compile(
    SecondsBetween,
    sqlite="((julianday({1}) - julianday({0})) * 86400.0)",
    postgresql="CAST(extract(epoch FROM ({1} - {0})) AS double precision)",
)
# SQLite's LIKE ignores the case of ASCII anyway; with lower() around both sides it takes twice as long
_compile(Like, sqlite="({0} LIKE {1} ESCAPE '/')", postgresql="(lower({0}) LIKE lower({1}) ESCAPE '/')")


def _condition(term: Term, now: datetime) -> ColumnElement[bool]:
    found = _found(term, now)
    return not_(func.coalesce(found, false())) if term.negated else found


def _found(term: Term, now: datetime) -> ColumnElement[bool]:
    [value, *_] = term.values
    columns: dict[str, ColumnElement[Any]] = dict(job_table.c.items())
    match term.field:
        case "":
            return or_(
                _has_id(value),
                *(_has(columns[name], value) for name in ("kind", "title", "message", "params", "error")),
            )
        case "status" | "kind":
            return columns[term.field].in_(term.values)
        case "id":
            return _has_id(value)
        case "params" | "result" if term.path:
            return _has(columns[term.field][_json_path(term.path)].as_string(), value)
        case "failure":
            return and_(columns["fingerprint"] == value.lower(), columns["status"] == JobStatus.FAILED)
        case "error" | "message" | "worker" | "params" | "result":
            return _has(columns[term.field], value)
        case "after":
            return columns["created_at"] >= moment(value, now)
        case "before":
            return columns["created_at"] < moment(value, now)
        case "finished_after":
            return columns["finished_at"] >= moment(value, now)
        case "finished_before":
            return columns["finished_at"] < moment(value, now)
        case "slow":
            ran_until = case((columns["status"] == JobStatus.RUNNING, now), else_=columns["finished_at"])
            return _compared(SecondsBetween(columns["started_at"], ran_until), term)
        case _:
            return _compared(columns[term.field], term)


def _compared(measured: ColumnElement[Any], term: Term) -> ColumnElement[bool]:
    comparison = term.comparison or (">" if term.field == "slow" else "")
    return _COMPARE[comparison](measured, _bound(term))


def _bound(term: Term) -> float:
    return seconds(term.values[0]) if term.field == "slow" else int(term.values[0])


def _ended(db: Connection, job_filter: JobFilter, terms: Sequence[Term], now: datetime) -> set[UUID] | None:
    """The jobs that ended in the given span, if they are few: no list is in the order of ends.

    ``None``, too, if the span has no start: most jobs ended before any given day.
    """

    def moments(field: str, given: datetime | None) -> list[datetime]:
        of_terms = [moment(term.values[0], now) for term in terms if term.field == field and not term.negated]
        return of_terms if given is None else [given, *of_terms]

    begins, ends = (
        moments("finished_after", job_filter.finished_after),
        moments("finished_before", job_filter.finished_before),
    )
    if not begins:
        return None
    finished_at = job_table.c.finished_at
    query = select(job_table.c.id).where(finished_at >= max(begins))
    return few(db, query.where(finished_at < min(ends)) if ends else query)


def unusual(term: Term) -> Select[tuple[UUID]] | None:
    """The jobs not running for which a term can be true, from an index of unusual jobs, if one covers it.

    Almost every job is at its first attempt and few take long, so the others have indexes of their own.
    """
    columns = job_table.c
    one: ColumnElement[int] = literal_column("1")  # as a literal, or the index is not used
    if term.negated or term.comparison in ("<", "<=") or term.field not in ("attempt", "slow") or _bound(term) <= 1:
        return None
    if term.field == "attempt":
        measured: ColumnElement[Any] = columns.attempt
    else:
        measured = SecondsBetween(columns.started_at, columns.finished_at)
    # SQLite begins at the first of the two; PostgreSQL, which expects a third of all jobs to match, needs the order
    return select(columns.id).where(_compared(measured, term), measured > one).order_by(measured.desc())


def _rare(db: Connection, term: Term) -> set[UUID] | None:
    """The jobs for which a term can be true, if an index has them and they are few."""
    query = unusual(term)
    if query is None:
        return None
    running = select(job_table.c.id).where(job_table.c.status == JobStatus.RUNNING)
    ended, still = few(db, query), few(db, running)
    return None if ended is None or still is None else ended | still


def _needed(term: Term) -> tuple[str, ...]:
    """Words of which a job's texts must contain one for the term to be true; none if there are no such words."""
    [value, *_] = term.values
    if term.negated or (term.path and not _ALIKE.fullmatch(value)):
        return ()
    match term.field:
        case "error" | "message" | "worker" | "params" | "result":
            return (value,)
        case "" | "id":
            return tuple({*((value,) if not term.field else ()), *_hexadecimal(value)})
        case _:
            return ()


def _has(column: ColumnElement[Any], word: str) -> ColumnElement[bool]:
    pattern = "%" + re.sub(r"([/%_])", r"/\1", word) + "%"
    return Like(cast(column, Text), literal(pattern))


def _has_id(word: str) -> ColumnElement[bool]:
    text = func.replace(cast(job_table.c.id, Text), "-", "")
    return or_(false(), *(text.startswith(each) | text.endswith(each) for each in _hexadecimal(word)))


def _hexadecimal(word: str) -> tuple[str, ...]:
    """The word as a part of an id, if it can be one."""
    digits = word.replace("-", "").lower()
    return (digits,) if digits and _HEXADECIMAL.issuperset(digits) else ()


def _json_path(path: tuple[str, ...]) -> tuple[str | int, ...]:
    return tuple(int(name) if name.isdecimal() else name for name in path)
