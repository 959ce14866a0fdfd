"""Every SQL statement of the product: jobs, their timelines and their artifacts.

A status changes in one way only: a conditional UPDATE that raises ``version`` by one, and one ``job_event`` row with
that version, in the same transaction. The row count says who won when two want to change the same job; nobody reads,
thinks, then writes. Methods that act for a worker name the attempt, which is the fencing token: a worker that lost its
job changes nothing.
"""

import base64
import binascii
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    ColumnElement,
    Connection,
    Text,
    and_,
    case,
    cast,
    delete,
    false,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.exc import IntegrityError

from jobs import plain_json
from jobs.database import Database
from jobs.errors import InvalidInput, JobNotFound
from jobs.models import (
    FOLLOWS,
    RETRYABLE,
    WAITING,
    ArtifactRow,
    EventType,
    JobEventRow,
    JobRow,
    JobStatus,
    utc_now,
)
from jobs.snapshot import Artifact, Change, JobError, JobEvent, JobSnapshot

job_table = JobRow.__table__  # type: ignore[attr-defined]
event_table = JobEventRow.__table__  # type: ignore[attr-defined]
artifact_table = ArtifactRow.__table__  # type: ignore[attr-defined]

_SNAPSHOT_COLUMNS = [job_table.c[name] for name in JobSnapshot.model_fields]
_BRIEF_COLUMNS = [c for c in _SNAPSHOT_COLUMNS if c.name not in ("params", "result", "error")]
_EVENT_COLUMNS = [event_table.c[name] for name in JobEvent.model_fields]

SORTS = {
    "-created_at": (job_table.c.created_at, True),
    "created_at": (job_table.c.created_at, False),
    "-priority": (job_table.c.priority, True),
    "priority": (job_table.c.priority, False),
}
DEFAULT_SORT = "-created_at"
LARGEST_INTEGER = 2**31 - 1
"""What an integer column holds on every database."""
ID_BATCH = 500
"""Rows a statement when walking all matches; SQLite's limit on variables is far above."""


@dataclass(frozen=True)
class NewJob:
    """A validated job, before it has an id."""

    kind: str
    params: dict[str, Any]
    max_attempts: int
    priority: int = 0
    scheduled_for: datetime | None = None


@dataclass(frozen=True)
class JobFilter:
    """Which jobs; every part that is set must match. ``text`` is searched in id, kind, message, params and error."""

    statuses: tuple[JobStatus, ...] = ()
    kinds: tuple[str, ...] = ()
    text: str = ""
    created_after: datetime | None = None
    created_before: datetime | None = None


@dataclass(frozen=True)
class Note:
    """Something a running handler said: a step, a log line or an artifact.

    ``progress`` and ``message`` of ``None`` leave the job's own as they are. ``content`` is an artifact's bytes.
    """

    type: EventType
    message: str | None = None
    progress: float | None = None
    log_message: str = ""
    data: dict[str, Any] | None = None
    content: bytes | None = None


@dataclass(frozen=True)
class Page:
    """Part of a list, and where the next part begins (``None``: this was the last)."""

    jobs: list[JobSnapshot]
    next_cursor: str | None


@dataclass
class _Transition:
    """One conditional change: which rows, to what, and how the timeline tells it."""

    where: ColumnElement[bool]
    values: dict[str, Any]
    message: str | None = None
    type: EventType = EventType.STATUS
    data: dict[str, Any] | None = None
    sources: frozenset[JobStatus] = field(default=frozenset())

    def __post_init__(self) -> None:
        target = self.values.get("status")
        if target is not None:
            illegal = [s for s in self.sources if target not in FOLLOWS[s]]
            assert self.sources and not illegal, f"{illegal} may not become {target}"


