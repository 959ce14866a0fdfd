"""Two runs of a kind side by side: what differs in their parameters, steps, times and errors. Pure."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any, TypedDict

from jobs_app.job.timeline import rows as timeline_rows
from jobs_app.ui import formats
from jobs_app.ui.formats import seconds_text, shown_params
from runlane import plain_json
from runlane.model.snapshot import JobEvent, JobSnapshot

SHOWN_CHARS = 300


class Pair(TypedDict):
    """One line of a comparison; a side that has nothing there is empty."""

    label: str
    left: str
    right: str
    differs: bool


class StepPair(TypedDict):
    """The steps at the same position in both runs; widths in percent of the longest step."""

    number: int
    left: str
    right: str
    left_took: str
    right_took: str
    left_width: float
    right_width: float
    differs: bool


def facts(left: JobSnapshot, right: JobSnapshot) -> list[Pair]:
    """What became of both."""
    sides = [
        {
            "Status": str(job.status),
            "Attempt": f"{job.attempt} of {job.max_attempts}",
            "Waited": formats.duration(job.queued_at, job.started_at),
            "Took": formats.duration(job.started_at, job.finished_at),
            "Worker": job.worker or "",
            "Error": f"{job.error.type}: {job.error.message}" if job.error else "",
        }
        for job in (left, right)
    ]
    return _pairs(*sides)


def params(left: JobSnapshot, right: JobSnapshot) -> list[Pair]:
    """Every value of both jobs' parameters, under its dotted path."""
    return _pairs(_flat(shown_params(left.kind, left.params)), _flat(shown_params(right.kind, right.params)))


def steps(left: Sequence[JobEvent], right: Sequence[JobEvent]) -> list[StepPair]:
    """The steps of the last attempt of both, in order."""
    sides = [_last_steps(events) for events in (left, right)]
    longest_s = max([took_s for side in sides for _, took_s in side] or [0.0]) or 1.0
    return [
        {
            "number": number,
            "left": one[0],
            "right": other[0],
            "left_took": _took(*one),
            "right_took": _took(*other),
            "left_width": round(100 * max(one[1], 0.0) / longest_s, 1),
            "right_width": round(100 * max(other[1], 0.0) / longest_s, 1),
            "differs": one[0] != other[0],
        }
        for number, (one, other) in enumerate(zip_longest(*sides, fillvalue=("", 0.0)), start=1)
    ]


def _last_steps(events: Sequence[JobEvent]) -> list[tuple[str, float]]:
    began = timeline_rows.starts(events)
    last = max(began, default=0)
    shown = timeline_rows.lines(events, began)
    return [(line["text"], line["took_s"]) for line in shown if line["attempt"] == last and _is_step(line)]


def _took(text: str, took_s: float) -> str:
    if not text:
        return ""
    return "under way" if took_s == timeline_rows.OPEN else seconds_text(took_s)


def _is_step(line: timeline_rows.Line) -> bool:
    return line["took_s"] != timeline_rows.NO_BAR


def _pairs(left: Mapping[str, str], right: Mapping[str, str]) -> list[Pair]:
    return [
        Pair(
            label=label,
            left=left.get(label, ""),
            right=right.get(label, ""),
            differs=left.get(label) != right.get(label),
        )
        for label in {**left, **right}
        if left.get(label) or right.get(label)
    ]


def _flat(value: Any, path: str = "") -> dict[str, str]:
    if isinstance(value, dict | list) and value:
        entries = value.items() if isinstance(value, dict) else enumerate(value)
        flat: dict[str, str] = {}
        for name, entry in entries:
            flat |= _flat(entry, f"{path}.{name}" if path else str(name))
        return flat
    text = plain_json.dumps(value)
    return {path: text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}…"}
