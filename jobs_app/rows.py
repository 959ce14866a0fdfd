"""Jobs as pages show them: small dictionaries of text and numbers, made from snapshots. No I/O.

``Hot`` is what changes while a job runs; ``jobs_app.live`` broadcasts it, and it is laid over the ``Row``
of a page.
"""

from datetime import datetime
from typing import Any, TypedDict

from jobs_app.dashboard.estimates import Usual, expected_end, is_slow
from jobs_app.dashboard.list_view import ListView
from runlane.bulk.store import Operation
from runlane.kinds.catalogue import catalogue, masked
from runlane.metrics.failures import FailureGroup
from runlane.model.snapshot import JobSnapshot
from runlane.model.status import JobStatus
from runlane.text import counted

SILENT_AFTER_S = 10.0


class Hot(TypedDict):
    """The part of a job that changes while one looks at it."""

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


class Row(TypedDict):
    """A line of the list."""

    id: str
    short_id: str
    kind: str
    title: str
    created_at: str
    worker: str
    priority: int
    attempt: str
    bytes: str
    """What the job itself takes; empty while nobody asks."""
    lease: str
    """How long its worker's claim lasts if it is not renewed; empty where there is none, or while nobody asks."""
    live: Hot


class Slot(TypedDict):
    """One of the places where a job can run; ``id`` is empty when it is free."""

    number: int
    id: str
    short_id: str
    title: str
    progress: int
    message: str
    started_at: str
    cancelling: bool
    usually: str
    """What jobs of this kind usually take, in words; empty if too few are known."""
    ends_at: str
    slow: bool
    silent_since: str
    """When the job last said something, if that is long ago."""


class Command(TypedDict):
    """A line of the command palette; ``does`` is ``<what>:<with what>``, see ``Keys.choose``."""

    label: str
    hint: str
    does: str


class FailureRow(TypedDict):
    """Failures of one cause; ``bars`` are the last hours in percent of the worst one."""

    kind: str
    title: str
    fingerprint: str
    type: str
    message: str
    frame: str
    count: int
    first_at: str
    last_at: str
    bars: list[int]
    spoken: str
    address: str


class KindRow(TypedDict):
    """A kind of job, with what holds for it; ``params`` has one line a field."""

    name: str
    title: str
    description: str
    limits: str
    usually: str
    params: list[str]
    paused: bool
    max_running: str
    rate_count: str
    rate_s: str
    version: int
    """Of what people have set; see ``runlane.kinds.settings_store``."""
    workers: list[str]
    """The living workers that can run it."""
    off: list[str]
    """Why living workers cannot, by worker, though they should."""
    is_known: bool
    """Whether this server knows it, too; only workers know the others."""


class JobLink(TypedDict):
    """A job by name; ``status`` is empty for one that is deleted."""

    id: str
    short_id: str
    status: str


class WorkerRow(TypedDict):
    """A worker process."""

    id: str
    host: str
    pid: int
    version: str
    state: str
    started_at: str
    seen_at: str
    slots: int
    running: list[JobLink]
    """What it runs; of a lost one, what it ran last, and what became of that."""
    cpu: str
    memory: str
    clock: str
    """How far its clock is from Redis's, if that is worth telling."""
    can_forget: bool
    """It is lost, and nobody has said yet that this is no trouble."""


class Notification(TypedDict):
    """A message; ``level`` is ``success``, ``error`` or ``info``, ``href`` may be empty."""

    at: str
    level: str
    text: str
    href: str


class Next(TypedDict):
    """A job that starts soon; ``starts_at`` is empty when nobody can tell when, and ``waits_for`` says what for."""

    id: str
    short_id: str
    title: str
    starts_at: str
    waits_for: str
    now: bool


QUEUE_PAUSED, KIND_PAUSED = "The queue is paused.", "Jobs of its kind are paused."
"""What a queued job waits for though a slot may be free."""
GONE = "deleted"
"""What stands in place of a status when the job is no more."""

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
    "created_at": "",
    "worker": "",
    "priority": 0,
    "attempt": "",
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


def row(job: JobSnapshot, *, bytes: int | None = None, lease_s: float | None = None) -> Row:
    return {
        "id": str(job.id),
        "short_id": job.short_id,
        "kind": job.kind,
        "title": kind_title(job.kind),
        "created_at": iso(job.created_at),
        "worker": job.worker or "",
        "priority": job.priority,
        "attempt": f"{job.attempt} of {job.max_attempts}",
        "bytes": "" if bytes is None else size(bytes),
        "lease": "" if lease_s is None else f"{max(lease_s, 0.0):.0f} s",
        "live": hot(job),
    }


def gone(known: Row) -> Row:
    """The row of a job that was deleted while it is shown."""
    return {**known, "live": {**known["live"], "status": GONE, "version": known["live"]["version"] + 1, "due": ""}}


def free_slot(number: int) -> Slot:
    return {
        "number": number,
        "id": "",
        "short_id": "",
        "title": "",
        "progress": 0,
        "message": "",
        "started_at": "",
        "cancelling": False,
        "usually": "",
        "ends_at": "",
        "slow": False,
        "silent_since": "",
    }


