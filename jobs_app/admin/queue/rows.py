"""An operation on many jobs, as pages show it."""

from datetime import datetime
from typing import Any, TypedDict

from jobs_app.ui.formats import iso
from runlane.bulk.store import Operation
from runlane.text import counted


class OperationRow(TypedDict):
    """An operation on many jobs."""

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
    criteria = {name: value for name, value in vars(operation.filter).items() if value and name != "ids"}
    every = "every job" if operation.filter.ids is None else "jobs chosen by their ids"
    return {
        "id": str(operation.id),
        "title": f"{ACTION_TITLES.get(operation.action, operation.action)} {counted(operation.total, 'job')}",
        "state": str(operation.state),
        "so_far": f"{operation.done:,} done{left}",
        "percent": min(100, round(100 * handled / operation.total)) if operation.total else 100,
        "who": operation.who or "the system",
        "filter": ", ".join(f"{name} {_words(value)}" for name, value in criteria.items()) or every,
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
