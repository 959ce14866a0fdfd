"""What can be done with recurring schedules. Their times are in the queue, too, so that a worker wakes just then.

SQL decides when a schedule is due; the queue's reminder only makes a worker check. A reminder that is lost is put back
when Redis is reconciled; one that comes twice makes no second job.
"""

import logging
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from runlane.audit import changed, check_version
from runlane.clock import utc_now
from runlane.core.follow_up import FollowUp
from runlane.core.service import JobService
from runlane.errors import Conflict, ScheduleNotFound
from runlane.kinds.masking import MASK, masked
from runlane.model.limits import MAX_PRIORITY
from runlane.model.requests import MAX_ATTEMPTS, one_of
from runlane.model.snapshot import JobSnapshot
from runlane.model.status import JobStatus
from runlane.schedules.recurrence import MAX_INTERVAL_S, MIN_INTERVAL_S, recurrence
from runlane.schedules.store import CatchUp, Schedule, ScheduleStore

# The name of a schedule's reminder in the queue is this and its id.
REMINDER = "schedule:"
_BOUNDS: dict[str, Any] = {"minimum": MIN_INTERVAL_S, "maximum": MAX_INTERVAL_S}
INTERVALS = ("cron", "interval_s")
TIMING = (*INTERVALS, "timezone")
# What people set of a schedule; in the audit.
EDITABLE = (*TIMING, "name", "kind", "params", "priority", "max_attempts", "paused", "catch_up")

log = logging.getLogger(__name__)


class Timing(BaseModel):
    """When something recurs: give either ``cron`` or ``interval_s``."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, json_schema_extra={"allOf": [{"oneOf": one_of(*INTERVALS)}]}
    )

    cron: str | None = Field(
        None, description="minute, hour, day of the month, month, day of the week", examples=["30 2 * * 1-5"]
    )
    interval_s: float | None = Field(
        None, allow_inf_nan=False, json_schema_extra=_BOUNDS, description="seconds from one to the next"
    )
    timezone: str = Field("UTC", max_length=100, description="an IANA name; what cron means by an hour")


class ScheduleDraft(Timing):
    """A request for a schedule."""

    name: str = Field(min_length=1, max_length=200)
    kind: str = Field(max_length=200, examples=["web_agent"])
    params: dict[str, Any] = Field(default_factory=dict)
    priority: int = Field(0, ge=-MAX_PRIORITY, le=MAX_PRIORITY)
    max_attempts: int | None = Field(None, ge=1, le=MAX_ATTEMPTS, description="default: the kind's own")
    paused: bool = False
    catch_up: CatchUp = Field(
        CatchUp.SKIP,
        strict=False,
        description="runs missed by more than a minute: skip them, or make one job for all of them once",
    )


class SchedulePatch(BaseModel):
    """A change of a schedule; what is not named stays. A new ``cron`` replaces an ``interval_s``, and vice versa."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, json_schema_extra={"not": {"allOf": one_of(*INTERVALS)}}
    )

    name: str = Field("", min_length=1, max_length=200)
    kind: str = Field("", max_length=200)
    params: dict[str, Any] = Field(default_factory=dict)
    cron: str | None = None
    interval_s: float | None = Field(None, allow_inf_nan=False, json_schema_extra=_BOUNDS)
    timezone: str = Field("UTC", max_length=100)
    priority: int = Field(0, ge=-MAX_PRIORITY, le=MAX_PRIORITY)
    max_attempts: int | None = Field(None, ge=1, le=MAX_ATTEMPTS)
    paused: bool = False
    catch_up: CatchUp = Field(CatchUp.SKIP, strict=False)
    version: int | None = Field(
        None, ge=1, description="the version that was read; if it has changed since, this is refused"
    )


