"""The one way a job changes: a conditional UPDATE that raises its version, and a timeline row with that version.

Both are in the caller's transaction. When two change the same job, the row count decides who won; nobody reads first
and writes later. The changes themselves are in ``runlane.core.store`` (people's) and ``runlane.core.attempts``
(workers').
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, insert, update

from runlane.audit import acting, note
from runlane.clock import utc_now
from runlane.db.prepared import Prepared, trusted
from runlane.db.tables import ArtifactTable, JobEventTable, JobTable, OperationTable
from runlane.model.snapshot import Change, JobEvent, JobSnapshot
from runlane.model.status import DELETED, FOLLOWS, EventType, JobStatus

job_table = JobTable.__table__  # type: ignore[attr-defined]
event_table = JobEventTable.__table__  # type: ignore[attr-defined]
artifact_table = ArtifactTable.__table__  # type: ignore[attr-defined]
operation_table = OperationTable.__table__  # type: ignore[attr-defined]

_EVENT = Prepared(insert(event_table))
EXISTS = job_table.c.status != DELETED
SNAPSHOT_COLUMNS = [job_table.c[name] for name in JobSnapshot.model_fields]


@dataclass
class Transition:
    """One conditional change: of which rows, to what, and its row in the timeline."""

    where: ColumnElement[bool]
    values: dict[str, Any]
    message: str | None = None
    type: EventType = EventType.STATUS
    data: dict[str, Any] | None = None
    # What a person did, as the audit names it; empty: no person did.
    action: str = ""
    who: str = field(default_factory=acting)
    sources: frozenset[JobStatus] = field(default=frozenset())

    def __post_init__(self) -> None:
        if "status" in self.values:
            check_follows(self.sources, self.values["status"])


def check_follows(sources: Iterable[JobStatus], target: JobStatus) -> None:
    """Fail if a change of status that a statement makes is not in ``FOLLOWS``."""
    illegal = [status for status in sources if target not in FOLLOWS[status]]
    assert sources and not illegal, f"{illegal} may not become {target}"


def snapshots(rows: Iterable[Any]) -> list[JobSnapshot]:
    """The jobs in rows of ``SNAPSHOT_COLUMNS``."""
    return [JobSnapshot.model_validate(dict(row)) for row in rows]


def change(db: Connection, transition: Transition) -> list[Change]:
    """Apply a transition and write its timeline rows; the changes made, none if no row matched."""
    values = dict(transition.values)
    if transition.type is EventType.STATUS and transition.message is not None:
        values.setdefault("message", transition.message)
    statement = (
        update(job_table)
        .where(transition.where)
        .values(version=job_table.c.version + 1, **values)
        .returning(*SNAPSHOT_COLUMNS)
    )
    jobs = snapshots(db.execute(statement).mappings())
    data = transition.data
    if transition.action:
        note(db, transition.who, transition.action, "job", [str(job.id) for job in jobs])
        data = by(transition.who, data)
    return add_events(db, jobs, transition.type, transition.message, data)


def by(who: str, data: dict[str, Any] | None) -> dict[str, Any] | None:
    """The data of a timeline row, with who did it if somebody did."""
    return {**(data or {}), "by": who} if who else data


def add_events(
    db: Connection,
    jobs: Iterable[JobSnapshot],
    event_type: EventType,
    message: str | None,
    data: dict[str, Any] | None,
) -> list[Change]:
    """Write one timeline row for each job at its current version; the changes."""
    at = utc_now()
    changes = [change_of(job, at, event_type, job.message if message is None else message, data) for job in jobs]
    insert_events(db, changes)
    return changes


def change_of(
    job: JobSnapshot, at: datetime, event_type: EventType, message: str, data: dict[str, Any] | None
) -> Change:
    """The change that made ``job``, whose timeline row is still to be inserted."""
    event = {
        "version": job.version,
        "at": at,
        "type": event_type,
        "status": job.status,
        "attempt": job.attempt,
        "progress": job.progress,
        "message": message,
        "data": data,
    }
    return trusted(Change, {"job": job, "event": trusted(JobEvent, event)})


def insert_events(db: Connection, changes: Sequence[Change]) -> None:
    """Write the timeline rows of these changes."""
    if changes:
        _EVENT.run_many(db, [{"job_id": change.job.id, **change.event.__dict__} for change in changes])
