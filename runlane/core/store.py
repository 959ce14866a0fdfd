"""Jobs, their timelines and their artifacts in SQL: what can be read, and what people change.

What workers change is in ``runlane.core.attempts``; how any change is made, in ``runlane.core.transitions``.
"""

import base64
import binascii
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Text,
    and_,
    case,
    cast,
    func,
    insert,
    literal,
    literal_column,
    null,
    or_,
    select,
    tuple_,
)
from sqlalchemy.engine import RowMapping
from sqlalchemy.exc import IntegrityError
from uuid_utils.compat import uuid7

from runlane import plain_json
from runlane.audit import Audit, acting
from runlane.clock import utc_now
from runlane.core import generation
from runlane.core.attempts import WAITS_AGAIN, AttemptWrite, record_attempts
from runlane.core.counts import Counts
from runlane.core.deletion import Removal
from runlane.core.edits import Edits
from runlane.core.reruns import Lineage, record_reruns
from runlane.core.transitions import (
    SNAPSHOT_COLUMNS,
    Transition,
    artifact_table,
    by,
    change,
    event_table,
    job_table,
    record,
)
from runlane.db.database import Database
from runlane.db.prepared import Prepared, trusted
from runlane.errors import InvalidInput, JobNotFound
from runlane.kinds.settings_store import SettingsStore
from runlane.metrics.failures import Failures
from runlane.metrics.samples import Samples
from runlane.metrics.statistics import Statistics
from runlane.model.snapshot import Artifact, Change, JobError, JobEvent, JobSnapshot, ListedJob, Part, WaitingJob
from runlane.model.status import DELETED, RETRYABLE, WAITING, EventType, JobStatus
from runlane.search.matching import EVERY_JOB, JobFilter, condition, in_order, matches, takes_reading
from runlane.search.text_index import TextIndex

_EXISTS = job_table.c.status != DELETED
_BRIEF_COLUMNS = [c for c in SNAPSHOT_COLUMNS if c.name not in ("params", "result", "error")]
_LEFT_OUT: dict[str, Any] = {"params": {}}
"""What a snapshot needs that a brief row has not."""
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
WAITING_BATCH = 2000
SMALL_PARAMS = 4000
"""Characters of parameters that lists hold without being asked."""
MOST_BYTES = 8_000_000
"""Of large parts of jobs that are read at once."""
FEWEST_LOOKED_AT = 20
NEAR = 5000
"""Jobs of a list that are read for what its indexes do not know, before it is looked up."""


@dataclass(frozen=True)
class Once:
    """What makes a submission happen once: the client's key, and a digest of what came with it."""

    key: str
    digest: str


@dataclass(frozen=True)
class NewJob:
    """A validated job, before it has an id."""

    kind: str
    params: dict[str, Any]
    max_attempts: int
    priority: int = 0
    scheduled_for: datetime | None = None
    rerun_of: UUID | None = None


@dataclass(frozen=True)
class Page:
    """Part of a list, and where the next part begins (``None``: this was the last)."""

    jobs: list[JobSnapshot]
    next_cursor: str | None


@dataclass(frozen=True)
class Listing:
    """As ``Page``, of jobs without what may be large."""

    jobs: list[ListedJob]
    next_cursor: str | None