class ScheduleService:
    """Everything that can happen to a schedule."""

    def __init__(self, store: ScheduleStore, jobs: JobService, follow_up: FollowUp) -> None:
        self.store = store
        self._jobs = jobs
        self._follow_up = follow_up

    async def get(self, schedule_id: UUID) -> Schedule:
        """The schedule as it is now. Raises ``ScheduleNotFound``."""
        return await self.store.get(schedule_id)

    async def all(self) -> list[Schedule]:
        """Every schedule, in the order of their names."""
        return await self.store.all()

    async def with_outcomes(self) -> list[tuple[Schedule, list[tuple[UUID, JobStatus]]]]:
        """As ``all``, each with the last jobs that it made and that are not deleted, newest first."""
        found = await self.store.all()
        made = await self.store.outcomes([schedule.id for schedule in found])
        return [(schedule, made[schedule.id]) for schedule in found]

    def preview(self, timing: Timing, count: int = 5) -> list[datetime]:
        """The next times of a timing that is not saved yet.

        Raises:
            InvalidInput: it is not valid.
        """
        now = utc_now()
        return recurrence(timing.cron, timing.interval_s, timing.timezone).next_times(now, now, count)

    async def create(self, draft: ScheduleDraft) -> Schedule:
        """The new schedule; its first job is made at its next time.

        Raises:
            InvalidInput: a timing, kind or parameters that are not valid.
            NameTaken: another has its name.
        """
        now = utc_now()
        timing = recurrence(draft.cron, draft.interval_s, draft.timezone)
        values = {
            **draft.model_dump(),
            "params": self._jobs.checked_params(draft.kind, draft.params),
            "next_at": timing.next_after(now, now),
        }
        _, after = self._for_audit({}, {name: values[name] for name in EDITABLE})
        schedule = await self.store.insert(values, after)
        await self._remind(schedule)
        return schedule

    async def change(self, schedule_id: UUID, patch: SchedulePatch) -> Schedule:
        """The schedule, changed. After a new timing, or the end of a pause, its times count from now.

        Raises:
            ScheduleNotFound, InvalidInput, NameTaken: as for ``create``.
            Conflict: someone else changed it at the same time, or since the version that the patch names.
        """
        schedule = await self.store.get(schedule_id)
        old = {name: getattr(schedule, name) for name in EDITABLE}
        current = {name: value for name, value in old.items() if name != "params"}  # they may hold secrets
        check_version(f"the schedule {schedule.name!r}", patch.version, schedule.version, current)
        values = patch.model_dump(exclude_unset=True, exclude={"version"})
        if patch.cron is None and patch.interval_s is None:
            values = {name: value for name, value in values.items() if name not in INTERVALS}
        else:
            values |= {"cron": patch.cron, "interval_s": patch.interval_s}
        merged = schedule.model_copy(update=values)
        timing = recurrence(merged.cron, merged.interval_s, merged.timezone)
        if "kind" in values or "params" in values:
            values["params"] = self._jobs.checked_params(merged.kind, merged.params)
        before, after = self._for_audit(old, {**old, **values})
        if not after:
            return schedule
        resumed = schedule.paused and not merged.paused
        if resumed or any(getattr(schedule, name) != getattr(merged, name) for name in TIMING):
            now = utc_now()
            values["next_at"] = timing.next_after(now, now)
        updated = await self.store.update(schedule, values, before, after)
        if updated is None:
            await self.store.get(schedule_id)
            raise Conflict(f"The schedule {schedule.name!r} has just been changed. Check it, then try again.")
        await self._remind(updated)
        return updated

    async def delete(self, schedule_id: UUID) -> None:
        """Remove a schedule; the jobs that it made stay.

        Raises:
            ScheduleNotFound: no such schedule.
        """
        if not await self.store.delete(schedule_id):
            raise ScheduleNotFound(schedule_id)
        await self._follow_up.forget_reminder(f"{REMINDER}{schedule_id}")

    async def run_now(self, schedule_id: UUID) -> JobSnapshot:
        """A job of this schedule, made now; its times stay as they are.

        Raises:
            ScheduleNotFound: no such schedule.
        """
        change = await self.store.run_now(schedule_id, self._jobs.kinds)
        await self._follow_up.changed([change])
        return change.job

    async def fire(self, schedule_id: UUID, now: datetime) -> None:
        """Make the job of a schedule whose time has come, if no one else has, and set the reminder of its next time."""
        firing = await self.store.fire(schedule_id, now, self._jobs.kinds)
        if firing is None:
            await self._follow_up.forget_reminder(f"{REMINDER}{schedule_id}")
            return
        if firing.change is not None:
            await self._follow_up.changed([firing.change])
        await self._remind(firing.schedule)

    async def remind_of_all(self) -> None:
        """Set the reminder of each schedule again: Redis may have lost it."""
        for schedule in await self.store.all():
            try:
                await self._remind(schedule)
            except (OverflowError, ValueError):  # a time that the queue cannot hold must not keep others from being due
                log.exception("The schedule %r has a time that cannot be queued; change or delete it.", schedule.name)

    async def _remind(self, schedule: Schedule) -> None:
        name = f"{REMINDER}{schedule.id}"
        if schedule.paused:
            await self._follow_up.forget_reminder(name)
        else:
            await self._follow_up.remind(name, schedule.next_at)

    def _for_audit(self, old: dict[str, Any], new: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """What differs, for the audit, without secrets."""
        before, after = changed(old, new)
        for side, whole in ((before, old), (after, new)):
            if side.get("params"):
                kind = self._jobs.kinds.find(whole["kind"])
                side["params"] = MASK if kind is None else masked(kind, side["params"])  # of one that is unknown now
        return before, after


def next_times(schedule: Schedule, now: datetime, count: int = 5) -> list[datetime]:
    """When its next jobs are made, after ``now``; none while it is paused."""
    if schedule.paused:
        return []
    try:
        if schedule.next_at <= now:  # due, and no worker has dealt with it yet
            return schedule.recurrence.next_times(now, schedule.next_at, count)
        later = schedule.recurrence.next_times(schedule.next_at, schedule.next_at, count - 1)
    except (KeyError, ValueError):  # a time zone that this machine does not have (any more)
        log.warning("The next times of the schedule %r cannot be computed; change or delete it.", schedule.name)
        return [schedule.next_at]
    return [schedule.next_at, *later]
