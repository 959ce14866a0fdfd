"""What can be done with jobs. Pages, REST and workers all go through here, so none can do what the others cannot.

Every change goes the same way: commit in SQL, then tell the queue, then announce. A crash or a Redis outage between
two of them costs delay only: ``requeue_missing`` makes Redis follow SQL again, and announcements are healed by
whoever reads the store. Nothing here knows a handler.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from jobs import plain_json
from jobs.errors import FieldError, InvalidInput, JobsError, WrongStatus
from jobs.events import Events
from jobs.kinds import Catalogue, Params
from jobs.models import RETRYABLE, WAITING, JobStatus, utc_now
from jobs.queue import HIGHEST_PRIORITY, JobQueue
from jobs.redis_link import REDIS_TROUBLE
from jobs.settings import Settings
from jobs.snapshot import Change, Deleted, JobError, JobSnapshot, UtcTime
from jobs.store import ID_BATCH, JobFilter, NewJob, Note, Store

LONGEST_DELAY = timedelta(days=366)
MOST_ATTEMPTS = 100
MOST_IN_BATCH = 1000

log = logging.getLogger(__name__)

BulkAction = Literal["cancel", "retry", "delete"]


class Submission(BaseModel):
    """A request for one job. Types are exact: ``"5"`` is no number."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    kind: str = Field(max_length=200, examples=["web_agent"])
    params: dict[str, Any] = Field(default_factory=dict)
    priority: int = Field(0, ge=-HIGHEST_PRIORITY, le=HIGHEST_PRIORITY, description="higher first")
    delay_s: float | None = Field(
        None,
        ge=0,
        le=LONGEST_DELAY.total_seconds(),
        allow_inf_nan=False,
        description="start no sooner than this",
    )
    scheduled_for: Annotated[UtcTime, Field(strict=False)] | None = Field(
        None, description="start no sooner than this time, which names its offset"
    )
    max_attempts: int | None = Field(None, ge=1, le=MOST_ATTEMPTS, description="default: the kind's own")


@dataclass(frozen=True)
class Skipped:
    """A job that a bulk action left alone, and why, in words."""

    id: UUID
    reason: str


@dataclass
class BulkOutcome:
    """What a bulk action did: how many jobs it was about, how many it changed, and which it left alone."""

    matched: int = 0
    done: int = 0
    skipped: list[Skipped] = field(default_factory=list)


