"""A worker, as its page shows it."""

from typing import TypedDict

from jobs_app.ui.job_rows import JobLink


class WorkerRow(TypedDict):
    """A worker process."""

    id: str
    host: str
    pid: int
    version: str
    state: str
    started_at: str
    heartbeat_at: str
    slots: int
    running: list[JobLink]
    """What it runs; of a lost one, what it ran last, with the status of each job now."""
    cpu: str
    memory: str
    clock: str
    """How far its clock is from Redis's, if that is far; else empty."""
    can_forget: bool
    """It is lost, and nobody has dismissed it yet."""
