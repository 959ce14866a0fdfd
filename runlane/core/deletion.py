"""Deleting jobs in SQL: hidden at once, purged a little later, so that a deletion can be undone.

A hidden job has ``DELETED`` in its status column, which is no ``JobStatus``: every statement that names a status leaves
it alone, whoever wrote it. Its status before is kept beside it, and which operation deleted it, if one did: the time to
undo that operation begins when it is over.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Select, Text, cast, delete, func, null, or_, select, update

from runlane.audit import acting, note
from runlane.clock import utc_now
from runlane.core.transitions import (
    SNAPSHOT_COLUMNS,
    add_events,
    artifact_table,
    by,
    event_table,
    job_table,
    operation_table,
    snapshots,
)
from runlane.db.database import Database
from runlane.model.snapshot import Change
from runlane.model.status import DELETED, WAITING, EventType, JobStatus
from runlane.search.matching import JobFilter, matches

UNDO_WITHIN = timedelta(seconds=10)
# Jobs a transaction; more would keep workers from writing for too long.
PURGE_BATCH = 500
SAMPLE = 500
# What a row takes beside its texts, with its share of the indexes; measured on a million jobs.
ROW_BYTES, EVENT_BYTES = 600, 150


class Removal:
    """Deleting, undoing it, and purging, in one database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def delete(self, job_ids: Sequence[UUID], operation: UUID | None = None) -> dict[UUID, str]:
        """Hide those of the jobs that exist and do not run; the kind of each. ``operation``: the one that deletes them.

        Their idempotency keys are free again at once.
        """
        statement = (
            update(job_table)
            .where(job_table.c.id.in_(job_ids), job_table.c.status.not_in((JobStatus.RUNNING, DELETED)))
            .values(
                status=DELETED,
                deleted_status=job_table.c.status,
                deleted_at=utc_now(),
                deleted_by=operation,
                idempotency_key=null(),
                idempotency_digest=null(),
            )
            .returning(job_table.c.id, job_table.c.kind)
        )
        who = acting()

        def work(db: Connection) -> dict[UUID, str]:
            deleted = {job_id: kind for job_id, kind in db.execute(statement)}
            note(db, who, "delete", "job", [str(job_id) for job_id in deleted])
            return deleted

        return await self._db.write(work)

    async def restore(self, job_ids: Sequence[UUID]) -> list[Change]:
        """Bring back those of the jobs that were deleted a moment ago and are not purged yet."""
        return await self._restore(job_table.c.id.in_(job_ids))

    async def restore_some(self, operation: UUID, limit: int) -> list[Change]:
        """Bring back up to ``limit`` of the jobs that an operation deleted; none when all are back, or purged."""
        some = select(job_table.c.id).where(job_table.c.deleted_at.is_not(None), job_table.c.deleted_by == operation)
        return await self._restore(job_table.c.id.in_(some.limit(limit)))

    async def _restore(self, which: ColumnElement[bool]) -> list[Change]:
        statement = (
            update(job_table)
            .where(which, job_table.c.status == DELETED)
            .values(
                status=job_table.c.deleted_status,
                deleted_status=null(),
                deleted_at=null(),
                deleted_by=null(),
                version=job_table.c.version + 1,
            )
            .returning(*SNAPSHOT_COLUMNS)
        )

        who = acting()

        def work(db: Connection) -> list[Change]:
            jobs = snapshots(db.execute(statement).mappings())
            data = by(who, {"reason": "restored"})
            note(db, who, "restore", "job", [str(job.id) for job in jobs])
            return add_events(db, jobs, EventType.STATUS, "Brought back after it was deleted.", data)

        return await self._db.write(work)

    async def purge(self, now: datetime) -> int:
        """Remove for good, with timelines and artifacts, the jobs deleted long enough before ``now``; how many.

        What was deleted since the start of an operation that can still be undone is kept.
        """
        purged = 0
        kept_since = await self._db.read(lambda db: db.execute(_undoable_since(now)).scalar())
        is_old = job_table.c.deleted_at < min(now - UNDO_WITHIN, kept_since or now)
        old = select(job_table.c.id).where(is_old).limit(PURGE_BATCH)
        statement = delete(job_table).where(job_table.c.id.in_(old), is_old)  # again, in case it is restored just now
        while count := int(await self._db.write(lambda db: db.execute(statement).rowcount)):
            purged += count
        return purged

    async def clean(self, job_filter: JobFilter, limit: int = PURGE_BATCH) -> dict[UUID, str | None]:
        """Remove for good up to ``limit`` of the jobs that match and do not run.

        For each the kind in whose queue it waited; ``None`` if it did not wait.
        """
        query = (
            select(job_table.c.id, job_table.c.kind, job_table.c.status)
            .where(job_table.c.status != JobStatus.RUNNING)
            .limit(limit)
            .with_for_update()
        )

        def work(db: Connection) -> dict[UUID, str | None]:
            removed = {
                job_id: kind if status in WAITING else None
                for job_id, kind, status in db.execute(query.where(matches(db, job_filter)))
            }
            db.execute(
                delete(event_table).where(event_table.c.job_id.in_(removed))
            )  # in one go: faster than by cascade
            db.execute(delete(job_table).where(job_table.c.id.in_(removed)))
            return removed

        return await self._db.write(work)

    async def bytes_each(self, job_filter: JobFilter) -> float:
        """About how many bytes a matching job takes, with its timeline and artifacts, estimated from a sample."""
        large = [func.coalesce(func.length(cast(job_table.c[name], Text)), 0) for name in ("params", "result", "error")]

        def work(db: Connection) -> float:
            some = select(job_table.c.id).where(matches(db, job_filter)).limit(SAMPLE).subquery()
            parts = (
                (sum(large[1:], large[0]) + ROW_BYTES, job_table, job_table.c.id),
                (
                    func.length(event_table.c.message)
                    + func.coalesce(func.length(cast(event_table.c.data, Text)), 0)
                    + EVENT_BYTES,
                    event_table,
                    event_table.c.job_id,
                ),
                (artifact_table.c.size_bytes, artifact_table, artifact_table.c.job_id),
            )
            count = db.execute(select(func.count()).select_from(some)).scalar_one()
            sums = [
                db.execute(select(func.sum(size)).select_from(table.join(some, some.c.id == key))).scalar() or 0
                for size, table, key in parts
            ]
            return float(sum(sums)) / count if count else 0.0

        return await self._db.read(work)

    async def any_deleted(self) -> bool:
        """Whether any job is still to be purged."""
        query = select(job_table.c.id).where(job_table.c.deleted_at.is_not(None)).limit(1)
        return await self._db.read(lambda db: db.execute(query).first()) is not None


def _undoable_since(now: datetime) -> Select[datetime]:
    """The start of the first deletion that can still be undone, or is being undone."""
    table, undoing = operation_table.c, operation_table.alias().c
    being_undone = select(undoing.undoes).where(undoing.undoes.is_not(None), undoing.ended_at.is_(None))
    is_kept = or_(table.ended_at.is_(None), table.ended_at >= now - UNDO_WITHIN, table.id.in_(being_undone))
    return select(func.min(table.started_at)).where(table.action == "delete", is_kept)
