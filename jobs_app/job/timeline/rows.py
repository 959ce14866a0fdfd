"""A job's timeline as pages show it: lines with bars on a common axis, attempts as lanes, a cancel with its proof.

A *step* is what a handler began with ``job.step``, and the start of an attempt. It lasts until the next one, or until
its attempt ends; on the axis both are seconds since the attempt began.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypedDict

from jobs_app.ui.formats import duration, iso, seconds_text
from runlane.model.snapshot import JobEvent, JobSnapshot
from runlane.model.status import EventType, JobStatus

# In ``took_s``: the step has not ended.
OPEN = -1.0
# In ``took_s``: the line is no step, and has no bar.
NO_BAR = -2.0
# What a timeline may be narrowed to.
SORTS = {
    "steps": "Steps",
    "logs": "Log lines",
    "problems": "Warnings and errors",
}
SHOWN_STATUS_ROWS = 1000
# The narrowest bar of a lane, in percent, so that it stays visible.
MIN_WIDTH = 0.5


class Line(TypedDict):
    """A row of a job's timeline."""

    version: int
    at: str
    since_start: str
    from_s: float
    took_s: float
    took: str
    type: str
    status: str
    level: str
    logger: str
    """Where a log line comes from, if it says so."""
    text: str
    attempt: int
    sorts: list[str]
    """Which of ``SORTS`` it is."""


class Lane(TypedDict):
    """One attempt of a job, and how it ended; ``left`` and ``width`` in percent of the time from first to last."""

    number: int
    status: str
    started_at: str
    duration: str
    message: str
    left: float
    width: float


class Proof(TypedDict):
    """A stage of a cancel; ``at`` is empty until it is reached, ``since`` is the time since the request."""

    label: str
    at: str
    since: str


def line(event: JobEvent, began: datetime | None) -> Line:
    """A timeline row; ``began`` is when its attempt did, if it has."""
    from_s = -1.0 if began is None or event.at < began else (event.at - began).total_seconds()
    return {
        "version": event.version,
        "at": iso(event.at),
        "since_start": "" if from_s < 0 else f"+{from_s:.1f} s",
        "from_s": from_s,
        "took_s": OPEN if is_step(event) else NO_BAR,
        "took": "",
        "type": str(event.type),
        "status": str(event.status),
        "level": _level(event),
        "logger": str((event.data or {}).get("logger", "")) if event.type is EventType.LOG else "",
        "text": _text(event),
        "attempt": attempt_of(event),
        "sorts": _sorts(event),
    }


def _level(event: JobEvent) -> str:
    return str((event.data or {}).get("level", "")) if event.type is EventType.LOG else ""


def _sorts(event: JobEvent) -> list[str]:
    is_of = {
        "steps": event.type in (EventType.PROGRESS, EventType.STATUS),
        "logs": event.type is EventType.LOG,
        "problems": _level(event) in ("warning", "error", "critical") or event.status is JobStatus.FAILED,
    }
    return [sort for sort in SORTS if is_of[sort]]


def _text(event: JobEvent) -> str:
    who = (event.data or {}).get("by") if event.type is EventType.STATUS else None
    attached = "Attached " if event.type is EventType.ARTIFACT else ""
    return f"{attached}{event.message}{f' By {who}.' if who else ''}"


def lines(events: Iterable[JobEvent], began: dict[int, datetime]) -> list[Line]:
    """The rows of a timeline, each step with what it took."""
    shown: list[Line] = []
    open_step: tuple[Line, datetime] | None = None
    for event in events:
        row = line(event, began.get(attempt_of(event)))
        if open_step is not None and ends_step(event):
            _close(open_step[0], (event.at - open_step[1]).total_seconds())
            open_step = None
        if is_step(event):
            open_step = (row, event.at)
        shown.append(row)
    return shown


def is_step(event: JobEvent) -> bool:
    return is_start(event) or (event.type is EventType.PROGRESS and bool((event.data or {}).get("step")))


