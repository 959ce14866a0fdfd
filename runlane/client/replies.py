"""What the server says of itself, as far as programs ask: what they do not know of, they ignore."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict


class _Reply(BaseModel):
    model_config = ConfigDict(frozen=True)


class KindInfo(_Reply):
    """What can be submitted. ``workers``: the ids of those that run it now."""

    name: str
    title: str
    description: str
    group: str
    params_schema: dict[str, Any]
    defaults: dict[str, Any]
    workers: list[str] | int


class QueueInfo(_Reply):
    """``counts``: jobs in each status. ``concurrency``: how many may run at once over all workers."""

    paused: bool
    concurrency: int
    counts: dict[str, int]
    oldest_queued_s: float | None


class WorkerInfo(_Reply):
    """A worker process. ``running``: the jobs that it runs, of ``slots``; ``state``: running, quiet or lost."""

    id: str
    host: str
    pid: int
    started_at: datetime
    last_seen_at: datetime
    running: list[UUID]
    slots: int
    state: str
