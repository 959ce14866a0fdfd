"""Changing jobs in SQL: inserting them, what people do with one, what time and workers do.

What workers change is in ``runlane.core.attempts``; how any change is made, in ``runlane.core.transitions``; reading
them, in ``runlane.core.reader``.
"""

from collections.abc import Sequence
from concurrent.futures import Future
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, case, literal, null, select, tuple_
from sqlalchemy.exc import IntegrityError

from runlane.audit import acting
from runlane.clock import utc_now
from runlane.core import generation
from runlane.core.attempts import WAITS_AGAIN, AttemptWrite, record_attempts
from runlane.core.insertion import Idempotency, NewJob, insert_jobs
from runlane.core.reader import JobReader
from runlane.core.transitions import SNAPSHOT_COLUMNS, Transition, by, change, job_table
from runlane.errors import InvalidInput
from runlane.model.snapshot import Change, JobSnapshot, WaitingJob
from runlane.model.status import RETRYABLE, WAITING, JobStatus

WAITING_BATCH = 2000


class Store(JobReader):
    """The jobs of one database, to read and to change. For services only: pages and the API go through those."""

    # What people do

    async def insert(self, jobs: Sequence[NewJob], *, once: Idempotency | None = None) -> tuple[list[Change], bool]:
        """The new jobs, in order, all or none; and whether they were made now.

        With a key that was used before, the jobs made then, as they are now, and ``False``.

        Raises:
            InvalidInput: the key was used for another submission, or some of the jobs made then have been deleted.
        """
        data = by(acting(), {"reason": "submitted"})
        try:
            return await self._db.write(lambda db: insert_jobs(db, jobs, once, data)), True
        except IntegrityError:
            if once is None:
                raise
            earlier = await self._made_with(once, len(jobs))
            if not earlier:  # deleted in this very moment: the key is free again
                return await self.insert(jobs, once=once)
            return earlier, False

    async def _made_with(self, once: Idempotency, count: int) -> list[Change]:
        """The jobs that were made with this key, in order, with the first rows of their timelines; of none, none."""
        keys = once.keys(count)
        columns = (job_table.c.idempotency_key, job_table.c.idempotency_digest, *SNAPSHOT_COLUMNS)
        query = select(*columns).where(job_table.c.idempotency_key.in_(keys))
        found = {
            row["idempotency_key"]: row for row in await self._db.read(lambda db: db.execute(query).mappings().all())
        }
        rows = [found[key] for key in keys if key in found]
        jobs = [JobSnapshot.model_validate({name: row[name] for name in JobSnapshot.model_fields}) for row in rows]
        if any(row["idempotency_digest"] not in (None, once.digest) for row in rows):
            raise InvalidInput.of(
                "idempotency-key",
                f"was used for another submission, which made job {jobs[0].short_id}; "
                "send that one again, or take a new key for this one",
            )
        if 0 < len(jobs) < count:
            raise InvalidInput.of(
                "idempotency-key",
                f"was used for this batch before, and {count - len(jobs)} of its {count} jobs have been deleted since; "
                "take a new key to make all of them again",
            )
        events = await self.first_events([job.id for job in jobs])
        return [Change(job=job, event=events[job.id]) for job in jobs]

    async def cancel_waiting(self, job_id: UUID) -> Change | None:
        """Cancel a job that has not started; ``None`` if it is not waiting (any more)."""
        return await self._apply(
            job_id,
            Transition(
                where=job_table.c.status.in_(WAITING),
                sources=WAITING,
                values={
                    "status": JobStatus.CANCELLED,
                    "finished_at": utc_now(),
                    "cancel_requested_at": utc_now(),
                },
                message="Cancelled before it started.",
                action="cancel",
            ),
        )

    async def request_cancel(self, job_id: UUID) -> Change | None:
        """Mark a running job to be cancelled; ``None`` if it is not running or is marked already."""
        return await self._apply(
            job_id,
            Transition(
                where=and_(job_table.c.status == JobStatus.RUNNING, job_table.c.cancel_requested_at.is_(None)),
                values={"cancel_requested_at": utc_now()},
                message="Cancel requested.",
                action="cancel",
                data={"cancel_requested": True},
            ),
        )

    async def retry(self, job_id: UUID, *, from_start: bool = False) -> Change | None:
        """Queue a failed or cancelled job as a new attempt; ``None`` if it is in another status.

        A job whose attempts are used up is given one more. ``from_start``: it keeps nothing of what it saved.
        """
        next_attempt = job_table.c.attempt + 1
        return await self._apply(
            job_id,
            Transition(
                where=job_table.c.status.in_(RETRYABLE),
                sources=RETRYABLE,
                values={
                    **WAITS_AGAIN,
                    "status": JobStatus.QUEUED,
                    "queued_at": utc_now(),
                    "scheduled_for": None,
                    "attempt": next_attempt,
                    "max_attempts": case(
                        (job_table.c.max_attempts > next_attempt, job_table.c.max_attempts),
                        else_=next_attempt,
                    ),
                    "result": null(),
                    "error": null(),
                    **({"saved": null()} if from_start else {}),
                },
                message="Queued again by hand, from the start." if from_start else "Queued again by hand.",
                action="retry",
                data={"reason": "retry", **({"from_start": True} if from_start else {})},
            ),
        )

    # What time and workers do

    async def queue_due(self, job_ids: Sequence[UUID], now: datetime) -> list[Change]:
        """Queue those of the scheduled jobs whose time has come at ``now``."""
        sources = frozenset({JobStatus.SCHEDULED})
        transition = Transition(
            where=and_(
                job_table.c.id.in_(job_ids),
                job_table.c.status == JobStatus.SCHEDULED,
                job_table.c.scheduled_for <= now,
            ),
            sources=sources,
            values={
                "status": JobStatus.QUEUED,
                "queued_at": job_table.c.scheduled_for,  # who was due first goes first, however late this is done
            },
            message="Due; waiting for a free slot.",
        )
        return await self._db.write(lambda db: change(db, transition))

    async def record(self, writes: Sequence[AttemptWrite]) -> list[list[Change] | None]:
        """Apply what workers write about attempts, in order, all or none; see ``runlane.core.attempts``."""
        return await self._db.write(lambda db: record_attempts(db, writes))

    async def _apply(self, job_id: UUID, transition: Transition) -> Change | None:
        transition.where = and_(job_table.c.id == job_id, transition.where)
        changes = await self._db.write(lambda db: change(db, transition))
        return changes[0] if changes else None

    def cancel_is_requested(self, job_id: UUID) -> Future[bool]:
        """Whether a running job is to be cancelled; callable from any thread, answered by a future."""
        query = select(job_table.c.cancel_requested_at).where(
            job_table.c.id == job_id, job_table.c.status == JobStatus.RUNNING
        )
        return self._db.read_soon(lambda db: db.execute(query).scalar() is not None)

    # For the reconciler

    async def waiting(
        self, status: JobStatus, *, newest_first: bool, beyond: WaitingJob | None = None
    ) -> list[WaitingJob]:
        """Up to ``WAITING_BATCH`` jobs of a status, in the order they were created."""
        position = tuple_(job_table.c.created_at, job_table.c.id)
        query = select(job_table.c.id, job_table.c.kind, job_table.c.created_at).where(job_table.c.status == status)
        if beyond is not None:
            columns = (job_table.c.created_at, job_table.c.id)
            values = (beyond.created_at, beyond.id)
            last = tuple_(*(literal(v, c.type) for v, c in zip(values, columns, strict=True)))
            query = query.where(position < last if newest_first else position > last)
        order = [c.desc() if newest_first else c.asc() for c in (job_table.c.created_at, job_table.c.id)]
        query = query.order_by(*order).limit(WAITING_BATCH)
        rows = await self._db.read(lambda db: db.execute(query).all())
        return [WaitingJob(job_id, kind, status, created_at) for job_id, kind, created_at in rows]

    async def generation(self) -> int:
        """The number of the newest generation of Redis; see ``runlane.core.generation``."""
        return await self._db.read(lambda db: db.execute(select(generation.newest())).scalar_one())

    async def begin_generation(self) -> int:
        """Begin a new generation, so that what was claimed in an earlier one can no longer start; its number."""
        return await self._db.write(generation.begin, alone=True)