class JobService:
    """Everything that can happen to a job."""

    def __init__(self, store: Store, queue: JobQueue, events: Events, kinds: Catalogue, settings: Settings) -> None:
        self.store = store
        self.kinds = kinds
        self._queue = queue
        self._events = events
        self._settings = settings

    # What people ask for

    async def submit(
        self, submission: Submission, *, idempotency_key: str | None = None, lax: bool = False
    ) -> tuple[JobSnapshot, bool]:
        """The job made from ``submission``, and whether it was made now.

        The same ``idempotency_key`` gives the same job again. ``lax`` takes text for numbers, as forms send it.

        Raises:
            InvalidInput: unknown kind or bad parameters; nothing is stored.
            Unavailable: the database does not answer; nothing is stored.
        """
        new = self._validated(submission, lax=lax)
        changes, created = await self.store.insert([new], idempotency_key=idempotency_key)
        if created:
            await self._enqueue_and_announce(changes)
        return changes[0].job, created

    async def submit_many(self, submissions: Sequence[Submission]) -> list[JobSnapshot]:
        """The jobs made, in order, all or none.

        Raises:
            InvalidInput: each field is named ``jobs.<index>.<field>``; nothing is stored.
        """
        news, errors = [], []
        for index, submission in enumerate(submissions):
            try:
                news.append(self._validated(submission))
            except InvalidInput as exc:
                errors += [FieldError(f"jobs.{index}.{e.field}", e.message) for e in exc.errors]
        if errors:
            raise InvalidInput(errors)
        changes, _ = await self.store.insert(news)
        await self._enqueue_and_announce(changes)
        return [change.job for change in changes]

    async def cancel(self, job_id: UUID) -> JobSnapshot:
        """Stop a job: a waiting one is ``cancelled`` at once, the handler of a running one is told to stop.

        Asking again tells the handler again.

        Raises:
            JobNotFound: no such job.
            WrongStatus: it has finished.
        """
        if change := await self.store.cancel_waiting(job_id):
            await self._quietly(self._queue.remove(job_id, change.job.attempt))
            await self._announce([change])
            return change.job
        if change := await self.store.request_cancel(job_id):
            await self._announce([change])
        job = change.job if change else await self.store.get(job_id)
        if job.status in WAITING:  # it was handed back between the two attempts above
            return await self.cancel(job_id)
        if job.status.is_terminal:
            raise WrongStatus(
                f"Job {job.short_id} has already {_ended(job.status)}; only a job that waits or runs can be cancelled."
            )
        await self._quietly(self._queue.tell_to_stop(job_id, job.attempt))
        return job

    async def retry(self, job_id: UUID) -> JobSnapshot:
        """Queue a failed or cancelled job as a new attempt.

        Raises:
            JobNotFound: no such job.
            WrongStatus: it is in another status.
        """
        change = await self.store.retry(job_id)
        if change is None:
            job = await self.store.get(job_id)
            raise WrongStatus(f"Job {job.short_id} is {job.status}; only failed or cancelled jobs can be retried.")
        await self._enqueue_and_announce([change])
        return change.job

    async def delete(self, job_id: UUID) -> None:
        """Remove a job that is not running, with its timeline and artifacts, for good.

        Raises:
            JobNotFound: no such job.
            WrongStatus: it is running.
        """
        job = await self.store.get(job_id)
        if not await self.store.delete(job_id):
            job = await self.store.get(job_id)
            raise WrongStatus(f"Job {job.short_id} is running; cancel it first, then delete it.")
        await self._quietly(self._queue.remove(job_id, job.attempt))
        await self._announce([Deleted(deleted=job_id)])

    async def bulk(
        self,
        action: BulkAction,
        *,
        ids: Sequence[UUID] | None = None,
        job_filter: JobFilter | None = None,
        dry_run: bool = False,
    ) -> BulkOutcome:
        """Do ``action`` to the jobs named by ``ids`` or matched by ``job_filter``, one by one.

        With ``dry_run`` nothing changes, and ``done`` says how many would.
        """
        outcome = BulkOutcome()
        act = {"cancel": self.cancel, "retry": self.retry, "delete": self.delete}[action]
        async for job_id in self._chosen(ids, job_filter or JobFilter()):
            outcome.matched += 1
            try:
                if dry_run:
                    self._check_allowed(action, await self.store.get(job_id))
                else:
                    await act(job_id)
                outcome.done += 1
            except JobsError as exc:
                outcome.skipped.append(Skipped(job_id, exc.message))
        return outcome

    async def _chosen(self, ids: Sequence[UUID] | None, job_filter: JobFilter) -> AsyncIterator[UUID]:
        if ids is not None:
            for job_id in dict.fromkeys(ids):
                yield job_id
            return
        after: UUID | None = None
        while batch := await self.store.matching_ids(job_filter, after):
            for job_id in batch:
                yield job_id
            after = batch[-1]

    @staticmethod
    def _check_allowed(action: BulkAction, job: JobSnapshot) -> None:
        allowed = {
            "cancel": not job.status.is_terminal,
            "retry": job.status in RETRYABLE,
            "delete": job.status is not JobStatus.RUNNING,
        }[action]
        if not allowed:
            raise WrongStatus(f"Job {job.short_id} is {job.status}; it would be left alone.")

    # What a worker does

    async def start(self, job_id: UUID, attempt: int, worker: str) -> JobSnapshot | None:
        """The job, now running on ``worker``; ``None`` if nobody wants this attempt any more."""
        return await self._announced(await self.store.start(job_id, attempt, worker))

    async def add_notes(self, job_id: UUID, attempt: int, notes: Sequence[Note]) -> bool:
        """Record what a handler said; ``False`` if this attempt is no longer running: the handler should stop."""
        changes = await self.store.add_notes(job_id, attempt, notes)
        await self._announce(changes or [])
        return changes is not None

    async def complete(self, job_id: UUID, attempt: int, result: Any) -> JobSnapshot | None:
        """Record a result; ``None`` if this attempt is no longer running, and nothing was recorded."""
        return await self._announced(await self.store.complete(job_id, attempt, result))

    async def fail(
        self, job_id: UUID, attempt: int, error: JobError, *, retry_at: datetime | None
    ) -> JobSnapshot | None:
        """Record an error, and when to try again if at all; ``None`` if this attempt is no longer running."""
        return await self._announced(await self.store.fail(job_id, attempt, error, retry_at=retry_at))

    async def end_cancelled(self, job_id: UUID, attempt: int, message: str) -> JobSnapshot | None:
        """Record that a handler stopped as asked; ``None`` if this attempt is no longer running."""
        return await self._announced(await self.store.end_cancelled(job_id, attempt, message))

    async def hand_back(self, job_id: UUID, attempt: int) -> JobSnapshot | None:
        """Queue a job again that this worker cannot finish; costs no attempt."""
        change = await self.store.hand_back(job_id, attempt)
        if change is None:
            return None
        await self._enqueue_and_announce([change])
        return change.job

    async def _announced(self, change: Change | None) -> JobSnapshot | None:
        if change is None:
            return None
        await self._announce([change])
        return change.job

    # What time and accidents do

    async def promote_due(self) -> int:
        """Queue the scheduled jobs whose time has come; how many."""
        changes = await self.store.promote_due()
        await self._enqueue_and_announce(changes)
        return len(changes)

    async def requeue_missing(self) -> int:
        """Put every queued job that Redis does not know back in the queue; how many. Harmless to call at any time.

        Raises one of ``REDIS_TROUBLE`` when Redis is away.
        """
        found = 0
        after: UUID | None = None
        queued = JobFilter(statuses=(JobStatus.QUEUED,))
        while ids := await self.store.matching_ids(queued, after):
            jobs = [j for j in (await self.store.get_many(ids)).values() if j.status is JobStatus.QUEUED]
            lost = await self._queue.missing(jobs)
            await self._queue.enqueue(lost)
            found += len(lost)
            after = ids[-1]
            if len(ids) < ID_BATCH:
                break
        if found:
            log.warning("Put %d queued jobs back that Redis had lost.", found)
        return found

    async def take_from_lost_workers(self, lost: set[str]) -> int:
        """Queue the running jobs of these workers again, as new attempts; how many."""
        taken = 0
        for job in await self.store.running():
            if job.worker not in lost:
                continue
            if change := await self.store.take_from_lost_worker(job):
                log.warning("Job %s is taken from the lost worker %s.", job.id, job.worker)
                await self._quietly(self._queue.remove(job.id, job.attempt))
                await self._enqueue_and_announce([change])
                taken += 1
        return taken

    # Helpers

    def _validated(self, submission: Submission, *, lax: bool = False) -> NewJob:
        kind = self.kinds.get(submission.kind)
        if submission.delay_s is not None and submission.scheduled_for is not None:
            raise InvalidInput.of("delay_s", "cannot be given together with scheduled_for; choose one")
        plain_json.check(submission.params, "params")
        params: Params = kind.validate(submission.params, lax=lax)
        stored = params.model_dump(mode="json")
        size_bytes = len(plain_json.dumps(stored).encode())
        if size_bytes > self._settings.max_params_bytes:
            raise InvalidInput.of(
                "params",
                f"take {size_bytes} bytes, more than the {self._settings.max_params_bytes} allowed; "
                "keep large inputs elsewhere and pass a reference",
            )
        return NewJob(
            kind=kind.name,
            params=stored,
            priority=submission.priority,
            max_attempts=submission.max_attempts or kind.max_attempts,
            scheduled_for=_due(submission),
        )

    async def _enqueue_and_announce(self, changes: Sequence[Change]) -> None:
        queued = [change.job for change in changes if change.job.status is JobStatus.QUEUED]
        await self._quietly(self._queue.enqueue(queued))
        await self._announce(changes)

    async def _announce(self, changes: Iterable[Change | Deleted]) -> None:
        await self._quietly(self._events.publish(list(changes)))

    async def _quietly(self, call: Awaitable[None]) -> None:
        """Await a Redis call whose failure only delays: SQL is committed, and Redis is made to follow it later."""
        try:
            await call
        except REDIS_TROUBLE as exc:
            log.warning("Redis does not answer (%s); it will catch up when it is back.", exc)


def _due(submission: Submission) -> datetime | None:
    now = utc_now()
    if submission.delay_s is not None:
        return now + timedelta(seconds=submission.delay_s)
    at = submission.scheduled_for
    if at is not None and at - now > LONGEST_DELAY:
        raise InvalidInput.of("scheduled_for", f"is more than {LONGEST_DELAY.days} days ahead")
    return at


def _ended(status: JobStatus) -> str:
    return {JobStatus.CANCELLED: "been cancelled"}.get(status, str(status))
