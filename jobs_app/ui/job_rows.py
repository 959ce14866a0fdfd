"""A job as pages show it, made from its snapshot: a small dictionary of text and numbers. No I/O.

``Hot`` is what changes while a job runs; it is sent to a whole room at once, and laid over the ``Row`` of a page.
"""

from typing import TypedDict

from jobs_app.ui.formats import duration, iso, kind_title, size
from runlane.model.snapshot import JobSnapshot
from runlane.model.status import JobStatus


class Hot(TypedDict):
    """The part of a job that changes while a page shows it."""

    version: int
    status: str
    progress: int
    message: str
    attempts: str
    started_at: str
    finished_at: str
    duration: str
    due: str
    cancelling: bool


class Titles(TypedDict):
    """What a job is called."""

    title: str
    """Its own, else that of its kind."""
    of_kind: str
    """The title of its kind, to stand beside its own; empty if it has none."""


class Row(Titles):
    """A line of the list."""

    id: str
    short_id: str
    kind: str
    created_at: str
    worker: str
    priority: int
    attempt: str
    lacks_worker: bool
    """No worker takes jobs of its kind, so that it waits if it is queued."""
    bytes: str
    """What the job itself takes; empty while it is not shown."""
    lease: str
    """How long its worker's claim lasts if it is not renewed; empty if there is none, or while it is not shown."""
    live: Hot


class JobLink(TypedDict):
    """A job by name; ``status`` is empty for one that is deleted."""

    id: str
    short_id: str
    status: str


# Shown instead of a status when the job is deleted.
DELETED = "deleted"
# What a queued job waits for though a slot may be free.
QUEUE_PAUSED, KIND_PAUSED = "The queue is paused.", "Jobs of its kind are paused."
NO_WORKER = "No worker for its kind."
EMPTY_HOT: Hot = {
    "version": 0,
    "status": "",
    "progress": 0,
    "message": "",
    "attempts": "",
    "started_at": "",
    "finished_at": "",
    "duration": "",
    "due": "",
    "cancelling": False,
}
EMPTY_ROW: Row = {
    "id": "",
    "short_id": "",
    "kind": "",
    "title": "",
    "of_kind": "",
    "created_at": "",
    "worker": "",
    "priority": 0,
    "attempt": "",
    "lacks_worker": False,
    "bytes": "",
    "lease": "",
    "live": EMPTY_HOT,
}


def hot(job: JobSnapshot) -> Hot:
    cancelling = job.status is JobStatus.RUNNING and job.cancel_requested_at is not None
    return {
        "version": job.version,
        "status": str(job.status),
        "progress": round(job.progress),
        "message": job.message,
        "attempts": f"{job.attempt}/{job.max_attempts}" if job.attempt > 1 else "",
        "started_at": iso(job.started_at),
        "finished_at": iso(job.finished_at),
        "duration": duration(job.started_at, job.finished_at),
        "due": iso(job.scheduled_for) if job.status is JobStatus.SCHEDULED else "",
        "cancelling": cancelling,
    }


def titles(job: JobSnapshot) -> Titles:
    return {"title": job.title or kind_title(job.kind), "of_kind": kind_title(job.kind) if job.title else ""}


def row(job: JobSnapshot, *, bytes: int | None = None, lease_s: float | None = None, lacks_worker: bool = False) -> Row:
    return {
        "id": str(job.id),
        "short_id": job.short_id,
        "kind": job.kind,
        **titles(job),
        "created_at": iso(job.created_at),
        "worker": job.worker or "",
        "priority": job.priority,
        "attempt": f"{job.attempt} of {job.max_attempts}",
        "lacks_worker": lacks_worker,
        "bytes": "" if bytes is None else size(bytes),
        "lease": "" if lease_s is None else f"{max(lease_s, 0.0):.0f} s",
        "live": hot(job),
    }


def as_deleted(known: Row) -> Row:
    """The row of a job that was deleted while it is shown."""
    return {**known, "live": {**known["live"], "status": DELETED, "version": known["live"]["version"] + 1, "due": ""}}
