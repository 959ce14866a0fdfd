"""The tables.

Owns the shape of rows. Statements that read or change them are in the ``store`` of each feature; how the tables came
about is in ``runlane/db/migrations``. JSON columns hold text, so that integers of any size come back exact.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import JSON, BigInteger, CheckConstraint, Column, ForeignKey, Index, Integer, String, Uuid, text
from sqlmodel import Field, SQLModel


def _where(condition: str) -> dict[str, Any]:
    """The options of an index over some rows only."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


class JobTable(SQLModel, table=True):
    """One job, as it is now."""

    __tablename__ = "job"
    __table_args__ = (
        Index("ix_job_created", "created_at", "id"),
        Index("ix_job_status_created", "status", "created_at", "id"),
        Index("ix_job_kind_created", "kind", "created_at", "id"),
        Index("ix_job_priority", "priority", "id"),
        Index("ix_job_queued", "queued_at", **_where("status = 'queued'")),
        Index("ix_job_failure", "kind", "fingerprint", "finished_at", **_where("status = 'failed'")),
        Index("ix_job_finished", "finished_at", **_where("finished_at IS NOT NULL")),
        Index("ix_job_attempt", "attempt", "id", **_where("attempt > 1")),
        Index("ix_job_deleted", "deleted_at", **_where("deleted_at IS NOT NULL")),
        CheckConstraint("version >= 1 AND attempt >= 1", name="ck_job_counters"),
    )

    id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    kind: str
    title: str = Field(default="", sa_column=Column(String, nullable=False, server_default=""))
    """The kind's summary of this job's parameters, without secrets; empty if the kind has none."""
    params: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    status: str
    progress: float = 0.0
    message: str = ""
    result: Any = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    error: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    attempt: int = 1
    max_attempts: int = 1
    priority: int = 0
    created_at: datetime
    scheduled_for: datetime | None = None
    queued_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    cancel_requested_at: datetime | None = None
    worker: str | None = None
    version: int = 1
    idempotency_key: str | None = Field(default=None, unique=True)
    idempotency_digest: str | None = None
    """The digest of what was submitted with the key; see ``runlane.model.requests``."""
    fingerprint: str | None = None
    """The cause of a failed job, see ``runlane.model.fingerprint``; only failed jobs are found by it."""
    saved: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    """What the job keeps over its attempts, see ``runlane.define.context.Saved``."""
    deleted_at: datetime | None = None
    deleted_status: str | None = None
    """What the status was when the job was deleted."""
    deleted_by: UUID | None = Field(default=None, sa_column=Column(Uuid, nullable=True))
    """The operation that deleted the job; none if it was deleted alone."""


class JobCountTable(SQLModel, table=True):
    """How many jobs of a kind are in a status, kept by triggers of the database; only read here.

    The rows of a kind and status are to be added up: on PostgreSQL each connection counts in a ``slot`` of its own.
    """

    __tablename__ = "job_count"

    kind: str = Field(primary_key=True)
    status: str = Field(primary_key=True)
    count: int = 0


class JobEventTable(SQLModel, table=True):
    """One change of one job: the timeline, the SSE replay and the audit are these rows."""

    __tablename__ = "job_event"

    job_id: UUID = Field(sa_column=Column(Uuid, ForeignKey("job.id", ondelete="CASCADE"), primary_key=True))
    version: int = Field(primary_key=True)
    at: datetime
    type: str
    status: str
    attempt: int
    progress: float
    message: str
    data: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))


class ArtifactTable(SQLModel, table=True):
    """A file that a handler attached to its job."""

    __tablename__ = "artifact"

    id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    job_id: UUID = Field(sa_column=Column(Uuid, ForeignKey("job.id", ondelete="CASCADE"), nullable=False, index=True))
    version: int
    name: str
    media_type: str
    size_bytes: int
    content: bytes
    created_at: datetime


class RerunTable(SQLModel, table=True):
    """A job that is another one run again."""

    __tablename__ = "rerun"

    job_id: UUID = Field(sa_column=Column(Uuid, ForeignKey("job.id", ondelete="CASCADE"), primary_key=True))
    rerun_of: UUID = Field(sa_column=Column(Uuid, nullable=False, index=True))


class StatEntryTable(SQLModel, table=True):
    """A submission, or the end of an attempt, that is not counted in ``stat`` yet; written by triggers."""

    __tablename__ = "stat_entry"

    id: int = Field(sa_column=Column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True))
    at: datetime
    kind: str
    outcome: str
    queued_at: datetime | None = None
    started_at: datetime | None = None


class StatTable(SQLModel, table=True):
    """What happened to jobs of one kind in a minute, hour or day; ``wait`` and ``run`` are histograms of seconds."""

    __tablename__ = "stat"

    step: str = Field(primary_key=True)
    at: datetime = Field(primary_key=True)
    kind: str = Field(primary_key=True)
    outcome: str = Field(primary_key=True)
    count: int
    wait: dict[str, int] = Field(sa_column=Column(JSON, nullable=False))
    run: dict[str, int] = Field(sa_column=Column(JSON, nullable=False))


class SampleTable(SQLModel, table=True):
    """The state of the whole system in one minute; see ``runlane.metrics.samples``."""

    __tablename__ = "sample"

    at: datetime = Field(primary_key=True)
    scheduled: int
    queued: int
    running: int
    completed: int
    failed: int
    cancelled: int
    workers: int | None = None
    oldest_queued_s: float | None = None
    bytes: int = Field(sa_type=BigInteger)


