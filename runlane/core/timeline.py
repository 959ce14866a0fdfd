"""Reading a job's timeline and artifacts from SQL. They are written in ``runlane.core.attempts``."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection, or_, select

from runlane.core.transitions import EXISTS, artifact_table, event_table, job_table
from runlane.db.database import Database
from runlane.errors import JobNotFound
from runlane.model.snapshot import Artifact, JobEvent
from runlane.model.status import EventType

_EVENT_COLUMNS = [event_table.c[name] for name in JobEvent.model_fields]


class Timelines:
    """What happened to jobs, in one database."""

    def __init__(self, database: Database) -> None:
        self._db = database

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

    async def first_events(self, job_ids: Sequence[UUID]) -> dict[UUID, JobEvent]:
        """The first row of each of these timelines."""
        columns = [event_table.c.job_id, *_EVENT_COLUMNS]
        query = select(*columns).where(event_table.c.job_id.in_(job_ids), event_table.c.version == 1)
        rows = await self._db.read(lambda db: db.execute(query).mappings().all())
        return {row["job_id"]: JobEvent.model_validate({**row}) for row in rows}

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
            .where(artifact_table.c.job_id == job_id, artifact_table.c.id == artifact_id, EXISTS)
        )
        row = await self._db.read(lambda db: db.execute(query).mappings().first())
        return None if row is None else (Artifact.model_validate(dict(row)), row["content"])


def _check_exists(db: Connection, job_id: UUID) -> None:
    if db.execute(select(job_table.c.id).where(job_table.c.id == job_id, EXISTS)).first() is None:
        raise JobNotFound(job_id)
