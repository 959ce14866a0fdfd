"""Inserting new jobs: their rows, the first rows of their timelines, and what they are re-runs of."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, insert
from uuid_utils.compat import uuid7

from runlane.clock import utc_now
from runlane.core.reruns import insert_reruns
from runlane.core.transitions import add_events, job_table
from runlane.db.prepared import Prepared, trusted
from runlane.model.snapshot import Change, JobSnapshot
from runlane.model.status import EventType, JobStatus

_INSERT = Prepared(insert(job_table))
_BLANK = dict.fromkeys(column.name for column in job_table.c)


@dataclass(frozen=True)
class Idempotency:
    """What makes a submission idempotent: the client's key, and a digest of the submission sent with it."""

    key: str
    digest: str

    def keys(self, count: int) -> list[str]:
        """A key for each of so many jobs: the first has the client's own, as a single job has.

        No client's key is one of the others, for no header holds a line break.
        """
        return [self.key, *(f"{self.key}\n{index}" for index in range(1, count))]


@dataclass(frozen=True)
class NewJob:
    """A validated job, before it has an id."""

    kind: str
    params: dict[str, Any]
    max_attempts: int
    title: str = ""
    priority: int = 0
    scheduled_for: datetime | None = None
    rerun_of: UUID | None = None


def insert_jobs(
    db: Connection,
    jobs: Sequence[NewJob],
    once: Idempotency | None,
    data: dict[str, Any] | None,
) -> list[Change]:
    """Insert new jobs, in order, in the caller's transaction; ``data`` goes into the first rows of their timelines."""
    now = utc_now()
    rows: list[dict[str, Any]] = []
    keys = itertools.repeat(None) if once is None else once.keys(len(jobs))
    for index, (new, key) in enumerate(zip(jobs, keys, strict=False)):
        later = new.scheduled_for is not None and new.scheduled_for > now
        at = now + timedelta(microseconds=index)  # apart, so that a batch keeps its order everywhere
        rows.append(
            {
                **_BLANK,
                "id": uuid7(),
                "kind": new.kind,
                "title": new.title,
                "params": new.params,
                "status": JobStatus.SCHEDULED if later else JobStatus.QUEUED,
                "progress": 0.0,
                "message": "Waiting for its time." if later else "Waiting for a free slot.",
                "attempt": 1,
                "max_attempts": new.max_attempts,
                "priority": new.priority,
                "created_at": at,
                "scheduled_for": new.scheduled_for,
                "queued_at": None if later else at,
                "version": 1,
                "idempotency_key": key,
                "idempotency_digest": once and once.digest,
            }
        )
    _INSERT.run_many(db, rows)
    insert_reruns(db, [(row["id"], new.rerun_of) for row, new in zip(rows, jobs, strict=True) if new.rerun_of])
    made = [trusted(JobSnapshot, {name: row[name] for name in JobSnapshot.model_fields}) for row in rows]
    return add_events(db, made, EventType.STATUS, None, data)
