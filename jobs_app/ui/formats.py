"""Times, durations, sizes and titles in words, as every page shows them. No I/O."""

from datetime import datetime
from typing import Any

from runlane.kinds.catalogue import catalogue
from runlane.kinds.masking import masked
from runlane.model.snapshot import JobSnapshot

MAX_NAME = 80


def kind_title(name: str) -> str:
    """The kind's title; its name if no worker has brought it."""
    kind = catalogue().find(name)
    return name if kind is None else kind.title


def job_name(job: JobSnapshot) -> str:
    """What a job is called in a sentence: its own title if it has one, else that of its kind."""
    return cut(job.title or kind_title(job.kind))


def cut(title: str) -> str:
    """A title short enough for a sentence."""
    return title if len(title) <= MAX_NAME else f"{title[: MAX_NAME - 1]}…"


def size(count: float) -> str:
    """A number of bytes to three figures: ``512 B``, ``3.2 kB``, ``1.05 GB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def shown_params(kind_name: str, params: dict[str, Any]) -> dict[str, Any]:
    """Parameters of a kind with secrets masked; as they are when no worker has brought the kind."""
    kind = catalogue().find(kind_name)
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
