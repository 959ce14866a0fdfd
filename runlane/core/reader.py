"""Reading jobs from SQL: one, some, a list of them, how many there are. Nothing here changes anything.

Pages and the API read here; changes go through ``runlane.core.service``. A list is read in pages that begin at a cursor
(``runlane.core.pagination``), and without the large parts of its jobs unless they are asked for.
"""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Text, case, cast, func, literal_column, null, select, tuple_
from sqlalchemy.engine import RowMapping

from runlane.core.pagination import (
    DEFAULT_SORT,
    Listing,
    Page,
    column_of,
    decode_cursor,
    encode_cursor,
    position_at,
    reversed_sort,
)
from runlane.core.reruns import Relative, read_family
from runlane.core.timeline import Timelines
from runlane.core.transitions import EXISTS, SNAPSHOT_COLUMNS, event_table, job_table
from runlane.errors import JobNotFound
from runlane.model.snapshot import JobError, JobSnapshot, ListedJob, Part
from runlane.model.status import JobStatus
from runlane.search.matching import EVERY_JOB, JobFilter, condition, in_order, matches, takes_reading

_BRIEF_COLUMNS = [c for c in SNAPSHOT_COLUMNS if c.name not in ("params", "result", "error")]
# What a snapshot needs that a brief row does not have.
_LEFT_OUT: dict[str, Any] = {"params": {}}
# Rows per statement when walking all matches; far below SQLite's limit on variables.
ID_BATCH = 500
# Characters of parameters that lists hold without being asked.
SMALL_PARAMS = 4000
# The most that is read of the large parts of jobs at once.
MAX_BYTES = 8_000_000
MIN_GROUP = 20
# Jobs at the head of a list that are searched by reading them, before any index is searched.
NEAR = 5000


