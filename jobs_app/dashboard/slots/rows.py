"""The slots, and the jobs that start next, as pages show them."""

from datetime import datetime

from jobs_app.dashboard.slots.estimates import Usual, expected_end, is_slow
from jobs_app.ui.formats import iso, seconds_text
from jobs_app.ui.job_rows import Titles, titles
from runlane.model.snapshot import JobSnapshot

SILENT_AFTER_S = 10.0


class Slot(Titles):
    """A slot, as a lane shows it; ``id`` is empty when it is free."""

    number: int
    id: str
    short_id: str
    progress: int
    message: str
    started_at: str
    cancelling: bool
    usually: str
    """What jobs of this kind usually take, in words; empty if too few are known."""
    ends_at: str
    slow: bool
    silent_since: str
    """When the job last reported something, if that is long ago."""


class Next(Titles):
    """A job that starts soon; ``starts_at`` is empty when that is not known; ``waits_for`` is what it waits for."""

    id: str
    short_id: str
    starts_at: str
    waits_for: str
    now: bool


def free_slot(number: int) -> Slot:
    return {
        "number": number,
        "id": "",
        "short_id": "",
        "title": "",
        "of_kind": "",
        "progress": 0,
        "message": "",
        "started_at": "",
        "cancelling": False,
        "usually": "",
        "ends_at": "",
        "slow": False,
        "silent_since": "",
    }


def slot(number: int, job: JobSnapshot, updated_at: datetime, known: Usual | None, now: datetime) -> Slot:
    """The slot that ``job`` holds; ``updated_at`` is when this process last learnt of a change to it."""
    return {
        "number": number,
        "id": str(job.id),
        "short_id": job.short_id,
        **titles(job),
        "progress": round(job.progress),
        "message": job.message,
        "started_at": iso(job.started_at),
        "cancelling": job.cancel_requested_at is not None,
        "usually": seconds_text(known.median_s) if known else "",
        "ends_at": iso(expected_end(job, known, now)),
        "slow": is_slow(job, known, updated_at, now),
        "silent_since": iso(updated_at) if (now - updated_at).total_seconds() > SILENT_AFTER_S else "",
    }


def upcoming(job: JobSnapshot, starts_at: datetime | None, waits_for: str, now: datetime) -> Next:
    return {
        "id": str(job.id),
        "short_id": job.short_id,
        **titles(job),
        "starts_at": iso(starts_at),
        "waits_for": waits_for,
        "now": starts_at is not None and starts_at <= now,
    }