class QueueSettingTable(SQLModel, table=True):
    """What people have set for the whole queue while it runs: one row, with id 1."""

    __tablename__ = "queue_setting"

    id: int = Field(primary_key=True)
    paused: bool = False
    concurrency: int | None = None
    """``None``: as set in the environment."""
    version: int = 1
    updated_at: datetime


class GenerationTable(SQLModel, table=True):
    """How often Redis was rebuilt after it had been emptied: one row, with id 1; see ``runlane.core.generation``."""

    __tablename__ = "filling"

    id: int = Field(primary_key=True)
    number: int


class KindTable(SQLModel, table=True):
    """A kind of job, as the worker that brought it last defines it; see ``runlane.kinds.store``."""

    __tablename__ = "kind"

    name: str = Field(primary_key=True)
    definition: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    """A ``runlane.model.kind.Kind``; its limits are beside it, for those who need nothing else."""
    max_running: int | None = None
    rate_count: int | None = None
    rate_s: float | None = None
    digest: str
    schema_version: int = 1
    """Counts how often the schema of its parameters was another one."""
    registered_at: datetime
    """When a worker first brought it."""
    last_brought_at: datetime
    brought_by: str


class KindSettingTable(SQLModel, table=True):
    """What people have set for the jobs of one kind; ``None``: as the kind itself defines."""

    __tablename__ = "kind_setting"

    kind: str = Field(primary_key=True)
    paused: bool = False
    max_running: int | None = None
    rate_count: int | None = None
    rate_s: float | None = None
    version: int = 1
    updated_at: datetime


class AuditTable(SQLModel, table=True):
    """An action of somebody; see ``runlane.audit``."""

    __tablename__ = "audit"

    id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    at: datetime
    who: str
    action: str
    target: str
    name: str
    before: Any = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    after: Any = Field(default=None, sa_column=Column(JSON(none_as_null=True)))


class OperationTable(SQLModel, table=True):
    """One action on many jobs; see ``runlane.bulk.store``."""

    __tablename__ = "operation"

    id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    action: str
    filter: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    who: str
    state: str
    total: int
    done: int
    left_alone: int
    reasons: list[dict[str, str]] = Field(sa_column=Column(JSON, nullable=False))
    cursor: UUID | None = Field(default=None, sa_column=Column(Uuid, nullable=True))
    undoes: UUID | None = Field(default=None, sa_column=Column(Uuid, nullable=True))
    """The deletion that this one brings back."""
    taken_by: str | None = None
    seen_at: datetime | None = None
    started_at: datetime
    ended_at: datetime | None = None


class AlertRuleTable(SQLModel, table=True):
    """A condition that somebody is alerted about; see ``runlane.alerts.service``."""

    __tablename__ = "alert_rule"

    id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    name: str = Field(unique=True)
    condition: str
    threshold: float
    kind: str = ""
    webhook_url: str = ""
    secret: str
    paused: bool = False
    created_at: datetime
    version: int = 1


class AlertTable(SQLModel, table=True):
    """A rule's condition held, for one cause; open until it is cleared."""

    __tablename__ = "alert"
    __table_args__ = (Index("ix_alert_open", "rule_id", "cause", unique=True, **_where("cleared_at IS NULL")),)

    id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    rule_id: UUID = Field(sa_column=Column(Uuid, ForeignKey("alert_rule.id", ondelete="CASCADE"), nullable=False))
    cause: str
    text: str
    fired_at: datetime
    cleared_at: datetime | None = None


class DeliveryTable(SQLModel, table=True):
    """A message about an alert, sent until it arrives or is given up."""

    __tablename__ = "alert_delivery"
    __table_args__ = (Index("ix_alert_delivery_due", "state", "next_at"),)

    id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    rule_id: UUID = Field(sa_column=Column(Uuid, ForeignKey("alert_rule.id", ondelete="CASCADE"), nullable=False))
    url: str
    what: str
    body: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    state: str
    attempts: int = 0
    next_at: datetime | None = None
    status: int | None = None
    trouble: str = ""
    created_at: datetime


class OccurrenceTable(SQLModel, table=True):
    """A job that a schedule made."""

    __tablename__ = "occurrence"
    __table_args__ = (Index("ix_occurrence_schedule_id", "schedule_id", "job_id"),)

    job_id: UUID = Field(sa_column=Column(Uuid, ForeignKey("job.id", ondelete="CASCADE"), primary_key=True))
    schedule_id: UUID = Field(sa_column=Column(Uuid, nullable=False))


class ScheduleTable(SQLModel, table=True):
    """A recurring request for jobs of one kind."""

    __tablename__ = "schedule"

    id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    name: str = Field(unique=True)
    kind: str
    params: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    cron: str | None = None
    interval_s: float | None = None
    timezone: str = "UTC"
    priority: int = 0
    max_attempts: int | None = None
    paused: bool = False
    catch_up: str = "skip"
    next_at: datetime
    last_at: datetime | None = None
    last_job_id: UUID | None = Field(default=None, sa_column=Column(Uuid, nullable=True))
    created_at: datetime
    updated_at: datetime
    version: int = 1