def slot(number: int, job: JobSnapshot, heard_at: datetime, known: Usual | None, now: datetime) -> Slot:
    """A place that ``job`` holds, which was last heard of at ``heard_at``."""
    return {
        "number": number,
        "id": str(job.id),
        "short_id": job.short_id,
        "title": kind_title(job.kind),
        "progress": round(job.progress),
        "message": job.message,
        "started_at": iso(job.started_at),
        "cancelling": job.cancel_requested_at is not None,
        "usually": seconds_text(known.median_s) if known else "",
        "ends_at": iso(expected_end(job, known, now)),
        "slow": is_slow(job, known, heard_at, now),
        "silent_since": iso(heard_at) if (now - heard_at).total_seconds() > SILENT_AFTER_S else "",
    }


def coming(job: JobSnapshot, starts_at: datetime | None, waits_for: str, now: datetime) -> Next:
    return {
        "id": str(job.id),
        "short_id": job.short_id,
        "title": kind_title(job.kind),
        "starts_at": iso(starts_at),
        "waits_for": waits_for,
        "now": starts_at is not None and starts_at <= now,
    }


def failure(group: FailureGroup) -> FailureRow:
    worst = max(*group.hours, 1)
    query = f"kind:{group.kind} failure:{group.fingerprint}"
    return {
        "kind": group.kind,
        "title": kind_title(group.kind),
        "fingerprint": group.fingerprint,
        "type": group.type,
        "message": group.message,
        "frame": group.frame,
        "count": group.count,
        "first_at": iso(group.first_at),
        "last_at": iso(group.last_at),
        "bars": [round(100 * number / worst) for number in group.hours],
        "spoken": f"{sum(group.hours)} in the last {len(group.hours)} hours, at most {max(group.hours)} in one",
        "address": ListView(status=str(JobStatus.FAILED), q=query).address(),
    }


def kind_title(name: str) -> str:
    """The kind's title; its name if this version does not know it."""
    return next((kind.title for kind in catalogue() if kind.name == name), name)


def size(count: float) -> str:
    """A number of bytes to three figures: ``512 B``, ``3.2 kB``, ``1.05 GB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def shown_params(kind_name: str, params: dict[str, Any]) -> dict[str, Any]:
    """Parameters of a kind with secrets masked; as they are when this version does not know the kind."""
    kind = next((kind for kind in catalogue() if kind.name == kind_name), None)
    return params if kind is None else masked(kind, params)


def iso(at: datetime | None) -> str:
    return "" if at is None else at.isoformat().replace("+00:00", "Z")


def duration(start: datetime | None, end: datetime | None) -> str:
    """How long something took, to three figures: ``12 ms``, ``3.4 s``, ``2 min 5 s``, ``3 h 2 min``."""
    if start is None or end is None or end < start:
        return ""
    return seconds_text((end - start).total_seconds())


def seconds_text(seconds: float) -> str:
    """A duration to three figures, as ``duration`` gives it."""
    if seconds < 0.995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 172_800:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


class OperationRow(TypedDict):
    """Something that is done to many jobs."""

    id: str
    title: str
    state: str
    so_far: str
    percent: int
    who: str
    filter: str
    started_at: str
    is_over: bool
    can_be_undone: bool
    reasons: list[str]


class FactRow(TypedDict):
    """Something that is known; ``at`` may be empty."""

    name: str
    value: str
    at: str


class ActionRow(TypedDict):
    """Something that somebody did; ``href`` leads to what it was done to, or is empty."""

    id: str
    at: str
    who: str
    what: str
    name: str
    href: str
    change: str


class FiguresRow(TypedDict):
    """The figures of a kind, or of a bucket, in words. ``address``: where the dashboard lists those jobs."""

    name: str
    submitted: str
    completed: str
    failed: str
    cancelled: str
    retried: str
    failure_rate: str
    wait: str
    run: str
    address: str
    failed_address: str
    slow_address: str


NO_FIGURES = FiguresRow(**dict.fromkeys(FiguresRow.__annotations__, ""))  # type: ignore[typeddict-item]


class CostRow(TypedDict):
    """What the figures of one step take."""

    step: str
    rows: str
    size: str
    oldest_at: str


ACTION_TITLES = {
    "clean": "Removing",
    "obliterate": "Obliterating",
    "retry": "Retrying",
    "promote": "Starting",
    "cancel": "Cancelling",
    "delete": "Deleting",
    "restore": "Bringing back",
}


def operation_row(operation: Operation, now: datetime) -> OperationRow:
    left = f", {operation.left_alone:,} left alone" if operation.left_alone else ""
    handled = operation.done + operation.left_alone
    wanted = {name: value for name, value in vars(operation.filter).items() if value and name != "ids"}
    every = "every job" if operation.filter.ids is None else "jobs chosen by their ids"
    return {
        "id": str(operation.id),
        "title": f"{ACTION_TITLES.get(operation.action, operation.action)} {counted(operation.total, 'job')}",
        "state": str(operation.state),
        "so_far": f"{operation.done:,} done{left}",
        "percent": min(100, round(100 * handled / operation.total)) if operation.total else 100,
        "who": operation.who or "the system",
        "filter": ", ".join(f"{name} {_words(value)}" for name, value in wanted.items()) or every,
        "started_at": iso(operation.started_at),
        "is_over": operation.state.is_over,
        "can_be_undone": operation.can_be_undone(now),
        "reasons": [reason["reason"] for reason in operation.reasons],
    }


def _words(value: Any) -> str:
    return (
        " or ".join(map(str, value))
        if isinstance(value, tuple)
        else iso(value)
        if isinstance(value, datetime)
        else value
    )
