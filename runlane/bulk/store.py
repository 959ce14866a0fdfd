"""Operations in SQL: what is done to many jobs, its progress, and who executes it.

Whoever executes an operation holds it under a name (``taken_by``) and renews that whenever it saves progress; what has
not been renewed for ``TAKEN_FOR`` is free, and another server goes on where the first one was. For a while a deletion
can be undone, by another operation that is linked to it. What is held under a name that begins with ``UNLISTED`` is in
no list: a prefix rather than a column, since it matters only as long as that name holds the operation.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import ColumnElement, Connection, delete, insert, not_, or_, select, update
from uuid_utils.compat import uuid7

from runlane.audit import acting, note
from runlane.clock import utc_now
from runlane.core.deletion import UNDO_WITHIN
from runlane.core.transitions import operation_table
from runlane.db.database import Database
from runlane.errors import OperationNotFound, WrongStatus
from runlane.search.matching import JobFilter

TAKEN_FOR = timedelta(seconds=15)
UNLISTED = "unlisted:"
# How long the row of one that is in no list stays after its end; longer than it can be undone.
UNLISTED_KEPT_FOR = timedelta(minutes=1)
# So many of the jobs left alone are stored with their reason; the others are only counted.
MAX_REASONS = 100
# So many of the ids in an operation's filter are kept when it is over; the audit has each of them.
MAX_IDS = 100

_FILTER = TypeAdapter(JobFilter)


class OperationState(StrEnum):
    RUNNING = "running"
    STOPPING = "stopping"
    """Somebody asked it to stop; it will, after the job or batch at hand."""
    STOPPED = "stopped"
    DONE = "done"
    UNDONE = "undone"
    """Another operation brings back, or has brought back, what it deleted."""

    @property
    def is_over(self) -> bool:
        return self not in (OperationState.RUNNING, OperationState.STOPPING)


@dataclass(frozen=True)
class Operation:
    """One operation. ``total``: how many jobs it was to change when it began; ``left_alone``: how many it left alone.

    ``reasons``: why, for the first of those, as ``{"id", "reason"}``; one that many share is there once, without an id.
    ``cursor``: the last job it has dealt with. ``undoes``: the deletion it undoes. ``taken_by``: who executes it.
    """

    id: UUID
    action: str
    filter: JobFilter
    who: str
    state: OperationState
    total: int
    done: int
    left_alone: int
    reasons: list[dict[str, str]]
    cursor: UUID | None
    undoes: UUID | None
    taken_by: str | None
    started_at: datetime
    ended_at: datetime | None

    @property
    def is_listed(self) -> bool:
        """Whether it is in the lists of operations."""
        return not (self.taken_by or "").startswith(UNLISTED)

    def can_be_undone(self, now: datetime) -> bool:
        """Whether it deleted jobs, and they are not purged yet."""
        deleted = self.action == "delete" and self.state is not OperationState.UNDONE and self.done > 0
        return deleted and self.ended_at is not None and now - self.ended_at <= UNDO_WITHIN


@dataclass(frozen=True)
class Progress:
    """What a step added to an operation."""

    done: int
    left_alone: int
    reasons: Sequence[dict[str, str]]
    cursor: UUID | None


class OperationStore:
    """The operations in one database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def insert(self, action: str, job_filter: JobFilter, total: int, *, taken_by: str | None = None) -> Operation:
        """A new operation, executed by ``taken_by``; a server takes it if that is ``None``."""
        who = acting()
        return await self._db.write(lambda db: _insert(db, who, action, job_filter, total, taken_by))

    async def undo(self, operation_id: UUID, *, taken_by: str | None = None) -> Operation:
        """A new operation that brings back what this one deleted; ``taken_by`` as in ``insert``.

        Raises:
            OperationNotFound: no such operation.
            WrongStatus: it did not delete, is not over, is undone already, or what it deleted has been purged.
        """
        who, now = acting(), utc_now()

        def work(db: Connection) -> Operation | None:
            found = db.execute(select(operation_table).where(operation_table.c.id == operation_id)).mappings().first()
            if found is None or not _operation(dict(found)).can_be_undone(now):
                return None
            as_found = operation_table.c.state == found["state"]  # or somebody else has undone it
            undone = _change(db, operation_id, as_found, state=OperationState.UNDONE)
            return undone and _insert(db, who, "restore", undone.filter, undone.done, taken_by, undoes=operation_id)

        if restoring := await self._db.write(work):
            return restoring
        raise WrongStatus(_why_not_undone(await self.get(operation_id)))

    async def get(self, operation_id: UUID) -> Operation:
        """Raises ``OperationNotFound``."""
        query = select(operation_table).where(operation_table.c.id == operation_id)
        row = await self._db.read(lambda db: db.execute(query).mappings().first())
        if row is None:
            raise OperationNotFound(operation_id)
        return _operation(dict(row))

    async def newest(self, count: int) -> list[Operation]:
        """The last ``count`` that are listed, newest first."""
        taken_by = operation_table.c.taken_by
        is_listed = or_(taken_by.is_(None), not_(taken_by.startswith(UNLISTED)))
        query = select(operation_table).where(is_listed).order_by(operation_table.c.id.desc()).limit(count)
        rows = await self._db.read(lambda db: db.execute(query).mappings().all())
        return [_operation(dict(row)) for row in rows]

    async def take(self, server: str, now: datetime) -> Operation | None:
        """The oldest operation that is not over and that no living server works on, now taken by ``server``."""
        table = operation_table.c
        is_open = table.state.in_((OperationState.RUNNING, OperationState.STOPPING))
        is_free = or_(table.taken_by == server, table.seen_at.is_(None), table.seen_at < now - TAKEN_FOR)
        query = select(table.id).where(is_open, is_free).order_by(table.id).limit(1)

        def work(db: Connection) -> Operation | None:
            found = db.execute(query).scalar()
            if found is None:
                return None
            return _change(db, found, is_free, taken_by=server, seen_at=now)

        if await self._db.read(lambda db: db.execute(query).first()) is None:
            return None
        return await self._db.write(work)

    async def save_progress(self, operation: Operation, progress: Progress) -> Operation | None:
        """Add a step's progress to ``operation``; ``None`` if another server has taken it."""
        reasons = [*operation.reasons, *progress.reasons][:MAX_REASONS]
        values: dict[str, Any] = {
            "done": operation_table.c.done + progress.done,
            "left_alone": operation_table.c.left_alone + progress.left_alone,
            "reasons": reasons,
            "cursor": progress.cursor,
            "seen_at": utc_now(),
        }
        mine = operation_table.c.taken_by == operation.taken_by
        return await self._db.write(lambda db: _change(db, operation.id, mine, **values))

    async def end(self, operation: Operation, state: OperationState) -> Operation | None:
        """End it; ``None`` as in ``save_progress``."""
        mine = operation_table.c.taken_by == operation.taken_by
        values = {"state": state, "filter": _stored(operation.filter, MAX_IDS), "ended_at": utc_now()}
        return await self._db.write(lambda db: _change(db, operation.id, mine, **values))

    async def stop(self, operation_id: UUID) -> Operation:
        """Ask it to stop; the operation as it is now, over or not.

        Raises:
            OperationNotFound: no such operation.
        """
        who = acting()

        def work(db: Connection) -> Operation | None:
            is_running = operation_table.c.state == OperationState.RUNNING
            stopping = _change(db, operation_id, is_running, state=OperationState.STOPPING)
            if stopping is not None and stopping.is_listed:
                note(db, who, "stop", "jobs", [str(operation_id)])
            return stopping

        return await self._db.write(work) or await self.get(operation_id)