class Store:
    """Jobs in one database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    # Reading

    async def get(self, job_id: UUID) -> JobSnapshot:
        """The job as it is now.

        Raises:
            JobNotFound: no such job.
        """
        return await self._db.read(lambda db: _get(db, job_id))

    async def get_many(self, job_ids: Sequence[UUID]) -> dict[UUID, JobSnapshot]:
        """Those of the jobs that exist, by id."""
        query = select(*_SNAPSHOT_COLUMNS).where(job_table.c.id.in_(job_ids))
        rows = await self._db.read(lambda db: db.execute(query).mappings().all())
        return {row["id"]: JobSnapshot.model_validate(dict(row)) for row in rows}

    async def page(
        self,
        job_filter: JobFilter = JobFilter(),
        *,
        sort: str = DEFAULT_SORT,
        limit: int = 50,
        cursor: str | None = None,
        brief: bool = False,
    ) -> Page:
        """Up to ``limit`` matching jobs after ``cursor``, in the order of ``sort`` (a key of ``SORTS``).

        ``brief`` leaves out what may be large and no list shows: parameters, result and error.

        Raises:
            InvalidInput: an unknown sort, or a cursor that this list did not make.
        """
        column, descending = _sort(sort)
        query = select(*(_BRIEF_COLUMNS if brief else _SNAPSHOT_COLUMNS)).where(_matches(job_filter))
        if cursor is not None:
            position = tuple_(column, job_table.c.id)
            value, job_id = _decode_cursor(cursor, sort)
            mark = tuple_(literal(value, column.type), literal(job_id, job_table.c.id.type))
            query = query.where(position < mark if descending else position > mark)
        order = [c.desc() if descending else c.asc() for c in (column, job_table.c.id)]
        rows = await self._db.read(lambda db: db.execute(query.order_by(*order).limit(limit + 1)).mappings().all())
        empty: dict[str, Any] = {"params": {}} if brief else {}
        jobs = [JobSnapshot.model_validate({**row, **empty}) for row in rows[:limit]]
        more = len(rows) > limit
        return Page(jobs, _encode_cursor(sort, getattr(jobs[-1], column.name), jobs[-1].id) if more else None)

    async def count(self, job_filter: JobFilter) -> int:
        """How many jobs match."""
        query = select(func.count()).select_from(job_table).where(_matches(job_filter))
        return int(await self._db.read(lambda db: db.execute(query).scalar_one()))

    async def matching_ids(self, job_filter: JobFilter, after: UUID | None = None) -> list[UUID]:
        """Up to ``ID_BATCH`` ids of matching jobs beyond ``after``, in the order of their ids."""
        query = select(job_table.c.id).where(_matches(job_filter))
        if after is not None:
            query = query.where(job_table.c.id > after)
        query = query.order_by(job_table.c.id).limit(ID_BATCH)
        return list(await self._db.read(lambda db: db.execute(query).scalars().all()))

    async def counts(self) -> dict[JobStatus, int]:
        """How many jobs there are in each status; every status is a key."""
        query = select(job_table.c.status, func.count()).group_by(job_table.c.status)
        rows = await self._db.read(lambda db: db.execute(query).all())
        return {status: 0 for status in JobStatus} | {JobStatus(s): n for s, n in rows}

    async def oldest_queued_at(self) -> datetime | None:
        """Since when the job that waits longest has been due."""
        query = select(func.min(job_table.c.queued_at)).where(job_table.c.status == JobStatus.QUEUED)
        return await self._db.read(lambda db: db.execute(query).scalar_one())

    async def next_due_at(self) -> datetime | None:
        """When the next scheduled job falls due."""
        query = select(func.min(job_table.c.scheduled_for)).where(job_table.c.status == JobStatus.SCHEDULED)
        return await self._db.read(lambda db: db.execute(query).scalar_one())

    async def running(self) -> list[JobSnapshot]:
        """Every running job, the longest running first."""
        query = select(*_SNAPSHOT_COLUMNS).where(job_table.c.status == JobStatus.RUNNING)
        rows = await self._db.read(lambda db: db.execute(query.order_by(job_table.c.started_at)).mappings().all())
        return [JobSnapshot.model_validate(dict(row)) for row in rows]

    async def events(
        self,
        job_id: UUID,
        *,
        after: int = 0,
        limit: int = 1000,
        newest: bool = False,
        types: Sequence[EventType] = tuple(EventType),
    ) -> list[JobEvent]:
        """Timeline rows with a version above ``after``, oldest first: the first ``limit``, or the last if ``newest``.

        Raises:
            JobNotFound: no such job.
        """
        order = event_table.c.version.desc() if newest else event_table.c.version
        query = (
            select(*_EVENT_COLUMNS)
            .where(event_table.c.job_id == job_id, event_table.c.version > after)
            .order_by(order)
            .limit(limit)
        )
        if len(types) < len(EventType):
            query = query.where(event_table.c.type.in_(types))

        def work(db: Connection) -> list[JobEvent]:
            rows = db.execute(query).mappings().all()
            if not rows:
                _get(db, job_id)
            return [JobEvent.model_validate(dict(row)) for row in (reversed(rows) if newest else rows)]

        return await self._db.read(work)

    async def artifacts(self, job_id: UUID) -> list[Artifact]:
        """What a job's handler attached, oldest first."""
        columns = [artifact_table.c[name] for name in Artifact.model_fields]
        query = select(*columns).where(artifact_table.c.job_id == job_id).order_by(artifact_table.c.version)
        rows = await self._db.read(lambda db: db.execute(query).mappings().all())
        return [Artifact.model_validate(dict(row)) for row in rows]

    async def artifact_content(self, job_id: UUID, artifact_id: UUID) -> tuple[Artifact, bytes] | None:
        """An artifact with its bytes, or ``None``."""
        query = select(artifact_table).where(artifact_table.c.job_id == job_id, artifact_table.c.id == artifact_id)
        row = await self._db.read(lambda db: db.execute(query).mappings().first())
        return None if row is None else (Artifact.model_validate(dict(row)), row["content"])

    # What people ask for

    async def insert(self, jobs: Sequence[NewJob], *, idempotency_key: str | None = None) -> tuple[list[Change], bool]:
        """The new jobs, in order, all or none; and whether they were made now.

        With a key (one job only) that was used before, the job it made then, unchanged, and ``False``.
        """
        try:
            return await self._db.write(lambda db: _insert(db, jobs, idempotency_key)), True
        except IntegrityError:
            if idempotency_key is None:
                raise
            earlier = await self.by_idempotency_key(idempotency_key)
            if earlier is None:  # deleted in this very moment: the key is free again
                return await self.insert(jobs, idempotency_key=idempotency_key)
            return [earlier], False

    async def by_idempotency_key(self, key: str) -> Change | None:
        """The job that was made with this key, with the first row of its timeline."""
        query = select(*_SNAPSHOT_COLUMNS).where(job_table.c.idempotency_key == key)
        row = await self._db.read(lambda db: db.execute(query).mappings().first())
        if row is None:
            return None
        job = JobSnapshot.model_validate(dict(row))
        return Change(job=job, event=(await self.events(job.id, limit=1))[0])

    async def cancel_waiting(self, job_id: UUID) -> Change | None:
        """Cancel a job that has not started; ``None`` if it is not waiting (any more)."""
        return await self._apply(
            job_id,
            _Transition(
                where=job_table.c.status.in_(WAITING),
                sources=WAITING,
                values={
                    "status": JobStatus.CANCELLED,
                    "finished_at": utc_now(),
                    "cancel_requested_at": utc_now(),
                },
                message="Cancelled before it started.",
            ),
        )

    async def request_cancel(self, job_id: UUID) -> Change | None:
        """Note that a running job should stop; ``None`` if it is not running or was asked before."""
        return await self._apply(
            job_id,
            _Transition(
                where=and_(job_table.c.status == JobStatus.RUNNING, job_table.c.cancel_requested_at.is_(None)),
                values={"cancel_requested_at": utc_now()},
                message="Cancel requested.",
                data={"cancel_requested": True},
            ),
        )

    async def retry(self, job_id: UUID) -> Change | None:
        """Queue a failed or cancelled job as a new attempt; ``None`` if it is in another status.

        A job whose attempts are used up is given one more.
        """
        next_attempt = job_table.c.attempt + 1
        return await self._apply(
            job_id,
            _Transition(
                where=job_table.c.status.in_(RETRYABLE),
                sources=RETRYABLE,
                values={
                    **_queued(),
                    "attempt": next_attempt,
                    "max_attempts": case(
                        (job_table.c.max_attempts > next_attempt, job_table.c.max_attempts),
                        else_=next_attempt,
                    ),
                    "result": null(),
                    "error": null(),
                },
                message="Queued again by hand.",
                data={"reason": "retry"},
            ),
        )

    async def delete(self, job_id: UUID) -> bool:
        """Remove a job that is not running, its timeline and its artifacts; whether there was one to remove."""
        statement = delete(job_table).where(job_table.c.id == job_id, job_table.c.status != JobStatus.RUNNING)
        return bool(await self._db.write(lambda db: db.execute(statement).rowcount))

    # What time does

    async def promote_due(self, limit: int = 1000) -> list[Change]:
        """Queue up to ``limit`` scheduled jobs whose time has come."""
        due = (
            select(job_table.c.id)
            .where(job_table.c.status == JobStatus.SCHEDULED, job_table.c.scheduled_for <= utc_now())
            .order_by(job_table.c.scheduled_for)
            .limit(limit)
        )
        sources = frozenset({JobStatus.SCHEDULED})
        transition = _Transition(
            where=and_(job_table.c.id.in_(due), job_table.c.status == JobStatus.SCHEDULED),
            sources=sources,
            values={
                "status": JobStatus.QUEUED,
                "queued_at": utc_now(),
            },
            message="Due; waiting for a free slot.",
        )
        return await self._db.write(lambda db: _change(db, transition))

    # What a worker does

    async def start(self, job_id: UUID, attempt: int, worker: str) -> Change | None:
        """Mark a queued job as running; ``None`` if it is not queued for this attempt (any more)."""
        return await self._apply(
            job_id,
            _Transition(
                where=and_(job_table.c.status == JobStatus.QUEUED, job_table.c.attempt == attempt),
                sources=frozenset({JobStatus.QUEUED}),
                values={
                    "status": JobStatus.RUNNING,
                    "started_at": utc_now(),
                    "finished_at": None,
                    "cancel_requested_at": None,
                    "progress": 0.0,
                    "worker": worker,
                },
                message="Started.",
                data={"worker": worker},
            ),
        )

    async def add_notes(self, job_id: UUID, attempt: int, notes: Sequence[Note]) -> list[Change] | None:
        """Record what a running handler said, in order; ``None`` if this attempt is no longer running."""

        def work(db: Connection) -> list[Change] | None:
            changes = []
            for note in notes:
                change = _add_note(db, job_id, attempt, note)
                if change is None:
                    return None
                changes.append(change)
            return changes

        return await self._db.write(work)

    async def complete(self, job_id: UUID, attempt: int, result: Any) -> Change | None:
        """End a running attempt with a result; ``None`` if it is no longer running."""
        return await self._end(
            job_id,
            attempt,
            {
                "status": JobStatus.COMPLETED,
                "progress": 100.0,
                "result": result if result is not None else null(),
                "error": null(),
                "finished_at": utc_now(),
            },
            message="Completed.",
        )

    async def fail(self, job_id: UUID, attempt: int, error: JobError, *, retry_at: datetime | None) -> Change | None:
        """End a running attempt with an error: for good, or with another attempt at ``retry_at``."""
        shown = error.model_dump()
        if retry_at is None:
            return await self._end(
                job_id,
                attempt,
                {"status": JobStatus.FAILED, "error": shown, "finished_at": utc_now()},
                message=f"Failed: {error.message}",
                data={"error": shown},
            )
        return await self._end(
            job_id,
            attempt,
            {
                "status": JobStatus.SCHEDULED,
                "attempt": attempt + 1,
                "error": shown,
                "scheduled_for": retry_at,
                "worker": None,
            },
            message=f"Attempt {attempt} failed: {error.message}",
            data={"error": shown, "failed_attempt": attempt, "retry_at": retry_at.isoformat()},
        )

    async def end_cancelled(self, job_id: UUID, attempt: int, message: str) -> Change | None:
        """End a running attempt as cancelled."""
        return await self._end(
            job_id, attempt, {"status": JobStatus.CANCELLED, "finished_at": utc_now()}, message=message
        )

    async def hand_back(self, job_id: UUID, attempt: int) -> Change | None:
        """Queue a job again that a stopping worker ends before its time; costs no attempt."""
        return await self._end(
            job_id,
            attempt,
            _queued(),
            message="Handed back by a stopping worker.",
            data={"reason": "worker stopped"},
        )

    async def take_from_lost_worker(self, job: JobSnapshot) -> Change | None:
        """Queue a job again, as a new attempt, whose worker is gone; it fails if no attempt is left."""
        error = {"type": "WorkerLost", "message": f"The worker {job.worker} was lost.", "traceback": ""}
        if job.cancel_requested_at is not None:
            return await self.end_cancelled(job.id, job.attempt, "Cancelled; its worker was lost.")
        if job.attempt >= job.max_attempts:
            return await self._end(
                job.id,
                job.attempt,
                {"status": JobStatus.FAILED, "error": error, "finished_at": utc_now()},
                message="Failed: worker lost, and no attempt is left.",
                data={"error": error, "reason": "worker lost"},
            )
        return await self._end(
            job.id,
            job.attempt,
            {**_queued(), "attempt": job.attempt + 1, "error": error},
            message="Queued again: worker lost.",
            data={"error": error, "reason": "worker lost", "failed_attempt": job.attempt},
        )

    async def _end(
        self,
        job_id: UUID,
        attempt: int,
        values: dict[str, Any],
        message: str,
        data: dict[str, Any] | None = None,
    ) -> Change | None:
        return await self._apply(
            job_id,
            _Transition(
                where=and_(job_table.c.status == JobStatus.RUNNING, job_table.c.attempt == attempt),
                sources=frozenset({JobStatus.RUNNING}),
                values=values,
                message=message,
                data=data,
            ),
        )

    async def _apply(self, job_id: UUID, transition: _Transition) -> Change | None:
        transition.where = and_(job_table.c.id == job_id, transition.where)
        changes = await self._db.write(lambda db: _change(db, transition))
        return changes[0] if changes else None