def ends_step(event: JobEvent) -> bool:
    """Whether the step before this row is over with it."""
    return is_step(event) or (event.type is EventType.STATUS and event.status is not JobStatus.RUNNING)


def is_start(event: JobEvent) -> bool:
    """Whether an attempt began with this row."""
    return event.status is JobStatus.RUNNING and "worker" in (event.data or {})


def starts(events: Iterable[JobEvent]) -> dict[int, datetime]:
    """When each attempt began, by its number, from the status rows of a timeline."""
    return {event.attempt: event.at for event in events if is_start(event)}


def attempt_of(event: JobEvent) -> int:
    """The attempt that a row belongs to; a failure that leads to another attempt already carries the next number."""
    return int((event.data or {}).get("failed_attempt", event.attempt))


def lanes(status_events: Sequence[JobEvent], now: datetime) -> list[Lane]:
    """Each attempt of a job on one axis, from the status rows of its timeline, oldest first."""
    attempts = list(_attempts(status_events))
    if not attempts:
        return []
    begin = attempts[0][0].at
    whole_s = max((max(end.at if end else now for _, end in attempts) - begin).total_seconds(), 0.001)
    return [_lane(start, end, begin, whole_s, now) for start, end in attempts]


def span_s(status_events: Sequence[JobEvent]) -> float:
    """How long the longest attempt that has ended took: the axis that all bars share."""
    return max(
        [(end.at - start.at).total_seconds() for start, end in _attempts(status_events) if end is not None] or [0.0]
    )


def proof(job: JobSnapshot, status_events: Sequence[JobEvent]) -> list[Proof]:
    """What became of the last request to cancel a running job; empty if there is none."""
    request = next((event for event in reversed(status_events) if (event.data or {}).get("cancel_requested")), None)
    if request is None or job.cancel_requested_at is None:
        return []
    received = next(
        (e for e in status_events if e.version > request.version and (e.data or {}).get("cancel_seen")), None
    )
    end = next((e for e in status_events if e.version > request.version and e.status is JobStatus.CANCELLED), None)
    code_ended_at = (end.data or {}).get("code_ended_at") if end else None
    stages: list[tuple[str, datetime | None]] = [
        ("Requested", request.at),
        ("Seen by the worker", received.at if received else None),
        ("Cleaned up", datetime.fromisoformat(code_ended_at) if code_ended_at else None),
        ("Cancelled", end.at if end else None),
    ]
    return [Proof(label=label, at=iso(at), since=duration(request.at, at)) for label, at in stages]


def _close(row: Line, took_s: float) -> None:
    row["took_s"], row["took"] = max(took_s, 0.0), seconds_text(max(took_s, 0.0))


def _attempts(status_events: Sequence[JobEvent]) -> Iterable[tuple[JobEvent, JobEvent | None]]:
    """The row that began each attempt, with the row that ended it."""
    start: JobEvent | None = None
    for event in status_events:
        if is_start(event):
            if start is not None:
                yield start, None
            start = event
        elif start is not None and event.status is not JobStatus.RUNNING:
            yield start, event
            start = None
    if start is not None:
        yield start, None


def _lane(start: JobEvent, end: JobEvent | None, begin: datetime, whole_s: float, now: datetime) -> Lane:
    ended_at = end.at if end else now
    width = min(max(100 * (ended_at - start.at).total_seconds() / whole_s, MIN_WIDTH), 100.0)
    left = min(100 * (start.at - begin).total_seconds() / whole_s, 100 - width)
    failed = end is not None and "failed_attempt" in (end.data or {})
    return {
        "number": start.attempt,
        "status": str(JobStatus.FAILED if failed else end.status if end else start.status),
        "started_at": iso(start.at),
        "duration": duration(start.at, end.at) if end else "",
        "message": end.message if end else f"On {(start.data or {})['worker']}",
        "left": round(left, 2),
        "width": round(width, 2),
    }
