"""Failures by cause, as pages show them."""

from typing import TypedDict

from jobs_app.dashboard.list_view import ListView
from jobs_app.ui.formats import iso, kind_title
from runlane.metrics.failures import FailureGroup
from runlane.model.status import JobStatus


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
