"""What workers write about the attempts they run: starts, messages and ends, of many jobs in one transaction.

Each statement is built once and names the attempt, which is the fencing token: a worker that lost its job changes
nothing. Timeline rows of one transaction are inserted together at its end.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Connection, Integer, bindparam, func, insert, null, select, update

from runlane.clock import utc_now
from runlane.core.generation import join, newest
from runlane.core.transitions import artifact_table, change_of, check_follows, insert_events, job_table
from runlane.db.prepared import Prepared, trusted
from runlane.model.fingerprint import fingerprint
from runlane.model.snapshot import Change, JobError, JobSnapshot
from runlane.model.status import EventType, JobStatus

# The columns of a job that waits for a slot again, beside its status and times.
WAITS_AGAIN = {
    "started_at": null(),
    "finished_at": null(),
    "cancel_requested_at": null(),
    "progress": 0.0,
    "worker": null(),
}


@dataclass(frozen=True)
class HandlerMessage:
    """Something a running handler reported: a step, a log line or an artifact.

    ``progress`` and ``message`` of ``None`` leave the job's own as they are. ``content`` is an artifact's bytes.
    """

    type: EventType
    message: str | None = None
    progress: float | None = None
    log_message: str = ""
    data: dict[str, Any] | None = None
    content: bytes | None = None


@dataclass(frozen=True)
class Start:
    """Queued jobs become running on a worker; those that are not queued (any more) are left alone.

    ``generation``: the one that they were claimed in, see ``runlane.core.generation``; in an earlier one none starts.
    """

    job_ids: Sequence[UUID]
    worker: str
    generation: int


@dataclass(frozen=True)
class Report:
    """What a running attempt reports. ``base``: the job as it was at any time of this attempt, if it is at hand.

    ``saved``: all that the job keeps over its attempts, if that has changed.
    """

    job_id: UUID
    attempt: int
    messages: Sequence[HandlerMessage]
    base: JobSnapshot | None = None
    saved: dict[str, Any] | None = None


@dataclass(frozen=True)
class End:
    """A running attempt ends. Made by the functions below; ``base`` as for ``Report``."""

    job_id: UUID
    attempt: int
    statement: Prepared
    values: Mapping[str, Any]
    message: str
    data: dict[str, Any] | None = None
    base: JobSnapshot | None = None


AttemptWrite = Start | Report | End

# The cause of jobs whose worker was lost; the same for every worker.
LOST_WORKER = fingerprint(JobError(type="WorkerLost", message="The worker was lost."))

_ALL = [job_table.c[name] for name in JobSnapshot.model_fields]
# What others, or the handler's messages, may change of a job while it runs.
_MAY_CHANGE = {"version", "progress", "message", "cancel_requested_at"}


def _running(status: JobStatus | None, values: Mapping[str, Any]) -> Prepared:
    if status is not None:
        check_follows({JobStatus.RUNNING}, status)
        values = {**values, "status": status}
    statement = (
        update(job_table)
        .where(
            job_table.c.id == bindparam("job_id"),
            job_table.c.status == JobStatus.RUNNING,
            job_table.c.attempt == bindparam("of_attempt"),
        )
        .values(values)
    )
    return Prepared(statement, [column for column in _ALL if column.name in _MAY_CHANGE | set(values)])


def _ending(status: JobStatus, *given: str, **fixed: Any) -> Prepared:
    """The statement that ends an attempt; ``given`` are the columns whose values come with each end."""
    one_more = {"version": job_table.c.version + 1, "message": bindparam("new_message")}
    return _running(status, {**one_more, **{name: bindparam(f"new_{name}") for name in given}, **fixed})


check_follows({JobStatus.QUEUED}, JobStatus.RUNNING)
_START = Prepared(
    update(job_table)
    .where(
        job_table.c.id == bindparam("job_id"),
        job_table.c.status == JobStatus.QUEUED,
        bindparam("of_generation", type_=Integer) >= newest(),
    )
    .values(
        {
            "version": job_table.c.version + 1,
            "status": JobStatus.RUNNING,
            "started_at": bindparam("now"),
            "finished_at": null(),
            "cancel_requested_at": null(),
            "progress": 0.0,
            "worker": bindparam("on_worker"),
            "message": "Started.",
        }
    ),
    _ALL,
)
_REPORT = _running(
    None,
    {
        "version": job_table.c.version + bindparam("count"),
        "progress": func.coalesce(bindparam("new_progress"), job_table.c.progress),
        "message": func.coalesce(bindparam("new_message"), job_table.c.message),
    },
)
_SAVE = _running(None, {"saved": bindparam("new_saved")})
_COMPLETE = _ending(JobStatus.COMPLETED, "result", "finished_at", progress=100.0, error=null())
_FAIL = _ending(JobStatus.FAILED, "error", "finished_at", "fingerprint")
_RETRY_LATER = _ending(JobStatus.SCHEDULED, "error", "attempt", "scheduled_for", worker=null())
_CANCEL = _ending(JobStatus.CANCELLED, "finished_at")
_HAND_BACK = _ending(JobStatus.QUEUED, "queued_at", scheduled_for=null(), **WAITS_AGAIN)
_RUN_AGAIN = _ending(JobStatus.QUEUED, "queued_at", "attempt", "error", scheduled_for=null(), **WAITS_AGAIN)
_ARTIFACT = Prepared(insert(artifact_table))


def completed(job_id: UUID, attempt: int, result: Any) -> End:
    """The attempt returned ``result``, any JSON."""
    values = {"new_result": result, "new_finished_at": utc_now()}
    return End(job_id, attempt, _COMPLETE, values, "Completed.")


def failed(job_id: UUID, attempt: int, error: JobError, *, retry_at: datetime | None) -> End:
    """The attempt failed: for good, or with another attempt at ``retry_at``."""
    shown = error.model_dump()
    if retry_at is None:
        values = {"new_error": shown, "new_finished_at": utc_now(), "new_fingerprint": fingerprint(error)}
        return End(job_id, attempt, _FAIL, values, f"Failed: {error.message}", {"error": shown})
    return End(
        job_id,
        attempt,
        _RETRY_LATER,
        {"new_error": shown, "new_attempt": attempt + 1, "new_scheduled_for": retry_at},
        f"Attempt {attempt} failed: {error.message}",
        {"error": shown, "failed_attempt": attempt, "retry_at": retry_at.isoformat()},
    )


def cancel_delivered() -> HandlerMessage:
    """The worker has the request to cancel and interrupts the handler."""
    return HandlerMessage(EventType.STATUS, log_message="The handler was asked to stop.", data={"cancel_seen": True})


def cancelled(job_id: UUID, attempt: int, message: str, *, code_ended_at: datetime | None = None) -> End:
    """The attempt stopped on request, its code at ``code_ended_at``; if that is ``None``, the code may still run."""
    details = {"code_ended_at": None if code_ended_at is None else code_ended_at.isoformat()}
    return End(job_id, attempt, _CANCEL, {"new_finished_at": utc_now()}, message, details)


def handed_back(job_id: UUID, attempt: int) -> End:
    """A stopping worker ends the attempt early; the job runs it again, so none is used up."""
    return End(
        job_id,
        attempt,
        _HAND_BACK,
        {"new_queued_at": utc_now()},
        "Handed back by a stopping worker.",
        {"reason": "worker stopped"},
    )


def taken_from_lost_worker(job: JobSnapshot) -> End:
    """The worker is lost: the job runs again as a new attempt, or fails if none is left."""
    if job.cancel_requested_at is not None:
        return cancelled(job.id, job.attempt, "Cancelled; its worker was lost.")
    lost = JobError(type="WorkerLost", message=f"The worker {job.worker} was lost.")
    error = lost.model_dump()
    details = {"error": error, "reason": "worker lost"}
    if job.attempt >= job.max_attempts:
        values = {"new_error": error, "new_finished_at": utc_now(), "new_fingerprint": LOST_WORKER}
        return End(job.id, job.attempt, _FAIL, values, "Failed: worker lost, and no attempt is left.", details)
    return End(
        job.id,
        job.attempt,
        _RUN_AGAIN,
        {"new_queued_at": utc_now(), "new_attempt": job.attempt + 1, "new_error": error},
        "Queued again: worker lost.",
        {**details, "failed_attempt": job.attempt},
    )


@dataclass
class _Transaction:
    """One transaction's changes; timeline rows and artifacts are inserted together at its end."""

    db: Connection
    at: datetime = field(default_factory=utc_now)
    changes: list[Change] = field(default_factory=list)
    artifacts: list[dict[str, Any]] = field(default_factory=list)

    def apply(self, alike: Sequence[AttemptWrite]) -> list[list[Change] | None]:
        """Apply writes that share one statement; the changes that each made."""
        match alike[0]:
            case Start():
                return [self._start(write) for write in alike if isinstance(write, Start)]
            case Report():
                return self._report([write for write in alike if isinstance(write, Report)])
            case End(statement=statement):
                return self._end(statement, [write for write in alike if isinstance(write, End)])

    def insert_rows(self) -> None:
        insert_events(self.db, self.changes)
        if self.artifacts:
            _ARTIFACT.run_many(self.db, self.artifacts)

    def _start(self, write: Start) -> list[Change]:
        values = {"now": self.at, "on_worker": write.worker, "of_generation": write.generation}
        started = _START.run_each(self.db, [{"job_id": job_id, **values} for job_id in write.job_ids])
        details = {"worker": write.worker}
        return [
            self._record(_snapshot(_START, row), EventType.STATUS, "Started.", details)
            for rows in started
            for row in rows
        ]

    def _report(self, writes: Sequence[Report]) -> list[list[Change] | None]:
        parts = [(write, messages) for write in writes for messages in _updates(write.messages)]
        updated = _REPORT.run_each(
            self.db,
            [
                {
                    "job_id": write.job_id,
                    "of_attempt": write.attempt,
                    "count": len(messages),
                    "new_progress": messages[0].progress,
                    "new_message": messages[0].message,
                }
                for write, messages in parts
            ],
        )
        outcomes: dict[int, list[Change] | None] = {id(write): [] for write in writes}
        self._save([write for write in writes if write.saved is not None], outcomes)
        for (write, messages), rows in zip(parts, updated, strict=True):
            changes = outcomes[id(write)]
            job = self._after(write, _REPORT, rows)
            if job is None or changes is None:
                outcomes[id(write)] = None
                continue
            first = job.version - len(messages) + 1
            changes += [
                self._message(job.model_copy(update={"version": version}), message)
                for version, message in enumerate(messages, start=first)
            ]
        return [outcomes[id(write)] for write in writes]

    def _save(self, writes: Sequence[Report], outcomes: dict[int, list[Change] | None]) -> None:
        """Store what jobs keep; the outcome of one that does not run any more is ``None``."""
        if not writes:
            return
        saved = _SAVE.run_each(
            self.db,
            [{"job_id": write.job_id, "of_attempt": write.attempt, "new_saved": write.saved} for write in writes],
        )
        for write, rows in zip(writes, saved, strict=True):
            if not rows:
                outcomes[id(write)] = None

    def _after(self, write: Report | End, statement: Prepared, rows: list[list[Any]]) -> JobSnapshot | None:
        """The job after a statement that gave ``rows``; ``None`` if it matched nothing."""
        if not rows:
            return None
        base = write.base
        if base is None:
            query = select(*_ALL).where(job_table.c.id == write.job_id)
            base = JobSnapshot.model_validate(dict(self.db.execute(query).mappings().one()))
        return _snapshot(statement, rows[0], base)  # later statements may have changed it since: only these rows count

    def _message(self, job: JobSnapshot, message: HandlerMessage) -> Change:
        details = message.data
        if message.content is not None:
            artifact_id = uuid4()
            details = {**(details or {}), "artifact_id": str(artifact_id), "size_bytes": len(message.content)}
            self.artifacts.append(
                {
                    "id": artifact_id,
                    "job_id": job.id,
                    "version": job.version,
                    "name": details["name"],
                    "media_type": details["media_type"],
                    "size_bytes": len(message.content),
                    "content": message.content,
                    "created_at": self.at,
                }
            )
        text = job.message if message.type is EventType.PROGRESS else message.log_message
        return self._record(job, message.type, text, details)

    def _end(self, statement: Prepared, writes: Sequence[End]) -> list[list[Change] | None]:
        ended = statement.run_each(
            self.db,
            [
                {**write.values, "job_id": write.job_id, "of_attempt": write.attempt, "new_message": write.message}
                for write in writes
            ],
        )
        jobs = [self._after(write, statement, rows) for write, rows in zip(writes, ended, strict=True)]
        return [
            None if job is None else [self._record(job, EventType.STATUS, write.message, write.data)]
            for write, job in zip(writes, jobs, strict=True)
        ]

    def _record(self, job: JobSnapshot, event_type: EventType, message: str, details: dict[str, Any] | None) -> Change:
        change = change_of(job, self.at, event_type, message, details)
        self.changes.append(change)
        return change


