"""Which rows of the job table a filter means: the words of ``jobs.query`` as SQL, on every database we support."""

import operator
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Float, Text, and_, case, cast, false, func, not_, or_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import FunctionElement

from jobs.changes import job_table
from jobs.clock import utc_now
from jobs.models import DELETED, JobStatus
from jobs.query import Term, moment, parse, seconds

_COMPARE: dict[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "": operator.eq,
}
_HEXADECIMAL = frozenset("0123456789abcdef")


@dataclass(frozen=True)
class JobFilter:
    """Which jobs; every part that is set must match. ``text`` is a query, see ``jobs.query``."""

    statuses: tuple[JobStatus, ...] = ()
    kinds: tuple[str, ...] = ()
    text: str = ""
    created_after: datetime | None = None
    created_before: datetime | None = None
    finished_after: datetime | None = None
    finished_before: datetime | None = None
    ids: tuple[UUID, ...] | None = None


EVERY_JOB = JobFilter()


def matches(wanted: JobFilter) -> ColumnElement[bool]:
    """The condition of a filter.

    Raises:
        QueryError: its text cannot be read; says where and why.
    """
    parts: list[ColumnElement[bool]] = [job_table.c.status != DELETED]
    if wanted.statuses:
        parts.append(job_table.c.status.in_(wanted.statuses))
    if wanted.kinds:
        parts.append(job_table.c.kind.in_(wanted.kinds))
    if wanted.created_after is not None:
        parts.append(job_table.c.created_at > wanted.created_after)
    if wanted.created_before is not None:
        parts.append(job_table.c.created_at < wanted.created_before)
    if wanted.finished_after is not None:
        parts.append(job_table.c.finished_at >= wanted.finished_after)
    if wanted.finished_before is not None:
        parts.append(job_table.c.finished_at < wanted.finished_before)
    if wanted.ids is not None:
        parts.append(job_table.c.id.in_(wanted.ids))
    now = utc_now()
    return and_(*parts, *(_condition(term, now) for term in parse(wanted.text).terms))


class SecondsBetween(FunctionElement[float]):
    """The seconds from one time to another."""

    type = Float()
    inherit_cache = True
    name = "seconds_between"


@compiles(SecondsBetween, "sqlite")
def _on_sqlite(element: Any, compiler: Any, **kw: Any) -> str:
    begin, end = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"((julianday({end}) - julianday({begin})) * 86400.0)"


@compiles(SecondsBetween, "postgresql")
def _on_postgresql(element: Any, compiler: Any, **kw: Any) -> str:
    begin, end = (compiler.process(clause, **kw) for clause in element.clauses)
    return f"CAST(extract(epoch FROM ({end} - {begin})) AS double precision)"


def _condition(term: Term, now: datetime) -> ColumnElement[bool]:
    found = _found(term, now)
    return not_(func.coalesce(found, false())) if term.negated else found


def _found(term: Term, now: datetime) -> ColumnElement[bool]:
    [value, *_] = term.values
    columns: dict[str, ColumnElement[Any]] = dict(job_table.c.items())
    match term.field:
        case "":
            return or_(_has_id(value), *(_has(columns[name], value) for name in ("kind", "message", "params", "error")))
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
            ran_s = SecondsBetween(columns["started_at"], ran_until)
            return _COMPARE[term.comparison or ">"](ran_s, seconds(value))
        case _:
            return _COMPARE[term.comparison](columns[term.field], int(value))


def _has(column: ColumnElement[Any], word: str) -> ColumnElement[bool]:
    return cast(column, Text).icontains(word, autoescape=True)


def _has_id(word: str) -> ColumnElement[bool]:
    hexadecimal = word.replace("-", "").lower()
    if not hexadecimal or not _HEXADECIMAL.issuperset(hexadecimal):
        return false()
    text = func.replace(cast(job_table.c.id, Text), "-", "")
    return or_(text.startswith(hexadecimal), text.endswith(hexadecimal))


def _json_path(path: tuple[str, ...]) -> tuple[str | int, ...]:
    return tuple(int(name) if name.isdecimal() else name for name in path)
