"""Recurring schedules in SQL, and the one transaction that makes an occurrence's job.

An occurrence is made exactly once: the UPDATE that moves a schedule to its next time names the time before, so that of
any number of workers that try, one changes the row; the job is inserted in the same transaction.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from uuid_utils.compat import uuid7

from runlane.audit import SYSTEM, acting, note
from runlane.clock import utc_now
from runlane.core.insertion import NewJob, insert_jobs
from runlane.core.transitions import by, job_table
from runlane.db.database import Database
from runlane.db.tables import OccurrenceTable, ScheduleTable
from runlane.errors import NameTaken, ScheduleNotFound
from runlane.kinds.catalogue import Catalogue
from runlane.kinds.masking import title_of
from runlane.model.snapshot import Change
from runlane.model.status import DELETED, JobStatus
from runlane.schedules.recurrence import Recurrence

# An occurrence that was not made within this time was missed.
MISSED_AFTER = timedelta(seconds=60)

schedule_table = ScheduleTable.__table__  # type: ignore[attr-defined]
occurrence_table = OccurrenceTable.__table__  # type: ignore[attr-defined]


class CatchUp(StrEnum):
    """What happens to occurrences that were missed because nothing ran to make them."""

    SKIP = "skip"
    """Nothing."""
    ONCE = "once"
    """One job for all of them."""


class Schedule(BaseModel):
    """A schedule as people set it, which ``version`` counts. ``next_at``: when its next job is made, if not paused."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    name: str
    kind: str
    params: dict[str, Any]
    cron: str | None
    interval_s: float | None
    timezone: str
    priority: int
    max_attempts: int | None
    paused: bool
    catch_up: CatchUp
    next_at: datetime
    last_at: datetime | None
    last_job_id: UUID | None
    created_at: datetime
    updated_at: datetime
    version: int

    @property
    def recurrence(self) -> Recurrence:
        return Recurrence(self.cron, self.interval_s, self.timezone)


_COLUMNS = [schedule_table.c[name] for name in Schedule.model_fields]


@dataclass(frozen=True)
class Firing:
    """The result of firing a schedule: the schedule as it is now, and the job made, if any."""

    schedule: Schedule
    change: Change | None