def _queued() -> dict[str, Any]:
    """The columns of a job that waits for a slot again."""
    return {
        "status": JobStatus.QUEUED,
        "queued_at": utc_now(),
        "scheduled_for": None,
        "started_at": None,
        "finished_at": None,
        "cancel_requested_at": None,
        "progress": 0.0,
        "worker": None,
    }


def _change(db: Connection, transition: _Transition) -> list[Change]:
    """Apply a transition and write its timeline rows; the changes made, none if no row matched."""
    values = dict(transition.values)
    if transition.type is EventType.STATUS and transition.message is not None:
        values["message"] = transition.message
    statement = (
        update(job_table)
        .where(transition.where)
        .values(version=job_table.c.version + 1, **values)
        .returning(*_SNAPSHOT_COLUMNS)
    )
    jobs = [JobSnapshot.model_validate(dict(row)) for row in db.execute(statement).mappings()]
    return _record(db, jobs, transition.type, transition.message, transition.data)


def _record(
    db: Connection,
    jobs: Iterable[JobSnapshot],
    event_type: EventType,
    message: str | None,
    data: dict[str, Any] | None,
) -> list[Change]:
    """Write one timeline row for each job at its current version."""
    at = utc_now()
    changes = [
        Change(
            job=job,
            event=JobEvent(
                version=job.version,
                at=at,
                type=event_type,
                status=job.status,
                attempt=job.attempt,
                progress=job.progress,
                message=job.message if message is None else message,
                data=data,
            ),
        )
        for job in jobs
    ]
    if changes:
        db.execute(insert(event_table), [{"job_id": c.job.id, **c.event.model_dump()} for c in changes])
    return changes