class Store:
    """Jobs in one database."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self.jobs_counted = Counts(database)
        self.removal = Removal(database)
        self.lineage = Lineage(database)
        self.failures = Failures(database)
        self.statistics = Statistics(database)
        self.samples = Samples(database)
        self.settings = SettingsStore(database)
        self.audit = Audit(database)
        self.edits = Edits(database)
        self.text_index = TextIndex(database)

    # Reading

    async def get(self, job_id: UUID) -> JobSnapshot:
        """The job as it is now.

        Raises:
            JobNotFound: no such job.
        """
        return await self._db.read(lambda db: _get(db, job_id))

    async def get_many(self, job_ids: Sequence[UUID], *, brief: bool = False) -> dict[UUID, JobSnapshot]:
        """Those of the jobs that exist, by id; ``brief`` as in ``page``."""
        query = select(*(_BRIEF_COLUMNS if brief else SNAPSHOT_COLUMNS)).where(job_table.c.id.in_(job_ids), _EXISTS)
        rows = await self._db.read(lambda db: db.execute(query).mappings().all())
        return {row["id"]: JobSnapshot.model_validate({**_LEFT_OUT, **row}) for row in rows}

    async def page(
        self,
        job_filter: JobFilter = EVERY_JOB,
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
        position = tuple_(column, job_table.c.id)
        order = [c.desc() if descending else c.asc() for c in (column, job_table.c.id)]
        query = select(*(_BRIEF_COLUMNS if brief else SNAPSHOT_COLUMNS)).order_by(*order)
        mark = select(column, job_table.c.id).order_by(*order).where(in_order(job_filter)).offset(NEAR).limit(1)
        if cursor is not None:
            begin = tuple_(*_mark(column, *_decode_cursor(cursor, sort)))
            beyond = position < begin if descending else position > begin
            query, mark = query.where(beyond), mark.where(beyond)

        def work(db: Connection) -> Sequence[RowMapping]:
            found = query.limit(limit + 1)
            if takes_reading(job_filter):
                # what is common is found among the next few jobs, sooner than anything can be looked up
                end = db.execute(mark).first()
                near = found.where(condition(job_filter))
                if end is not None:
                    last = tuple_(*_mark(column, *end))
                    near = near.where(position >= last if descending else position <= last)
                rows = db.execute(near).mappings().all()
                if end is None or len(rows) > limit:
                    return rows
            return db.execute(found.where(matches(db, job_filter))).mappings().all()

        rows = await self._db.read(work)
        jobs = [JobSnapshot.model_validate({**_LEFT_OUT, **row}) for row in rows[:limit]]
        more = len(rows) > limit
        return Page(jobs, _encode_cursor(sort, getattr(jobs[-1], column.name), jobs[-1].id) if more else None)

    async def listing(
        self,
        job_filter: JobFilter = EVERY_JOB,
        *,
        sort: str = DEFAULT_SORT,
        limit: int = 50,
        cursor: str | None = None,
        parts: Collection[Part] = (),
    ) -> Listing:
        """As ``page``, of jobs with only those of their large ``parts`` that are asked for.

        Such a page ends early, after ``MOST_BYTES`` of them. Raises as ``page``.
        """
        page = await self.page(job_filter, sort=sort, limit=limit, cursor=cursor, brief=True)
        jobs, next_cursor = page.jobs, page.next_cursor
        if parts:
            async with contextlib.aclosing(self._groups([job.id for job in jobs])) as groups:
                ids: list[UUID] = await anext(groups, [])
            if len(ids) < len(jobs):
                jobs = jobs[: len(ids)]
                next_cursor = _encode_cursor(sort, getattr(jobs[-1], _sort(sort)[0].name), jobs[-1].id)
        found = await self._listed([job.id for job in jobs], parts)
        return Listing([_listed_job(job, found[job.id]) for job in jobs if job.id in found], next_cursor)

    async def _listed(self, job_ids: Sequence[UUID], parts: Collection[Part]) -> dict[UUID, RowMapping]:
        params, error = job_table.c.params, job_table.c.error
        is_small = func.length(cast(params, Text)) <= SMALL_PARAMS
        query = select(
            job_table.c.id,
            (params if Part.PARAMS in parts else case((is_small, params))).label("params"),
            (job_table.c.result if Part.RESULT in parts else null()).label("result"),
            (error if Part.TRACEBACK in parts else null()).label("error"),
            error["type"].as_string().label("error_type"),
            error["message"].as_string().label("error_message"),
            job_table.c.result.is_not(None).label("has_result"),
        ).where(job_table.c.id.in_(job_ids))
        rows = await self._db.read(lambda db: db.execute(query).mappings().all())
        return {row["id"]: row for row in rows}

    async def whole(self, job_ids: Sequence[UUID]) -> AsyncIterator[JobSnapshot]:
        """Those of the jobs that exist, in this order, read while they are taken: ``MOST_BYTES`` or one at once."""
        async for group in self._groups(job_ids):
            found = await self.get_many(group)
            for job_id in group:
                if job_id in found:
                    yield found[job_id]

    async def _groups(self, job_ids: Sequence[UUID]) -> AsyncGenerator[list[UUID]]:
        """The ids in their order, in groups of jobs that together take ``MOST_BYTES`` at most, or are one job."""
        group, group_bytes, looked_at = list[UUID](), 0, FEWEST_LOOKED_AT
        left = list(job_ids)
        while left:
            ids, left = left[:looked_at], left[looked_at:]
            sizes = await self.sizes(ids)
            looked_at = FEWEST_LOOKED_AT if sum(sizes.values()) > MOST_BYTES else min(2 * looked_at, ID_BATCH)
            for job_id in ids:
                size = sizes.get(job_id, 0)
                if group and group_bytes + size > MOST_BYTES:
                    yield group
                    group, group_bytes = [], 0
                group.append(job_id)
                group_bytes += size
        if group:
            yield group

    async def neighbours(
        self, job: JobSnapshot, job_filter: JobFilter = EVERY_JOB, *, sort: str = DEFAULT_SORT
    ) -> tuple[UUID | None, UUID | None]:
        """The jobs right before and right after ``job`` in a list; ``None`` where it ends."""
        column, _ = _sort(sort)
        found = []
        for order in (_back(sort), sort):
            cursor = _encode_cursor(order, getattr(job, column.name), job.id)
            page = await self.page(job_filter, sort=order, limit=1, cursor=cursor, brief=True)
            found.append(page.jobs[0].id if page.jobs else None)
        return found[0], found[1]

    async def previous_cursor(
        self, cursor: str, job_filter: JobFilter = EVERY_JOB, *, sort: str = DEFAULT_SORT, limit: int = 50
    ) -> str | None:
        """Where the page begins that is right before the one after ``cursor``; ``None``: it is the first.

        Raises:
            InvalidInput: as ``page``.
        """
        column, _ = _sort(sort)
        back = _encode_cursor(_back(sort), *_decode_cursor(cursor, sort))
        page = await self.page(job_filter, sort=_back(sort), limit=limit, cursor=back, brief=True)
        if len(page.jobs) < limit:
            return None
        return _encode_cursor(sort, getattr(page.jobs[-1], column.name), page.jobs[-1].id)

    async def count(self, job_filter: JobFilter) -> int:
        """How many jobs match."""
        query = select(func.count()).select_from(job_table)
        return int(await self._db.read(lambda db: db.execute(query.where(matches(db, job_filter))).scalar_one()))

    async def count_by_status(self, job_filter: JobFilter) -> dict[JobStatus, int]:
        """How many jobs match in each status that has any."""
        query = select(job_table.c.status, func.count()).group_by(job_table.c.status)
        rows = await self._db.read(lambda db: db.execute(query.where(matches(db, job_filter))).all())
        return {JobStatus(status): number for status, number in rows}

    async def matching_ids(self, job_filter: JobFilter, after: UUID | None = None) -> list[UUID]:
        """Up to ``ID_BATCH`` ids of matching jobs beyond ``after``, in the order of their ids."""
        query = select(job_table.c.id)
        if after is not None:
            query = query.where(job_table.c.id > after)
        query = query.order_by(job_table.c.id).limit(ID_BATCH)
        return list(await self._db.read(lambda db: db.execute(query.where(matches(db, job_filter))).scalars().all()))

    async def counts(self) -> dict[JobStatus, int]:
        """How many jobs there are in each status; every status is a key."""
        return await self.jobs_counted.all()

    async def oldest_queued_at(self) -> datetime | None:
        """Since when the job that waits longest has been due."""
        is_queued = job_table.c.status == literal_column(f"'{JobStatus.QUEUED}'")  # as text, or its index is not seen
        query = select(func.min(job_table.c.queued_at)).where(is_queued)
        return await self._db.read(lambda db: db.execute(query).scalar_one())

    async def waiting(
        self, status: JobStatus, *, newest_first: bool, beyond: WaitingJob | None = None
    ) -> list[WaitingJob]:
        """Up to ``WAITING_BATCH`` jobs of a status in the order they came."""
        position = tuple_(job_table.c.created_at, job_table.c.id)
        query = select(job_table.c.id, job_table.c.kind, job_table.c.created_at).where(job_table.c.status == status)
        if beyond is not None:
            columns = (job_table.c.created_at, job_table.c.id)
            values = (beyond.created_at, beyond.id)
            mark = tuple_(*(literal(v, c.type) for v, c in zip(values, columns, strict=True)))
            query = query.where(position < mark if newest_first else position > mark)
        order = [c.desc() if newest_first else c.asc() for c in (job_table.c.created_at, job_table.c.id)]
        query = query.order_by(*order).limit(WAITING_BATCH)
        rows = await self._db.read(lambda db: db.execute(query).all())
        return [WaitingJob(job_id, kind, status, created_at) for job_id, kind, created_at in rows]

    async def statuses(self, job_ids: Sequence[UUID]) -> dict[UUID, JobStatus]:
        """The status of those of the jobs that exist."""
        query = select(job_table.c.id, job_table.c.status).where(job_table.c.id.in_(job_ids), _EXISTS)
        rows = await self._db.read(lambda db: db.execute(query).all())
        return {job_id: JobStatus(status) for job_id, status in rows}

    async def ping(self) -> None:
        """Nothing, when the database answers."""
        await self._db.read(lambda db: db.execute(select(job_table.c.id).limit(1)).first())

    async def running(self) -> list[JobSnapshot]:
        """Every running job, the longest running first."""
        query = select(*SNAPSHOT_COLUMNS).where(job_table.c.status == JobStatus.RUNNING)
        rows = await self._db.read(lambda db: db.execute(query.order_by(job_table.c.started_at)).mappings().all())
        return [JobSnapshot.model_validate(dict(row)) for row in rows]

    async def generation(self) -> int:
        """The number of the newest generation of Redis; see ``runlane.core.generation``."""
        return await self._db.read(lambda db: db.execute(select(generation.newest())).scalar_one())

    async def begin_generation(self) -> int:
        """Begin another: what was claimed under an earlier one and has not started will not. Its number."""
        return await self._db.write(generation.begin, alone=True)

    def cancel_is_asked(self, job_id: UUID) -> Future[bool]:
        """Whether a running job is to be cancelled; may be asked in any thread, which learns it later."""
        query = select(job_table.c.cancel_requested_at).where(
            job_table.c.id == job_id, job_table.c.status == JobStatus.RUNNING
        )
        return self._db.read_soon(lambda db: db.execute(query).scalar() is not None)

    async def sizes(self, job_ids: Sequence[UUID]) -> dict[UUID, int]:
        """How many bytes the parameters, result and error of each of the jobs take."""
        parts = [func.coalesce(func.length(cast(job_table.c[name], Text)), 0) for name in ("params", "result", "error")]
        query = select(job_table.c.id, sum(parts[1:], parts[0])).where(job_table.c.id.in_(job_ids))
        rows = await self._db.read(lambda db: db.execute(query).all())
        return {job_id: int(size) for job_id, size in rows}

    async def last_words(self) -> list[tuple[UUID, str, datetime]]:
        """For each running job its id, its kind, and when it last said anything."""
        last = select(func.max(event_table.c.at)).where(event_table.c.job_id == job_table.c.id).scalar_subquery()
        query = select(job_table.c.id, job_table.c.kind, last).where(job_table.c.status == JobStatus.RUNNING)
        rows = await self._db.read(lambda db: db.execute(query).all())
        return [(job_id, kind, at) for job_id, kind, at in rows if at is not None]

    async def run_times(self, kind: str, count: int) -> list[float]:
        """How many seconds the completed ones among the newest jobs of a kind took, newest first; at most ``count``."""
        newest = (
            select(job_table.c.status, job_table.c.started_at, job_table.c.finished_at)
            .where(job_table.c.kind == kind)
            .order_by(job_table.c.created_at.desc(), job_table.c.id.desc())
            .limit(10 * count)  # so many are looked at, however few of them completed
            .subquery()
        )
        query = select(newest.c.started_at, newest.c.finished_at).where(newest.c.status == JobStatus.COMPLETED)
        rows = await self._db.read(lambda db: db.execute(query.limit(count)).all())
        return [(end - begin).total_seconds() for begin, end in rows]

    async def events(
        self,
        job_id: UUID,
        *,
        after: int = 0,
        limit: int = 1000,
        newest: bool = False,
        types: Sequence[EventType] = tuple(EventType),
        ticks: bool = True,
    ) -> list[JobEvent]:
        """Timeline rows with a version above ``after``, oldest first: the first ``limit``, or the last if ``newest``.

        Without ``ticks``, progress that begins no step is left out.

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
        if not ticks:
            query = query.where(or_(event_table.c.type != EventType.PROGRESS, event_table.c.data.is_not(None)))

        def work(db: Connection) -> list[JobEvent]:
            _check_exists(db, job_id)
            rows = db.execute(query).mappings().all()
            return [JobEvent.model_validate(dict(row)) for row in (reversed(rows) if newest else rows)]

        return await self._db.read(work)

    async def artifacts(self, job_id: UUID) -> list[Artifact]:
        """What a job's handler attached, oldest first.

        Raises:
            JobNotFound: no such job.
        """
        columns = [artifact_table.c[name] for name in Artifact.model_fields]
        query = select(*columns).where(artifact_table.c.job_id == job_id).order_by(artifact_table.c.version)

        def work(db: Connection) -> list[Artifact]:
            _check_exists(db, job_id)
            return [Artifact.model_validate(dict(row)) for row in db.execute(query).mappings()]

        return await self._db.read(work)

    async def artifact_content(self, job_id: UUID, artifact_id: UUID) -> tuple[Artifact, bytes] | None:
        """An artifact with its bytes, or ``None``."""
        query = (
            select(artifact_table)
            .join(job_table, job_table.c.id == artifact_table.c.job_id)
            .where(artifact_table.c.job_id == job_id, artifact_table.c.id == artifact_id, _EXISTS)
        )
        row = await self._db.read(lambda db: db.execute(query).mappings().first())
        return None if row is None else (Artifact.model_validate(dict(row)), row["content"])

    # What people ask for

    async def insert(self, jobs: Sequence[NewJob], *, once: Once | None = None) -> tuple[list[Change], bool]:
        """The new jobs, in order, all or none; and whether they were made now.

        With a key (one job only) that was used before, the job it made then, unchanged, and ``False``.

        Raises:
            InvalidInput: that job was made from another submission.
        """
        told = by(acting(), {"reason": "submitted"})
        try:
            return await self._db.write(lambda db: insert_jobs(db, jobs, once, told)), True
        except IntegrityError:
            if once is None:
                raise
            earlier = await self._made_before(once)
            if earlier is None:  # deleted in this very moment: the key is free again
                return await self.insert(jobs, once=once)
            return [earlier], False

    async def _made_before(self, once: Once) -> Change | None:
        """The job that was made with this key, with the first row of its timeline."""
        query = select(job_table.c.idempotency_digest, *SNAPSHOT_COLUMNS).where(job_table.c.idempotency_key == once.key)
        row = await self._db.read(lambda db: db.execute(query).mappings().first())
        if row is None:
            return None
        job = JobSnapshot.model_validate({name: row[name] for name in JobSnapshot.model_fields})
        if row["idempotency_digest"] not in (None, once.digest):
            raise InvalidInput.of(
                "idempotency-key",
                f"was used for another submission, which made job {job.short_id}; "
                "send that one again, or take a new key for this one",
            )
        return Change(job=job, event=(await self.events(job.id, limit=1))[0])

    async def cancel_waiting(self, job_id: UUID) -> Change | None:
        """Cancel a job that has not started; ``None`` if it is not waiting (any more)."""
        return await self._apply(
            job_id,
            Transition(
                where=job_table.c.status.in_(WAITING),
                sources=WAITING,
                values={
                    "status": JobStatus.CANCELLED,
                    "finished_at": utc_now(),
                    "cancel_requested_at": utc_now(),
                },
                message="Cancelled before it started.",
                action="cancel",
            ),
        )

    async def request_cancel(self, job_id: UUID) -> Change | None:
        """Note that a running job should stop; ``None`` if it is not running or was asked before."""
        return await self._apply(
            job_id,
            Transition(
                where=and_(job_table.c.status == JobStatus.RUNNING, job_table.c.cancel_requested_at.is_(None)),
                values={"cancel_requested_at": utc_now()},
                message="Cancel requested.",
                action="cancel",
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
            Transition(
                where=job_table.c.status.in_(RETRYABLE),
                sources=RETRYABLE,
                values={
                    **WAITS_AGAIN,
                    "status": JobStatus.QUEUED,
                    "queued_at": utc_now(),
                    "scheduled_for": None,
                    "attempt": next_attempt,
                    "max_attempts": case(
                        (job_table.c.max_attempts > next_attempt, job_table.c.max_attempts),
                        else_=next_attempt,
                    ),
                    "result": null(),
                    "error": null(),
                },
                message="Queued again by hand.",
                action="retry",
                data={"reason": "retry"},
            ),
        )

    # What time and workers do

    async def promote(self, job_ids: Sequence[UUID], now: datetime) -> list[Change]:
        """Queue those of the scheduled jobs whose time has come at ``now``."""
        sources = frozenset({JobStatus.SCHEDULED})
        transition = Transition(
            where=and_(
                job_table.c.id.in_(job_ids),
                job_table.c.status == JobStatus.SCHEDULED,
                job_table.c.scheduled_for <= now,
            ),
            sources=sources,
            values={
                "status": JobStatus.QUEUED,
                "queued_at": job_table.c.scheduled_for,  # who was due first goes first, however late it was noticed
            },
            message="Due; waiting for a free slot.",
        )
        return await self._db.write(lambda db: change(db, transition))

    async def record(self, writes: Sequence[AttemptWrite]) -> list[list[Change] | None]:
        """Apply what workers write about attempts, in order, all or none; see ``runlane.core.attempts``."""
        return await self._db.write(lambda db: record_attempts(db, writes))

    async def _apply(self, job_id: UUID, transition: Transition) -> Change | None:
        transition.where = and_(job_table.c.id == job_id, transition.where)
        changes = await self._db.write(lambda db: change(db, transition))
        return changes[0] if changes else None


_INSERT = Prepared(insert(job_table))
_BLANK = dict.fromkeys(column.name for column in job_table.c)


def insert_jobs(
    db: Connection,
    jobs: Sequence[NewJob],
    once: Once | None,
    told: dict[str, Any] | None,
) -> list[Change]:
    """Insert new jobs, in order, in the caller's transaction; ``told`` goes in the first rows of their timelines."""
    now = utc_now()
    rows: list[dict[str, Any]] = []
    for place, new in enumerate(jobs):
        later = new.scheduled_for is not None and new.scheduled_for > now
        at = now + timedelta(microseconds=place)  # apart, so that a batch keeps its order everywhere
        rows.append(
            {
                **_BLANK,
                "id": uuid7(),
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
                "idempotency_key": once and once.key,
                "idempotency_digest": once and once.digest,
            }
        )
    _INSERT.run_many(db, rows)
    record_reruns(db, [(row["id"], new.rerun_of) for row, new in zip(rows, jobs, strict=True) if new.rerun_of])
    made = [trusted(JobSnapshot, {name: row[name] for name in JobSnapshot.model_fields}) for row in rows]
    return record(db, made, EventType.STATUS, None, told)


def comes_before(job: JobSnapshot, other: JobSnapshot, sort: str) -> bool:
    """Whether a job is nearer to the begin of a list in the order of ``sort`` than another one."""
    column, descending = _sort(sort)
    place, others = ((getattr(each, column.name), each.id) for each in (job, other))
    return bool(place > others if descending else place < others)


def is_cursor(text: str, sort: str) -> bool:
    """Whether it is a place in a list in the order of ``sort``."""
    try:
        _decode_cursor(text, sort)
    except InvalidInput:
        return False
    return True


def _check_exists(db: Connection, job_id: UUID) -> None:
    if db.execute(select(job_table.c.id).where(job_table.c.id == job_id, _EXISTS)).first() is None:
        raise JobNotFound(job_id)


def _get(db: Connection, job_id: UUID) -> JobSnapshot:
    row = db.execute(select(*SNAPSHOT_COLUMNS).where(job_table.c.id == job_id, _EXISTS)).mappings().first()
    if row is None:
        raise JobNotFound(job_id)
    return JobSnapshot.model_validate(dict(row))


def _listed_job(job: JobSnapshot, row: RowMapping) -> ListedJob:
    """A brief job, with what a list was asked for of it."""
    error = row["error"]
    if error is None and row["error_type"] is not None:
        error = JobError(type=row["error_type"], message=row["error_message"] or "")
    left_out = {
        Part.PARAMS: row["params"] is None,
        Part.RESULT: bool(row["has_result"]) and row["result"] is None,
        Part.TRACEBACK: row["error_type"] is not None and row["error"] is None,
    }
    parts = {"params": row["params"] or {}, "result": row["result"], "error": error}
    return ListedJob.model_validate(
        {**dict(job), **parts, "omitted": [part for part, is_out in left_out.items() if is_out]}
    )


def _sort(sort: str) -> tuple[Any, bool]:
    if sort not in SORTS:
        raise InvalidInput.of("sort", f"is {sort!r}, but it must be one of {', '.join(SORTS)}")
    return SORTS[sort]


def _back(sort: str) -> str:
    """The other way round."""
    return sort[1:] if sort.startswith("-") else f"-{sort}"


def _mark(column: Any, value: Any, job_id: UUID) -> tuple[ColumnElement[Any], ColumnElement[UUID]]:
    """A place in a list, to compare positions with."""
    return literal(value, column.type), literal(job_id, job_table.c.id.type)


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