def _change(db: Connection, operation_id: UUID, *where: ColumnElement[bool], **values: Any) -> Operation | None:
    statement = update(operation_table).where(operation_table.c.id == operation_id, *where).values(values)
    row = db.execute(statement.returning(operation_table)).mappings().first()
    return None if row is None else _operation(dict(row))


def _operation(row: dict[str, Any]) -> Operation:
    values = {name: row[name] for name in Operation.__dataclass_fields__}
    values["filter"] = _FILTER.validate_python(row["filter"])
    values["state"] = OperationState(row["state"])
    return Operation(**values)


def _insert(
    db: Connection,
    who: str,
    action: str,
    job_filter: JobFilter,
    total: int,
    taken_by: str | None,
    *,
    undoes: UUID | None = None,
) -> Operation:
    now = utc_now()
    row: dict[str, Any] = {
        "id": uuid7(),
        "action": action,
        "filter": _stored(job_filter),
        "who": who,
        "state": OperationState.RUNNING,
        "total": total,
        "done": 0,
        "left_alone": 0,
        "reasons": [],
        "cursor": None,
        "undoes": undoes,
        "taken_by": taken_by,
        "seen_at": taken_by and now,
        "started_at": now,
        "ended_at": None,
    }
    db.execute(insert(operation_table).values(row))
    operation = _operation(row)
    if operation.is_listed:
        note(db, who, action, "jobs", [str(row["id"])], None, {"jobs": total, **_stored(job_filter, MAX_IDS)})
    else:
        _drop_unlisted(db, now)
    return operation


def _drop_unlisted(db: Connection, now: datetime) -> None:
    """Drop the rows of unlisted operations that can no longer be undone."""
    table, undoing = operation_table.c, operation_table.alias().c
    being_undone = select(undoing.undoes).where(undoing.undoes.is_not(None), undoing.ended_at.is_(None))
    is_past = table.ended_at < now - UNLISTED_KEPT_FOR
    db.execute(
        delete(operation_table).where(table.taken_by.startswith(UNLISTED), is_past, table.id.not_in(being_undone))
    )


def _stored(job_filter: JobFilter, max_ids: int | None = None) -> dict[str, Any]:
    """The filter as JSON, with the first ``max_ids`` of its ids alone."""
    if job_filter.ids is not None and max_ids is not None:
        job_filter = replace(job_filter, ids=job_filter.ids[:max_ids])
    stored: dict[str, Any] = _FILTER.dump_python(job_filter, mode="json", exclude_defaults=True)
    return stored


def _why_not_undone(operation: Operation) -> str:
    if operation.action != "delete":
        return "Only a deletion can be undone."
    if not operation.state.is_over:
        return "It still deletes; stop it first, then undo it."
    if operation.state is OperationState.UNDONE:
        return "It is undone already."
    if not operation.done:
        return "It deleted nothing, so there is nothing to bring back."
    return f"What it deleted is gone for good: that can be undone for {UNDO_WITHIN.seconds} seconds after it is done."