def record_attempts(db: Connection, writes: Sequence[AttemptWrite]) -> list[list[Change] | None]:
    """Apply the writes in order, in the caller's transaction; for each the changes it made.

    ``None``: the attempt is no longer running, and nothing was recorded for it.
    """
    transaction = _Transaction(db)
    if any(isinstance(write, Start) for write in writes):
        join(db)  # a statement of its own: those after it read what it waited for
    outcomes = [outcome for _, alike in groupby(writes, _statement) for outcome in transaction.apply(list(alike))]
    transaction.insert_rows()
    return outcomes


def _statement(write: AttemptWrite) -> object:
    """Equal for writes that can go to the database together."""
    return write.statement if isinstance(write, End) else type(write)


def _snapshot(statement: Prepared, row: Sequence[Any], base: JobSnapshot | None = None) -> JobSnapshot:
    """The job in a row that a statement of this module returned, on top of ``base``; it needs no validation."""
    values = dict(zip(statement.gives, row, strict=True))
    if "status" in values:
        values["status"] = JobStatus(values["status"])
    if values.get("error") is not None:
        values["error"] = JobError.model_validate(values["error"])
    return trusted(JobSnapshot, values) if base is None else base.model_copy(update=values)


def _updates(messages: Sequence[HandlerMessage]) -> Iterator[Sequence[HandlerMessage]]:
    """The messages in runs of which only the first may change the job's progress or message: one UPDATE each."""
    begin = 0
    for end in range(1, len(messages) + 1):
        if end == len(messages) or messages[end].progress is not None or messages[end].message is not None:
            yield messages[begin:end]
            begin = end