def _insert(db: Connection, jobs: Sequence[NewJob], idempotency_key: str | None) -> list[Change]:
    now = utc_now()
    rows = []
    for place, new in enumerate(jobs):
        later = new.scheduled_for is not None and new.scheduled_for > now
        at = now + timedelta(microseconds=place)  # apart, so that a batch keeps its order everywhere
        rows.append(
            {
                "id": uuid4(),
                "kind": new.kind,
                "params": new.params,
                "status": JobStatus.SCHEDULED if later else JobStatus.QUEUED,
                "progress": 0.0,
                "message": "Waiting for its time." if later else "Waiting for a free slot.",
                "attempt": 1,
                "max_attempts": new.max_attempts,
                "priority": new.priority,
                "created_at": at,
                "scheduled_for": new.scheduled_for,
                "queued_at": None if later else at,
                "version": 1,
                "idempotency_key": idempotency_key,
            }
        )
    db.execute(insert(job_table), rows)
    snapshots = [JobSnapshot.model_validate(row) for row in rows]
    return _record(db, snapshots, EventType.STATUS, None, {"reason": "submitted"})


def _add_note(db: Connection, job_id: UUID, attempt: int, note: Note) -> Change | None:
    values: dict[str, Any] = {}
    if note.progress is not None:
        values["progress"] = note.progress
    if note.message is not None:
        values["message"] = note.message
    data = note.data
    if note.content is not None:
        data = {**(data or {}), "artifact_id": str(uuid4()), "size_bytes": len(note.content)}
    changes = _change(
        db,
        _Transition(
            where=and_(
                job_table.c.id == job_id,
                job_table.c.status == JobStatus.RUNNING,
                job_table.c.attempt == attempt,
            ),
            values=values,
            type=note.type,
            message=note.log_message if note.type in (EventType.LOG, EventType.ARTIFACT) else None,
            data=data,
        ),
    )
    if not changes:
        return None
    if note.content is not None and data is not None:
        db.execute(
            insert(artifact_table).values(
                id=UUID(data["artifact_id"]),
                job_id=job_id,
                version=changes[0].job.version,
                name=data["name"],
                media_type=data["media_type"],
                size_bytes=len(note.content),
                content=note.content,
                created_at=changes[0].event.at,
            )
        )
    return changes[0]


