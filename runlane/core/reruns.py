"""Which jobs are re-runs of which, in SQL: the family of a job."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, insert, or_, select

from runlane.core.transitions import job_table
from runlane.db.tables import RerunTable
from runlane.model.status import DELETED, JobStatus

rerun_table = RerunTable.__table__  # type: ignore[attr-defined]
MAX_FAMILY = 100


@dataclass(frozen=True)
class Relative:
    """A job of a family. ``status`` and ``created_at`` are ``None`` when it was deleted."""

    id: UUID
    rerun_of: UUID | None
    status: JobStatus | None
    created_at: datetime | None


def insert_reruns(db: Connection, pairs: Sequence[tuple[UUID, UUID]]) -> None:
    """Write, in the caller's transaction, that the first job of each pair is a re-run of the second."""
    if pairs:
        db.execute(insert(rerun_table), [{"job_id": job_id, "rerun_of": of} for job_id, of in pairs])


def read_family(db: Connection, job_id: UUID) -> list[Relative]:
    """The family of a job, as ``JobReader.family`` returns it, read in the caller's transaction."""
    parents: dict[UUID, UUID] = {}
    known: set[UUID] = set()
    new = {job_id}
    while new and len(known) < MAX_FAMILY:
        known |= new
        rows = db.execute(
            select(rerun_table.c.job_id, rerun_table.c.rerun_of)
            .where(or_(rerun_table.c.job_id.in_(new), rerun_table.c.rerun_of.in_(new)))
            .limit(MAX_FAMILY)
        ).all()
        parents |= {child: parent for child, parent in rows}
        new = {relative for pair in rows for relative in pair} - known
    return list(_relatives(db, sorted(known), parents))


def _relatives(db: Connection, ids: list[UUID], parents: dict[UUID, UUID]) -> Iterable[Relative]:
    query = select(job_table.c.id, job_table.c.status, job_table.c.created_at)
    query = query.where(job_table.c.id.in_(ids), job_table.c.status != DELETED)
    found = {row.id: row for row in db.execute(query)}
    for job_id in ids:
        row = found.get(job_id)
        if row is None:
            yield Relative(job_id, parents.get(job_id), None, None)
        else:
            yield Relative(job_id, parents.get(job_id), JobStatus(row.status), row.created_at)
