"""Failed jobs grouped by their cause, in SQL."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import Connection, Integer, and_, cast, func, literal, literal_column, or_, select

from runlane.core.transitions import job_table
from runlane.db.database import Database
from runlane.model.fingerprint import normalised
from runlane.model.snapshot import JobError
from runlane.model.status import JobStatus
from runlane.model.tracebacks import top_frame
from runlane.search.matching import SecondsBetween

MAX_GROUPS = 20
HOURS = 24

_IS_FAILED = job_table.c.status == literal_column(f"'{JobStatus.FAILED}'")  # as a literal, or its index is not used


@dataclass(frozen=True)
class FailureGroup:
    """The failed jobs of one kind with one cause.

    ``message`` has placeholders for what varies; ``frame`` is the innermost of our own code, or empty. ``hours``:
    how many failed in each of the last ``HOURS`` hours, the present one last. ``newest_id``: the one that failed last.
    """

    kind: str
    fingerprint: str
    type: str
    message: str
    frame: str
    count: int
    first_at: datetime
    last_at: datetime
    hours: list[int]
    newest_id: UUID


class Failures:
    """The causes of failures, in one database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def groups(self, now: datetime) -> list[FailureGroup]:
        """The ``MAX_GROUPS`` largest groups of failed jobs, the largest first."""
        return await self._db.read(lambda db: _groups(db, now))


def _groups(db: Connection, now: datetime) -> list[FailureGroup]:
    count = func.count().label("number")
    kind, cause, at = job_table.c.kind, job_table.c.fingerprint, job_table.c.finished_at
    query = (
        select(kind, cause, count, func.min(at).label("first_at"), func.max(at).label("last_at"))
        .where(_IS_FAILED, cause.is_not(None))
        .group_by(kind, cause)
        .order_by(count.desc(), kind, cause)
        .limit(MAX_GROUPS)
    )
    rows = db.execute(query).all()
    hours = _hours(db, [(row.kind, row.fingerprint) for row in rows], now) if rows else {}
    groups = []
    for row in rows:
        sample = db.execute(
            select(job_table.c.id, job_table.c.error)
            .where(_IS_FAILED, kind == row.kind, cause == row.fingerprint)
            .order_by(at.desc())
            .limit(1)
        ).one()
        error = JobError.model_validate(sample.error)
        groups.append(
            FailureGroup(
                kind=row.kind,
                fingerprint=row.fingerprint,
                type=error.type,
                message=normalised(error.message),
                frame=top_frame(error.traceback),
                count=row.number,
                first_at=row.first_at,
                last_at=row.last_at,
                hours=hours.get((row.kind, row.fingerprint), [0] * HOURS),
                newest_id=sample.id,
            )
        )
    return groups


def _hours(db: Connection, groups: list[tuple[str, str]], now: datetime) -> dict[tuple[str, str], list[int]]:
    begin = now - timedelta(hours=HOURS)
    kind, cause, at = job_table.c.kind, job_table.c.fingerprint, job_table.c.finished_at
    hour = cast(func.floor(SecondsBetween(literal(begin, at.type), at) / 3600), Integer).label("hour")
    query = (
        select(kind, cause, hour, func.count())
        .where(_IS_FAILED, at > begin, or_(*(and_(kind == k, cause == c) for k, c in groups)))
        .group_by(kind, cause, hour.name)
    )
    found: dict[tuple[str, str], list[int]] = {}
    for of_kind, of_cause, index, number in db.execute(query):
        found.setdefault((of_kind, of_cause), [0] * HOURS)[min(max(index, 0), HOURS - 1)] += number
    return found