class JobReader(Timelines):
    """The jobs of one database, their timelines and their artifacts."""

    async def get(self, job_id: UUID) -> JobSnapshot:
        """The job as it is now.

        Raises:
            JobNotFound: no such job.
        """
        return await self._db.read(lambda db: _get(db, job_id))

    async def get_many(self, job_ids: Sequence[UUID], *, brief: bool = False) -> dict[UUID, JobSnapshot]:
        """Those of the jobs that exist, by id; ``brief`` as in ``page``."""
        query = select(*(_BRIEF_COLUMNS if brief else SNAPSHOT_COLUMNS)).where(job_table.c.id.in_(job_ids), EXISTS)
        rows = await self._db.read(lambda db: db.execute(query).mappings().all())
        return {row["id"]: JobSnapshot.model_validate({**_LEFT_OUT, **row}) for row in rows}

    async def saved(self, job_id: UUID) -> dict[str, Any] | None:
        """What the job keeps over its attempts, as ``runlane.define.context.Saved`` writes it; ``None``: nothing.

        Raises:
            JobNotFound: no such job.
        """
        query = select(job_table.c.saved).where(job_table.c.id == job_id, EXISTS)
        row = await self._db.read(lambda db: db.execute(query).first())
        if row is None:
            raise JobNotFound(job_id)
        saved: dict[str, Any] | None = row.saved
        return saved

    async def statuses(self, job_ids: Sequence[UUID]) -> dict[UUID, JobStatus]:
        """The status of those of the jobs that exist."""
        query = select(job_table.c.id, job_table.c.status).where(job_table.c.id.in_(job_ids), EXISTS)
        rows = await self._db.read(lambda db: db.execute(query).all())
        return {job_id: JobStatus(status) for job_id, status in rows}

    async def running(self) -> list[JobSnapshot]:
        """Every running job, the longest running first."""
        query = select(*SNAPSHOT_COLUMNS).where(job_table.c.status == JobStatus.RUNNING)
        rows = await self._db.read(lambda db: db.execute(query.order_by(job_table.c.started_at)).mappings().all())
        return [JobSnapshot.model_validate(dict(row)) for row in rows]

    async def family(self, job_id: UUID) -> list[Relative]:
        """The job, what it is a re-run of, and all re-runs of those, in the order of their ids: the oldest first.

        Only the job itself if it has no relatives. At most ``MAX_FAMILY``, the nearest ones.
        """
        return await self._db.read(lambda db: read_family(db, job_id))

    # Lists

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

        ``brief`` leaves out what may be large and lists do not show: parameters, result and error.

        Raises:
            InvalidInput: an unknown sort, or a cursor of another list.
        """
        column, descending = column_of(sort)
        position = tuple_(column, job_table.c.id)
        order = [c.desc() if descending else c.asc() for c in (column, job_table.c.id)]
        query = select(*(_BRIEF_COLUMNS if brief else SNAPSHOT_COLUMNS)).order_by(*order)
        window_end = select(column, job_table.c.id).order_by(*order).where(in_order(job_filter)).offset(NEAR).limit(1)
        if cursor is not None:
            begin = tuple_(*position_at(column, *decode_cursor(cursor, sort)))
            beyond = position < begin if descending else position > begin
            query, window_end = query.where(beyond), window_end.where(beyond)

        def work(db: Connection) -> Sequence[RowMapping]:
            found = query.limit(limit + 1)
            if takes_reading(job_filter):
                # common matches are found among the next few jobs, faster than through any index
                end = db.execute(window_end).first()
                near = found.where(condition(job_filter))
                if end is not None:
                    last = tuple_(*position_at(column, *end))
                    near = near.where(position >= last if descending else position <= last)
                rows = db.execute(near).mappings().all()
                if end is None or len(rows) > limit:
                    return rows
            return db.execute(found.where(matches(db, job_filter))).mappings().all()

        rows = await self._db.read(work)
        jobs = [JobSnapshot.model_validate({**_LEFT_OUT, **row}) for row in rows[:limit]]
        more = len(rows) > limit
        return Page(jobs, encode_cursor(sort, getattr(jobs[-1], column.name), jobs[-1].id) if more else None)

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

        Such a page ends early, after ``MAX_BYTES`` of them. Raises as ``page``.
        """
        page = await self.page(job_filter, sort=sort, limit=limit, cursor=cursor, brief=True)
        jobs, next_cursor = page.jobs, page.next_cursor
        if parts:
            async with contextlib.aclosing(self._groups([job.id for job in jobs])) as groups:
                ids: list[UUID] = await anext(groups, [])
            if len(ids) < len(jobs):
                jobs = jobs[: len(ids)]
                next_cursor = encode_cursor(sort, getattr(jobs[-1], column_of(sort)[0].name), jobs[-1].id)
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
        """Those of the jobs that exist, in this order; ``MAX_BYTES`` of them, or one job, are in memory at once."""
        async for group in self._groups(job_ids):
            found = await self.get_many(group)
            for job_id in group:
                if job_id in found:
                    yield found[job_id]

    async def _groups(self, job_ids: Sequence[UUID]) -> AsyncGenerator[list[UUID]]:
        """The ids in their order, in groups of jobs that together take ``MAX_BYTES`` at most, or are one job."""
        group, group_bytes, count = list[UUID](), 0, MIN_GROUP
        left = list(job_ids)
        while left:
            ids, left = left[:count], left[count:]
            sizes = await self.sizes(ids)
            count = MIN_GROUP if sum(sizes.values()) > MAX_BYTES else min(2 * count, ID_BATCH)
            for job_id in ids:
                size = sizes.get(job_id, 0)
                if group and group_bytes + size > MAX_BYTES:
                    yield group
                    group, group_bytes = [], 0
                group.append(job_id)
                group_bytes += size
        if group:
            yield group

    async def neighbours(
        self, job: JobSnapshot, job_filter: JobFilter = EVERY_JOB, *, sort: str = DEFAULT_SORT
    ) -> tuple[UUID | None, UUID | None]:
        """The jobs right before and right after ``job`` in a list; ``None`` at its ends."""
        column, _ = column_of(sort)
        found = []
        for order in (reversed_sort(sort), sort):
            cursor = encode_cursor(order, getattr(job, column.name), job.id)
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
        column, _ = column_of(sort)
        back = encode_cursor(reversed_sort(sort), *decode_cursor(cursor, sort))
        page = await self.page(job_filter, sort=reversed_sort(sort), limit=limit, cursor=back, brief=True)
        if len(page.jobs) < limit:
            return None
        return encode_cursor(sort, getattr(page.jobs[-1], column.name), page.jobs[-1].id)

    async def matching_ids(self, job_filter: JobFilter, after: UUID | None = None) -> list[UUID]:
        """Up to ``ID_BATCH`` ids of matching jobs beyond ``after``, in the order of their ids."""
        query = select(job_table.c.id)
        if after is not None:
            query = query.where(job_table.c.id > after)
        query = query.order_by(job_table.c.id).limit(ID_BATCH)
        return list(await self._db.read(lambda db: db.execute(query.where(matches(db, job_filter))).scalars().all()))

    async def sizes(self, job_ids: Sequence[UUID]) -> dict[UUID, int]:
        """How many bytes the parameters, result and error of each of the jobs take."""
        parts = [func.coalesce(func.length(cast(job_table.c[name], Text)), 0) for name in ("params", "result", "error")]
        query = select(job_table.c.id, sum(parts[1:], parts[0])).where(job_table.c.id.in_(job_ids))
        rows = await self._db.read(lambda db: db.execute(query).all())
        return {job_id: int(size) for job_id, size in rows}

    # Figures

    async def count(self, job_filter: JobFilter) -> int:
        """How many jobs match."""
        query = select(func.count()).select_from(job_table)
        return int(await self._db.read(lambda db: db.execute(query.where(matches(db, job_filter))).scalar_one()))

    async def count_by_status(self, job_filter: JobFilter) -> dict[JobStatus, int]:
        """How many jobs match in each status that has any."""
        query = select(job_table.c.status, func.count()).group_by(job_table.c.status)
        rows = await self._db.read(lambda db: db.execute(query.where(matches(db, job_filter))).all())
        return {JobStatus(status): number for status, number in rows}

    async def oldest_queued_at(self) -> datetime | None:
        """Since when the job that has waited longest has been due."""
        is_queued = job_table.c.status == literal_column(
            f"'{JobStatus.QUEUED}'"
        )  # as a literal, or its index is not used
        query = select(func.min(job_table.c.queued_at)).where(is_queued)
        return await self._db.read(lambda db: db.execute(query).scalar_one())

    async def last_reports(self) -> list[tuple[UUID, str, datetime]]:
        """For each running job its id, its kind, and when it last reported anything."""
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
            .limit(10 * count)  # no more are read, however few of them completed
            .subquery()
        )
        query = select(newest.c.started_at, newest.c.finished_at).where(newest.c.status == JobStatus.COMPLETED)
        rows = await self._db.read(lambda db: db.execute(query.limit(count)).all())
        return [(end - begin).total_seconds() for begin, end in rows]

    async def ping(self) -> None:
        """Return if the database answers."""
        await self._db.read(lambda db: db.execute(select(job_table.c.id).limit(1)).first())


def _get(db: Connection, job_id: UUID) -> JobSnapshot:
    row = db.execute(select(*SNAPSHOT_COLUMNS).where(job_table.c.id == job_id, EXISTS)).mappings().first()
    if row is None:
        raise JobNotFound(job_id)
    return JobSnapshot.model_validate(dict(row))


def _listed_job(job: JobSnapshot, row: RowMapping) -> ListedJob:
    """A brief job, with the large parts that were asked for."""
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
