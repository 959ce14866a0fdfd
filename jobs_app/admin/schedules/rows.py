"""Schedules as their page shows them, made from what is kept. No I/O."""

from typing import TypedDict
from uuid import UUID

from jobs_app.ui.formats import iso, kind_title, shown_params
from jobs_app.ui.job_rows import JobLink
from runlane import plain_json
from runlane.clock import utc_now
from runlane.model.snapshot import short_id
from runlane.model.status import JobStatus
from runlane.schedules.service import next_times
from runlane.schedules.store import Schedule


class ScheduleRow(TypedDict):
    """A schedule; ``timing`` is a cron expression, or ``every`` and a number of seconds."""

    id: str
    name: str
    kind: str
    title: str
    timing: str
    timezone: str
    params: str
    priority: str
    max_attempts: str
    catch_up: str
    paused: bool
    version: int
    next: list[str]
    """Its next times, none of them past."""
    is_due: bool
    """Its time has come, and no worker has made its job yet."""
    last_at: str
    last: list[JobLink]
    """The last jobs it made, newest first."""


def schedule_row(schedule: Schedule, made: list[tuple[UUID, JobStatus]]) -> ScheduleRow:
    now = utc_now()
    return {
        "id": str(schedule.id),
        "name": schedule.name,
        "kind": schedule.kind,
        "title": kind_title(schedule.kind),
        "timing": schedule.cron or f"every {schedule.interval_s:g}",
        "timezone": schedule.timezone,
        "params": plain_json.dumps(shown_params(schedule.kind, schedule.params)),
        "priority": str(schedule.priority),
        "max_attempts": str(schedule.max_attempts or ""),
        "catch_up": str(schedule.catch_up),
        "paused": schedule.paused,
        "version": schedule.version,
        "next": [iso(at) for at in next_times(schedule, now)],
        "is_due": not schedule.paused and schedule.next_at <= now,
        "last_at": iso(schedule.last_at),
        "last": [{"id": str(job_id), "short_id": short_id(job_id), "status": str(status)} for job_id, status in made],
    }
