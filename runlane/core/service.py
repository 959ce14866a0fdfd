"""What can be done with jobs. Pages, REST and workers all go through here, so none can do what the others cannot.

Every change goes the same way: commit in SQL, then tell the queue, then announce. A crash or a Redis outage between
two of them costs delay only: ``requeue_missing`` makes Redis follow SQL again, and announcements are healed by
whoever reads the store. Nothing here knows a handler.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from runlane import plain_json
from runlane.audit import changed
from runlane.clock import utc_now
from runlane.core.attempts import AttemptWrite, taken_from_lost_worker
from runlane.core.store import WAITING_BATCH, NewJob, Once, Store
from runlane.errors import (
    ChangedMeanwhile,
    FieldError,
    InvalidInput,
    KindNotFound,
    Unavailable,
    WrongStatus,
)
from runlane.kinds.catalogue import Catalogue, Kind, masked
from runlane.kinds.settings_store import KindSetting
from runlane.logs import about_job
from runlane.model.limits import HIGHEST_PRIORITY, KindLimit, Limits, Rate
from runlane.model.requests import LONGEST_DELAY, JobPatch, KindChange, QueueChange, Submission
from runlane.model.snapshot import Change, Deleted, JobSnapshot, WaitingJob
from runlane.model.status import WAITING, JobStatus
from runlane.queue.change_feed import Events
from runlane.queue.client import Command, JobQueue
from runlane.queue.redis_client import REDIS_TROUBLE
from runlane.search.matching import JobFilter
from runlane.settings import Settings

MOST_IN_BATCH = 1000
MOST_ANNOUNCED = 500
"""Deletions in one announcement; the most of them that fit in a message which every listener can take."""

log = logging.getLogger(__name__)


class JobService:
    """Everything that can happen to a job."""

    def __init__(self, store: Store, queue: JobQueue, events: Events, kinds: Catalogue, settings: Settings) -> None:
        self.store = store
        self.kinds = kinds
        self.fell_behind = asyncio.Event()
        """Set when the queue could not be told of a job; ``requeue_missing`` makes up for it."""
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
            InvalidInput: unknown kind or bad parameters, or the key came with another submission before; nothing is
                stored.
            Unavailable: the database does not answer; nothing is stored.
        """
        new = self._validated(submission, lax=lax)
        await self._check_models([submission], lambda _: "rerun_of")
        once = None if idempotency_key is None else Once(idempotency_key, submission.digest)
        changes, created = await self.store.insert([new], once=once)
        if created:
            await self._enqueue_and_announce(changes)
        return changes[0].job, created

    async def submit_many(self, submissions: Sequence[Submission]) -> list[JobSnapshot]:
        """The jobs made, in order, all or none; of none, none.

        Raises:
            InvalidInput: each field is named ``jobs.<index>.<field>``; nothing is stored.
        """
        if not submissions:
            return []
        news, errors = [], []
        for index, submission in enumerate(submissions):
            try:
                news.append(self._validated(submission))
            except InvalidInput as exc:
                errors += [FieldError(f"jobs.{index}.{e.field}", e.message) for e in exc.errors]
        if errors:
            raise InvalidInput(errors)
        await self._check_models(submissions, lambda index: f"jobs.{index}.rerun_of")
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
            await self._quietly(self._queue.remove([(job_id, change.job.kind)]))
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
        await self._quietly(self._queue.send(Command(cancel=job_id)))
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

    async def edit(self, job_id: UUID, patch: JobPatch) -> JobSnapshot:
        """Change a job that waits; what is not named stays as it is. It takes its new place in the queue.

        Raises:
            JobNotFound: no such job.
            InvalidInput: parameters that its kind refuses, or a time for a job that has none.
            WrongStatus: it does not wait any more.
            ChangedMeanwhile: it is not at the version that the patch names.
        """
        job = await self.store.get(job_id)
        values = patch.model_dump(exclude_unset=True, exclude={"version"})
        if patch.version is not None and patch.version != job.version and job.status in WAITING:
            raise ChangedMeanwhile(f"Job {job.short_id} was changed meanwhile: {job.message} Look, then try again.")
        if job.status not in WAITING:
            raise WrongStatus(f"Job {job.short_id} is {job.status}; only a job that waits can be edited.")
        if "scheduled_for" in values and patch.scheduled_for is None:
            values.pop("scheduled_for")
        if patch.scheduled_for is not None:
            if job.status is not JobStatus.SCHEDULED:
                raise InvalidInput.of(
                    "scheduled_for", "is of a job that is due already; only a scheduled one has a time"
                )
            _check_time(patch.scheduled_for)
        if "params" in values:
            values["params"] = self.checked_params(job.kind, patch.params)
        if "max_attempts" in values and patch.max_attempts < job.attempt:
            raise InvalidInput.of("max_attempts", f"must be at least {job.attempt}, the attempt that comes next")
        before, after = changed({name: getattr(job, name) for name in values}, values)
        if not after:
            return job
        kind = self.kinds.get(job.kind)
        for side in (before, after):
            if "params" in side:
                side["params"] = masked(kind, side["params"])
        change = await self.store.edits.edit(job, values, before, after)
        if change is None:
            return await self.edit(job_id, patch)  # it has changed since; what is true now decides
        await self._enqueue_and_announce([change])
        return change.job

    async def promote(self, job_id: UUID) -> JobSnapshot:
        """Let a scheduled job run now, as soon as a slot is free.

        Raises:
            JobNotFound: no such job.
            WrongStatus: it is not scheduled (any more).
        """
        change = await self.store.edits.promote(job_id)
        if change is None:
            job = await self.store.get(job_id)
            raise WrongStatus(f"Job {job.short_id} is {job.status}; only a scheduled job can be started sooner.")
        await self._enqueue_and_announce([change])
        return change.job

    async def move_to_front(self, job_id: UUID) -> JobSnapshot:
        """Give a queued job a priority above all that wait, so that it is next.

        Raises:
            JobNotFound: no such job.
            WrongStatus: it is not queued, or one with the highest priority there is waits before it.
            Unavailable: Redis does not answer, which knows what is next.
        """
        job = await self.store.get(job_id)
        if job.status is not JobStatus.QUEUED:
            raise WrongStatus(f"Job {job.short_id} is {job.status}; only a queued job can be moved to the front.")
        try:
            first = await self._queue.head(1)
        except REDIS_TROUBLE as exc:
            raise Unavailable("Redis does not answer, so nobody knows what is next; try again.") from exc
        ahead = (await self.store.get_many(first, brief=True)).values()
        highest = max((other.priority for other in ahead if other.id != job_id), default=None)
        if highest is None:
            return job
        if highest >= HIGHEST_PRIORITY:
            raise WrongStatus(
                f"A job with the highest priority, {HIGHEST_PRIORITY}, waits before job {job.short_id}; "
                "lower that one's first."
            )
        return await self.edit(job_id, JobPatch(priority=highest + 1))

    async def delete(self, job_id: UUID, *, operation: UUID | None = None) -> None:
        """Remove a job that is not running, with its timeline and artifacts. ``operation``: the one that does it.

        It is gone for everybody at once; ``restore`` brings it back until it is purged, ``UNDO_WITHIN`` later.

        Raises:
            JobNotFound: no such job.
            WrongStatus: it is running.
        """
        deleted = await self.store.removal.delete([job_id], operation)
        if not deleted:
            job = await self.store.get(job_id)
            if job.status is not JobStatus.RUNNING:  # it has ended between the two
                return await self.delete(job_id, operation=operation)
            raise WrongStatus(f"Job {job.short_id} is running; cancel it first, then delete it.")
        await self._quietly(self._queue.remove(list(deleted.items())))
        await self._announce([Deleted(deleted=(job_id,))])
        return None

    async def clean(self, wanted: JobFilter, most: int) -> int:
        """Remove for good up to ``most`` of the jobs that match and do not run; how many, 0 when none is left."""
        gone = await self.store.removal.clean(wanted, most)
        if gone:
            waited = [(job_id, kind) for job_id, kind in gone.items() if kind is not None]
            await self._quietly(self._queue.remove(waited))
            ids = tuple(gone)
            parts = range(0, len(ids), MOST_ANNOUNCED)
            await self._announce([Deleted(deleted=ids[at : at + MOST_ANNOUNCED]) for at in parts])
        return len(gone)

    async def restore(self, job_id: UUID) -> JobSnapshot:
        """Bring back a job that was deleted a moment ago, as it was; a waiting one waits again.

        Raises:
            JobNotFound: it is gone for good, or never was.
            WrongStatus: it is not deleted.
        """
        changes = await self.store.removal.restore([job_id])
        if not changes:
            job = await self.store.get(job_id)
            raise WrongStatus(f"Job {job.short_id} is not deleted, so there is nothing to bring back.")
        await self._enqueue_and_announce(changes)
        return changes[0].job

    async def restore_some(self, operation: UUID, most: int) -> int:
        """Bring back up to ``most`` of the jobs that an operation deleted; how many, 0 when none is left."""
        changes = await self.store.removal.restore_some(operation, most)
        await self._enqueue_and_announce(changes)
        return len(changes)

    # The queue as a whole

    async def limits(self) -> Limits:
        """What claiming obeys: what people have set, else the environment, and what each kind allows."""
        setting, of_kinds = await asyncio.gather(self.store.settings.queue(), self.store.settings.kinds())
        return Limits(
            concurrency=setting.concurrency or self._settings.concurrency,
            paused=setting.paused,
            kinds={kind.name: _limit(kind, of_kinds.get(kind.name, KindSetting())) for kind in self.kinds},
        )

    async def change_queue(self, change: QueueChange) -> Limits:
        """Pause or resume, or change how many jobs run at once; running jobs are left alone.

        Raises:
            ChangedMeanwhile: it is not at the version that the change names.
        """
        changes = change.model_dump(exclude_unset=True, exclude={"version"})
        await self.store.settings.change_queue(changes, change.version)
        return await self._obey_limits()

    async def change_kind(self, name: str, change: KindChange) -> Limits:
        """Pause or resume the jobs of a kind, or change how many of them run at once or start in a time.

        Raises:
            KindNotFound: no such kind.
            ChangedMeanwhile: its setting is not at the version that the change names.
        """
        if name not in {kind.name for kind in self.kinds}:
            raise KindNotFound(name)
        changes = change.model_dump(exclude_unset=True, exclude={"version", "rate"})
        if "rate" in change.model_fields_set:
            rate = change.rate
            changes |= {"rate_count": rate and rate.count, "rate_s": rate and rate.seconds}
        await self.store.settings.change_kind(name, changes, change.version)
        return await self._obey_limits()

    async def _obey_limits(self) -> Limits:
        await self._quietly(self._queue.set_limits(self.limits))
        return await self.limits()

    # What a worker does

    async def record(self, writes: Sequence[AttemptWrite]) -> list[list[Change] | None]:
        """Write down what happened to attempts, all or none; see ``core.attempts``. ``follow_up`` comes next."""
        return await self.store.record(writes)

    async def follow_up(self, changes: Sequence[Change]) -> None:
        """Let the queue know of committed changes, then announce them, in order."""
        await self._enqueue_and_announce(changes)

    # What time and accidents do

    async def promote_due(self, job_ids: Sequence[UUID], now: datetime) -> None:
        """Queue the scheduled jobs whose time has come; those of other states are no longer awaited.

        Raises one of ``REDIS_TROUBLE`` when Redis is away.
        """
        changes = {change.job.id: change for change in await self.store.promote(job_ids, now)}
        others = await self.store.get_many([job_id for job_id in job_ids if job_id not in changes])
        still_waiting = [job for job in others.values() if job.status in WAITING]
        await self._queue.enqueue([*(change.job for change in changes.values()), *still_waiting])
        for job_id in job_ids:
            if job_id not in changes and (job_id not in others or others[job_id].status not in WAITING):
                await self._queue.forget_reminder(str(job_id))
        await self._announce(list(changes.values()))

    async def requeue_missing(self, *, thorough: bool = False) -> int:
        """Put every waiting job that Redis does not know back in the queue; how many. Harmless to call at any time.

        What gets lost is what came last, so the search goes back until all of a batch is there; a ``thorough`` one
        goes through all, the oldest first.

        Raises one of ``REDIS_TROUBLE`` when Redis is away.
        """
        found = 0
        for status in (JobStatus.QUEUED, JobStatus.SCHEDULED):
            last: WaitingJob | None = None
            while jobs := await self.store.waiting(status, newest_first=not thorough, beyond=last):
                missing = await self._queue.missing(jobs)
                # what was claimed, ended or edited meanwhile is not lost
                now = await self.store.get_many(list(missing)) if missing else {}
                lost = [now[job.id] for job in jobs if job.id in now and now[job.id].status is status]
                await self._queue.enqueue(lost)
                found += len(lost)
                last = jobs[-1]
                if len(jobs) < WAITING_BATCH or not (lost or thorough):
                    break
        if found:
            log.warning("Put %d waiting jobs back that Redis did not have.", found)
        return found

    async def drop_orphans(self) -> int:
        """Take entries out of the queue whose job does not wait (any more); how many.

        Raises one of ``REDIS_TROUBLE`` when Redis is away.
        """
        if await self._queue.is_empty():
            return 0
        dropped = 0
        for kind in await self._queue.kinds():
            cursor = -1
            while cursor != 0:
                cursor, ids = await self._queue.entries_of(kind, max(cursor, 0))
                statuses = await self.store.statuses(ids)
                # what was claimed meanwhile is in no queue, and may be awaited again by now: that is left alone
                orphans = [job_id for job_id in ids if statuses.get(job_id) is not JobStatus.QUEUED]
                dropped += await self._queue.drop(kind, orphans)
        if dropped:
            log.warning("Dropped %d entries of the queue that no waiting job belongs to.", dropped)
        return dropped

    async def reclaim(self, job_id: UUID) -> None:
        """Deal with a claim whose lease is over: a job that ran runs again as a new attempt, one that waits, waits."""
        job = (await self.store.get_many([job_id])).get(job_id)
        if job is None:
            return
        if job.status is JobStatus.RUNNING:
            [changes] = await self.record([taken_from_lost_worker(job)])
            if changes:
                with about_job(job.id):
                    log.warning("It is taken from the lost worker %s.", job.worker)
                await self.follow_up(changes)
        elif job.status in WAITING:
            await self._quietly(self._queue.enqueue([job]))

    async def put_back(self, job_ids: Sequence[UUID]) -> None:
        """Put those of the jobs that are queued back in the queue, which they were taken from in vain.

        Raises one of ``REDIS_TROUBLE`` when Redis is away.
        """
        found = await self.store.get_many(job_ids)
        await self._queue.enqueue([job for job in found.values() if job.status is JobStatus.QUEUED])

    # Helpers

    def checked_params(self, kind_name: str, params: dict[str, Any], *, lax: bool = False) -> dict[str, Any]:
        """The parameters as they are stored, with the kind's defaults.

        Raises:
            InvalidInput: unknown kind, or parameters that are bad or take too much room.
        """
        kind = self.kinds.get(kind_name)
        plain_json.check(params, "params")
        stored = kind.validate(params, lax=lax).model_dump(mode="json")
        size_bytes = len(plain_json.dumps(stored).encode())
        if size_bytes > self._settings.max_params_bytes:
            raise InvalidInput.of(
                "params",
                f"take {size_bytes} bytes, more than the {self._settings.max_params_bytes} allowed; "
                "keep large inputs elsewhere and pass a reference",
            )
        return stored

    async def _check_models(self, submissions: Sequence[Submission], field: Callable[[int], str]) -> None:
        """Refuse submissions that claim to be re-runs of jobs that are not there."""
        wanted = {submission.rerun_of for submission in submissions if submission.rerun_of is not None}
        known = await self.store.statuses(list(wanted)) if wanted else {}
        errors = [
            FieldError(field(index), f"there is no job {submission.rerun_of}")
            for index, submission in enumerate(submissions)
            if submission.rerun_of is not None and submission.rerun_of not in known
        ]
        if errors:
            raise InvalidInput(errors)

    async def remind(self, name: str, at: datetime) -> None:
        """Have a worker look at ``name`` at that time; if Redis is away, reconciling makes up for it."""
        if not await self._quietly(self._queue.remind(name, at)):
            self.fell_behind.set()

    async def forget_reminder(self, name: str) -> None:
        await self._quietly(self._queue.forget_reminder(name))

    def _validated(self, submission: Submission, *, lax: bool = False) -> NewJob:
        kind = self.kinds.get(submission.kind)
        if submission.delay_s is not None and submission.scheduled_for is not None:
            raise InvalidInput.of("delay_s", "cannot be given together with scheduled_for; choose one")
        return NewJob(
            kind=kind.name,
            params=self.checked_params(submission.kind, submission.params, lax=lax),
            priority=submission.priority,
            max_attempts=submission.max_attempts or kind.max_attempts,
            scheduled_for=_due(submission),
            rerun_of=submission.rerun_of,
        )

    async def _enqueue_and_announce(self, changes: Sequence[Change]) -> None:
        """Both at once: a server that hangs should hold up whoever submits only once."""
        waiting = [change.job for change in changes if change.job.status in WAITING]
        if not waiting:
            await self._announce(changes)
            return
        enqueued, _ = await asyncio.gather(self._quietly(self._queue.enqueue(waiting)), self._announce(changes))
        if not enqueued:
            self.fell_behind.set()

    async def _announce(self, changes: Iterable[Change | Deleted]) -> None:
        await self._quietly(self._events.publish(list(changes)))

    async def _quietly(self, call: Awaitable[object]) -> bool:
        """Await a Redis call whose failure only delays: SQL is committed, and Redis is made to follow it later."""
        try:
            await call
        except REDIS_TROUBLE as exc:
            log.warning("Redis does not answer (%s); it will catch up when it is back.", exc)
            return False
        return True


def _due(submission: Submission) -> datetime | None:
    if submission.delay_s is not None:
        return utc_now() + timedelta(seconds=submission.delay_s)
    if submission.scheduled_for is not None:
        _check_time(submission.scheduled_for)
    return submission.scheduled_for


def _check_time(at: datetime) -> None:
    if at - utc_now() > LONGEST_DELAY:
        raise InvalidInput.of("scheduled_for", f"is more than {LONGEST_DELAY.days} days ahead")


def _limit(kind: Kind, setting: KindSetting) -> KindLimit:
    """What holds for a kind: what people have set, else what it says itself."""
    rate = kind.rate
    if setting.rate_count is not None and setting.rate_s is not None:
        rate = Rate(setting.rate_count, setting.rate_s)
    return KindLimit(setting.max_running or kind.max_running, rate, setting.paused)


def _ended(status: JobStatus) -> str:
    return {JobStatus.CANCELLED: "been cancelled"}.get(status, str(status))
