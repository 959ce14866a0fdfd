"""A job at one version, and the change that made it: the one shape for API replies, announcements and pages.

Times are aware UTC and written as ISO 8601. Nothing here reads or writes a store.
"""

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, NamedTuple
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from runlane.model.status import EventType, JobStatus

_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def _to_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError as exc:
        raise ValueError("is outside the years 1 to 9999") from exc


def _only_text(value: Any) -> Any:
    """Accept only text and times: a number would be taken for seconds since 1970."""
    if isinstance(value, datetime) or (isinstance(value, str) and _DATE.match(value)):
        return value
    raise ValueError("input should be a time such as 2026-01-31T12:00:00Z")


# A time as clients give it: it must name its offset, and is kept in UTC.
UtcTime = Annotated[AwareDatetime, BeforeValidator(_only_text), AfterValidator(_to_utc)]


def short_id(job_id: UUID | str) -> str:
    """The last eight characters, which are random: enough for people to tell jobs apart."""
    return str(job_id)[-8:]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, from_attributes=True)


class JobError(_Frozen):
    """Why the last attempt failed."""

    type: str
    message: str
    traceback: str = ""


class JobSnapshot(_Frozen):
    """A job as it was at ``version``. A snapshot with a higher version replaces one with a lower."""

    id: UUID
    kind: str
    title: str = Field("", description="the kind's summary of this job's parameters; empty if it has none")
    params: dict[str, Any]
    status: JobStatus
    progress: float = Field(ge=0, le=100, description="0 to 100")
    message: str = Field(description="the current step in words")
    result: Any = None
    error: JobError | None = None
    attempt: int = Field(ge=1)
    max_attempts: int = Field(ge=1)
    priority: int
    created_at: datetime
    scheduled_for: datetime | None = None
    queued_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    worker: str | None = None
    version: int = Field(ge=1)

    @property
    def short_id(self) -> str:
        return short_id(self.id)


class Part(StrEnum):
    """The parts of a job that may be large, so that lists leave them out."""

    PARAMS = "params"
    RESULT = "result"
    TRACEBACK = "traceback"


class ListedJob(JobSnapshot):
    """A job as lists hold it: without its result, its traceback, and parameters that are large, unless asked for."""

    omitted: list[Part] = Field([], description="what it has, but is left out here; name it in `fields` to have it")


class JobEvent(_Frozen):
    """One row of a job's timeline. ``version`` is the job's version that this change made."""

    version: int
    at: datetime
    type: EventType
    status: JobStatus
    attempt: int
    progress: float
    message: str
    data: dict[str, Any] | None = None


class WaitingJob(NamedTuple):
    """What of a job is needed to find it in the queue."""

    id: UUID
    kind: str
    status: JobStatus
    created_at: datetime


class Change(_Frozen):
    """A job right after a change, and the change itself; both carry the same version."""

    job: JobSnapshot
    event: JobEvent


class Deleted(_Frozen):
    """Jobs that were deleted, with their timelines and artifacts."""

    deleted: tuple[UUID, ...]


class Artifact(_Frozen):
    """A file that a handler attached, without its content."""

    id: UUID
    job_id: UUID
    version: int
    name: str
    media_type: str
    size_bytes: int
    created_at: datetime
