"""Requests, as they come in over REST and from pages: validated for types and bounds only."""

import hashlib
import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from runlane.model.limits import MAX_CONCURRENCY, MAX_PRIORITY, MAX_RATE, MAX_RATE_S, MIN_RATE_S
from runlane.model.snapshot import UtcTime

MAX_DELAY = timedelta(days=366)
MAX_ATTEMPTS = 100
# In every reply under /api, so that a client can say that it is of another version.
VERSION_HEADER = "Runlane-Version"


def one_of(*names: str) -> list[Any]:
    """For a JSON schema: for each name, that it is given; ``null`` counts as not given."""
    return [{"required": [name], "properties": {name: {"not": {"type": "null"}}}} for name in names]


class Submission(BaseModel):
    """A request for one job. Types are exact: ``"5"`` is no number."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        json_schema_extra={"not": {"allOf": one_of("delay_s", "scheduled_for")}},
    )

    kind: str = Field(max_length=200, examples=["web_agent"])
    params: dict[str, Any] = Field(default_factory=dict)
    priority: int = Field(0, ge=-MAX_PRIORITY, le=MAX_PRIORITY, description="higher first")
    delay_s: float | None = Field(
        None,
        ge=0,
        le=MAX_DELAY.total_seconds(),
        allow_inf_nan=False,
        description="start no sooner than this",
    )
    scheduled_for: Annotated[UtcTime, Field(strict=False)] | None = Field(
        None, description="start no sooner than this time, which names its offset"
    )
    max_attempts: int | None = Field(None, ge=1, le=MAX_ATTEMPTS, description="default: the kind's own")
    rerun_of: Annotated[UUID, Field(strict=False)] | None = Field(
        None, description="the job that this one is run again from; shown as its lineage"
    )

    @property
    def digest(self) -> str:
        """Equal for equal submissions, however their JSON was written; stable across versions."""
        text = json.dumps(self.model_dump(mode="json", exclude_defaults=True), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def digest_of(submissions: Iterable[Submission]) -> str:
    """Equal for equal submissions in the same order; that of one is not its own ``digest``."""
    return hashlib.sha256("\n".join(each.digest for each in submissions).encode()).hexdigest()


class JobPatch(BaseModel):
    """A change of a job that waits; what is not named stays as it is."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    params: dict[str, Any] = Field(default_factory=dict, description="all of them: they take the place of the old ones")
    priority: int = Field(0, ge=-MAX_PRIORITY, le=MAX_PRIORITY, description="higher first")
    max_attempts: int = Field(1, ge=1, le=MAX_ATTEMPTS)
    scheduled_for: Annotated[UtcTime, Field(strict=False)] | None = Field(
        None, description="another time for a job that is scheduled"
    )
    version: int | None = Field(
        None, ge=1, description="the job's version that was read; if it has changed since, this is refused"
    )


class QueueChange(BaseModel):
    """A change of the whole queue's settings; what is not named stays as it is."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    paused: bool = Field(False, description="claim nothing; running jobs go on")
    concurrency: int | None = Field(
        None,
        ge=1,
        le=MAX_CONCURRENCY,
        description="how many jobs may run at once over all workers; null: as RUNLANE_CONCURRENCY sets it",
    )
    version: int | None = Field(
        None, ge=0, description="the version that was read; if it has changed since, this is refused"
    )


class RateChange(BaseModel):
    """At most ``count`` starts in any ``seconds``."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    count: int = Field(ge=1, le=MAX_RATE)
    seconds: float = Field(ge=MIN_RATE_S, le=MAX_RATE_S, allow_inf_nan=False)


class KindChange(BaseModel):
    """A change of one kind's settings; what is not named stays as it is, ``null`` restores the kind's own."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    paused: bool = Field(False, description="claim none of them; running ones go on")
    max_running: int | None = Field(None, ge=1, le=MAX_CONCURRENCY, description="how many may run at once")
    rate: RateChange | None = None
    version: int | None = Field(
        None, ge=0, description="the version that was read; if it has changed since, this is refused"
    )
