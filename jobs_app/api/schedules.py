"""REST: recurring schedules."""

from datetime import datetime
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel

from jobs_app import runtime
from jobs_app.api.openapi import CONFLICT
from jobs_app.api.strict import StrictRoute, of_params, takes
from runlane.clock import utc_now
from runlane.model.snapshot import JobSnapshot
from runlane.schedules.service import ScheduleDraft, SchedulePatch, Timing, next_times
from runlane.schedules.store import Schedule

router = APIRouter(prefix="/api/schedules", tags=["schedules"], route_class=StrictRoute)


class ScheduleInfo(Schedule):
    next: list[datetime]


class ScheduleList(BaseModel):
    items: list[ScheduleInfo]


class Preview(BaseModel):
    next: list[datetime]


@router.get("")
async def list_schedules() -> ScheduleList:
    """Every schedule by name, each with its next five times."""
    return ScheduleList(items=[_info(schedule) for schedule in await runtime.current().schedules.all()])


@router.post("", status_code=201, responses=CONFLICT)
@takes(of_params)
async def create_schedule(draft: ScheduleDraft, response: Response) -> ScheduleInfo:
    """Have jobs of a kind made again and again: by a cron expression in a time zone, or at an interval."""
    schedule = await runtime.current().schedules.create(draft)
    response.headers["Location"] = f"/api/schedules/{schedule.id}"
    return _info(schedule)


@router.post("/preview")
async def preview(timing: Timing) -> Preview:
    """The next five times of a timing, without making a schedule."""
    return Preview(next=runtime.current().schedules.preview(timing))


@router.get("/{id}")
async def get_schedule(id: UUID) -> ScheduleInfo:
    """One schedule as it is now."""
    return _info(await runtime.current().schedules.get(id))


@router.patch("/{id}", responses=CONFLICT)
@takes(of_params)
async def change_schedule(id: UUID, patch: SchedulePatch) -> ScheduleInfo:
    """Change, pause or resume a schedule; what is not named stays. A new timing counts from now.

    ``version``: what people set is counted there; name it, to be refused when somebody else was first.
    """
    return _info(await runtime.current().schedules.change(id, patch))


@router.delete("/{id}", status_code=204)
async def delete_schedule(id: UUID) -> None:
    """Delete a schedule; the jobs that it made stay."""
    await runtime.current().schedules.delete(id)


@router.post("/{id}/run", status_code=201)
async def run_schedule(id: UUID, response: Response) -> JobSnapshot:
    """Make a job of a schedule now, beside its times."""
    job = await runtime.current().schedules.run_now(id)
    response.headers["Location"] = f"/api/jobs/{job.id}"
    return job


def _info(schedule: Schedule) -> ScheduleInfo:
    return ScheduleInfo(**schedule.model_dump(), next=next_times(schedule, utc_now()))