def _get(db: Connection, job_id: UUID) -> JobSnapshot:
    row = db.execute(select(*_SNAPSHOT_COLUMNS).where(job_table.c.id == job_id)).mappings().first()
    if row is None:
        raise JobNotFound(job_id)
    return JobSnapshot.model_validate(dict(row))


def _matches(wanted: JobFilter) -> ColumnElement[bool]:
    parts: list[ColumnElement[bool]] = [job_table.c.id.is_not(None)]
    if wanted.statuses:
        parts.append(job_table.c.status.in_(wanted.statuses))
    if wanted.kinds:
        parts.append(job_table.c.kind.in_(wanted.kinds))
    if wanted.created_after is not None:
        parts.append(job_table.c.created_at > wanted.created_after)
    if wanted.created_before is not None:
        parts.append(job_table.c.created_at < wanted.created_before)
    for word in wanted.text.split():
        parts.append(_contains(word))
    return and_(*parts)


def _contains(word: str) -> ColumnElement[bool]:
    hexadecimal = word.replace("-", "").lower()
    is_id = bool(hexadecimal) and all(c in "0123456789abcdef" for c in hexadecimal)
    return or_(
        cast(job_table.c.id, Text).startswith(hexadecimal, autoescape=True) if is_id else false(),
        *(
            cast(column, Text).icontains(word, autoescape=True)
            for column in (job_table.c.kind, job_table.c.message, job_table.c.params, job_table.c.error)
        ),
    )