class ScheduleStore:
    """Schedules in one database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def insert(self, values: Mapping[str, Any], after: Mapping[str, Any]) -> Schedule:
        """The new schedule; ``after`` is for the audit.

        Raises:
            NameTaken: another has its name.
        """
        now = utc_now()
        row = {
            "id": uuid7(),
            "last_at": None,
            "last_job_id": None,
            "created_at": now,
            "updated_at": now,
            "version": 1,
            **values,
        }
        who, made = acting(), Schedule.model_validate(row)

        def work(db: Connection) -> None:
            db.execute(insert(schedule_table).values(row))
            note(db, who, "create", "schedule", [made.name], None, after)

        try:
            await self._db.write(work)
        except IntegrityError as exc:
            raise NameTaken(str(values["name"])) from exc
        return made

    async def get(self, schedule_id: UUID) -> Schedule:
        """Raises ``ScheduleNotFound``."""
        return await self._db.read(lambda db: _get(db, schedule_id))

    async def all(self) -> list[Schedule]:
        """Every schedule, by name."""
        query = select(*_COLUMNS).order_by(schedule_table.c.name)
        rows = await self._db.read(lambda db: db.execute(query).mappings().all())
        return [Schedule.model_validate(dict(row)) for row in rows]

    async def update(
        self, schedule: Schedule, values: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]
    ) -> Schedule | None:
        """Change a schedule that is still as given; ``None`` if someone else has changed it since.

        ``before`` and ``after`` are for the audit.

        Raises:
            NameTaken: another has the new name.
        """
        statement = (
            update(schedule_table)
            .where(schedule_table.c.id == schedule.id, schedule_table.c.version == schedule.version)
            .values({**values, "version": schedule.version + 1, "updated_at": utc_now()})
            .returning(*_COLUMNS)
        )
        who = acting()

        def work(db: Connection) -> Schedule | None:
            row = db.execute(statement).mappings().first()
            if row is None:
                return None
            note(db, who, "change", "schedule", [schedule.name], before, after)
            return Schedule.model_validate(dict(row))

        try:
            return await self._db.write(work)
        except IntegrityError as exc:
            raise NameTaken(str(values.get("name", schedule.name))) from exc

    async def delete(self, schedule_id: UUID) -> bool:
        """Remove a schedule; the jobs it made stay. Whether there was one."""
        statement = delete(schedule_table).where(schedule_table.c.id == schedule_id).returning(schedule_table.c.name)
        who = acting()

        def work(db: Connection) -> bool:
            names = list(db.execute(statement).scalars())
            note(db, who, "delete", "schedule", names)
            return bool(names)

        return await self._db.write(work)

    async def fire(self, schedule_id: UUID, now: datetime, kinds: Catalogue) -> Firing | None:
        """Make the job of a schedule whose time has come at ``now``, unless it was missed and is to be skipped.

        ``kinds`` say how often its jobs are tried unless the schedule does. ``None``: there is no such schedule.
        """

        def work(db: Connection) -> Firing | None:
            row = db.execute(select(*_COLUMNS).where(schedule_table.c.id == schedule_id)).mappings().first()
            if row is None:
                return None
            schedule = Schedule.model_validate(dict(row))
            if schedule.paused or schedule.next_at > now:
                return Firing(schedule, None)
            due_at = _due(schedule, now)
            values: dict[str, Any] = {"next_at": schedule.recurrence.next_after(now, schedule.next_at)}
            if due_at is not None:
                values["last_at"] = due_at
            moved = db.execute(
                update(schedule_table)
                .where(
                    schedule_table.c.id == schedule_id,
                    schedule_table.c.next_at == schedule.next_at,
                    schedule_table.c.paused.is_(False),
                )
                .values(values)
            )
            if not moved.rowcount:  # another worker has made it since it was read
                return Firing(_get(db, schedule_id), None)
            change = None if due_at is None else _make_job(db, schedule, kinds, "schedule", due_at)
            return Firing(_get(db, schedule_id), change)

        return await self._db.write(work)

    async def run_now(self, schedule_id: UUID, kinds: Catalogue) -> Change:
        """Make a job of a schedule at once; its times stay as they are.

        Raises:
            ScheduleNotFound: no such schedule.
        """
        who = acting()

        def work(db: Connection) -> Change:
            schedule = _get(db, schedule_id)
            made = _make_job(db, schedule, kinds, "schedule run by hand", None, who)
            note(db, who, "run", "schedule", [schedule.name], None, {"job": str(made.job.id)})
            return made

        return await self._db.write(work)

    async def outcomes(self, schedule_ids: Sequence[UUID], count: int = 5) -> dict[UUID, list[tuple[UUID, JobStatus]]]:
        """The last jobs that each of the schedules made and that are not deleted, newest first, with their status."""
        return await self._db.read(lambda db: {each: _outcomes(db, each, count) for each in schedule_ids})


def _outcomes(db: Connection, schedule_id: UUID, count: int) -> list[tuple[UUID, JobStatus]]:
    query = (
        select(job_table.c.id, job_table.c.status)
        .join(occurrence_table, occurrence_table.c.job_id == job_table.c.id)
        .where(occurrence_table.c.schedule_id == schedule_id, job_table.c.status != DELETED)
        .order_by(occurrence_table.c.job_id.desc())
        .limit(count)
    )
    return [(job_id, JobStatus(status)) for job_id, status in db.execute(query)]


def _due(schedule: Schedule, now: datetime) -> datetime | None:
    """The time to make a job for: the last due one, unless it was missed and missed ones are skipped."""
    last = schedule.next_at
    for at in schedule.recurrence.times_after(max(last, now - MISSED_AFTER * 2), last):
        if at > now:
            break
        last = at
    if now - last <= MISSED_AFTER or schedule.catch_up is CatchUp.ONCE:
        return last
    return None


def _make_job(
    db: Connection,
    schedule: Schedule,
    kinds: Catalogue,
    reason: str,
    due_at: datetime | None,
    who: str = SYSTEM,
) -> Change:
    kind = kinds.find(schedule.kind)
    new = NewJob(
        kind=schedule.kind,
        title="" if kind is None else title_of(kind, schedule.params),
        params=schedule.params,
        max_attempts=schedule.max_attempts or (1 if kind is None else kind.max_attempts),
        priority=schedule.priority,
    )
    data = {"reason": reason, "schedule_id": str(schedule.id), "schedule": schedule.name}
    if due_at is not None:
        data["occurrence"] = due_at.isoformat()
    [change] = insert_jobs(db, [new], None, by(who, data))
    statement = update(schedule_table).where(schedule_table.c.id == schedule.id).values(last_job_id=change.job.id)
    db.execute(statement)
    db.execute(insert(occurrence_table).values(job_id=change.job.id, schedule_id=schedule.id))
    return change


def _get(db: Connection, schedule_id: UUID) -> Schedule:
    row = db.execute(select(*_COLUMNS).where(schedule_table.c.id == schedule_id)).mappings().first()
    if row is None:
        raise ScheduleNotFound(schedule_id)
    return Schedule.model_validate(dict(row))
