"""The statuses of a job, which may follow which, and the types of rows in its timeline. No I/O."""

import enum


class JobStatus(enum.StrEnum):
    """Where a job is in its life."""

    SCHEDULED = "scheduled"
    """Due later, or waiting to try again."""
    QUEUED = "queued"
    """Due; waits for a free slot."""
    RUNNING = "running"
    """A worker runs its handler."""
    COMPLETED = "completed"
    """The handler returned; ``result`` is set."""
    FAILED = "failed"
    """No attempt is left; ``error`` is set."""
    CANCELLED = "cancelled"
    """A person asked it to stop, and it did."""

    @property
    def is_terminal(self) -> bool:
        return self in TERMINAL


TERMINAL = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})
WAITING = frozenset({JobStatus.SCHEDULED, JobStatus.QUEUED})
RETRYABLE = frozenset({JobStatus.FAILED, JobStatus.CANCELLED})

# In the status column of a deleted job until it is purged. No ``JobStatus``: such a job is shown nowhere.
DELETED = "deleted"

# From status -> the statuses that may come next. Statements in ``runlane.core`` are checked against this table.
FOLLOWS: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.SCHEDULED: frozenset({JobStatus.QUEUED, JobStatus.CANCELLED}),
    JobStatus.QUEUED: frozenset({JobStatus.RUNNING, JobStatus.CANCELLED}),
    JobStatus.RUNNING: frozenset(
        {
            JobStatus.COMPLETED,
            JobStatus.FAILED,
            JobStatus.CANCELLED,
            JobStatus.SCHEDULED,  # failed, and an attempt is left
            JobStatus.QUEUED,  # handed back by a stopping worker, or taken from a lost one
        }
    ),
    JobStatus.COMPLETED: frozenset(),
    JobStatus.FAILED: frozenset({JobStatus.QUEUED}),
    JobStatus.CANCELLED: frozenset({JobStatus.QUEUED}),
}


class EventType(enum.StrEnum):
    """What a row of a job's timeline is about."""

    STATUS = "status"
    PROGRESS = "progress"
    LOG = "log"
    ARTIFACT = "artifact"