def _sort(sort: str) -> tuple[Any, bool]:
    if sort not in SORTS:
        raise InvalidInput.of("sort", f"is {sort!r}, but it must be one of {', '.join(SORTS)}")
    return SORTS[sort]


def _encode_cursor(sort: str, value: Any, job_id: UUID) -> str:
    mark = value.isoformat() if isinstance(value, datetime) else value
    return base64.urlsafe_b64encode(plain_json.dumps([sort, mark, str(job_id)]).encode()).decode()


def _decode_cursor(cursor: str, sort: str) -> tuple[Any, UUID]:
    try:
        made_for, mark, job_id = plain_json.loads(base64.urlsafe_b64decode(cursor.encode()))
        if made_for != sort:
            raise InvalidInput.of("cursor", f"was made for the order {made_for!r}; start again without it")
        return _cursor_value(sort, mark), UUID(job_id)
    except (binascii.Error, ValueError, TypeError, AttributeError, OverflowError) as exc:
        raise InvalidInput.of("cursor", "is not one that this list gave; start again without it") from exc
    except InvalidInput as exc:
        if exc.errors[0].field == "cursor":
            raise
        raise InvalidInput.of("cursor", "is not one that this list gave; start again without it") from exc


def _cursor_value(sort: str, mark: Any) -> int | datetime:
    """The sort column's value; raises ``ValueError`` or ``OverflowError`` for what no job can have."""
    if sort.endswith("priority"):
        if not isinstance(mark, int) or abs(mark) > LARGEST_INTEGER:
            raise ValueError(mark)
        return mark
    at = datetime.fromisoformat(mark)
    if at.tzinfo is None:
        raise ValueError(mark)
    return at.astimezone(UTC)
