"""What people can do with jobs. Pages and REST go through here, so neither can do what the other cannot.

Every change goes the same way: commit in SQL, then update the queue and announce it (``runlane.core.follow_up``).
What workers write about attempts is in ``runlane.engine.writer``, how Redis is made to follow SQL after an outage in
``runlane.core.reconcile``. Nothing here depends on a handler.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from runlane import plain_json
from runlane.audit import changed
from runlane.clock import utc_now
from runlane.core.deletion import Removal
from runlane.core.edits import Edits
from runlane.core.follow_up import FollowUp
from runlane.core.insertion import Idempotency, NewJob
from runlane.core.store import Store
from runlane.errors import Conflict, FieldError, InvalidInput, Unavailable, WrongStatus
from runlane.kinds.catalogue import Catalogue
from runlane.kinds.masking import masked, title_of
from runlane.kinds.store import KindStore
from runlane.kinds.validation import validated
from runlane.model.limits import MAX_PRIORITY
from runlane.model.requests import MAX_DELAY, JobPatch, Submission, digest_of
from runlane.model.snapshot import Deleted, JobSnapshot
from runlane.model.status import WAITING, JobStatus
from runlane.queue.client import Command, JobQueue
from runlane.queue.redis_client import REDIS_TROUBLE
from runlane.search.matching import JobFilter
from runlane.settings import Settings

MAX_IN_BATCH = 1000
# Deletions in one announcement; more would not fit into a message that every listener can take.
MAX_ANNOUNCED = 500


class JobService:
    """Everything that can happen to a job."""

    def __init__(
        self,
        store: Store,
        edits: Edits,
        removal: Removal,
        queue: JobQueue,
        follow_up: FollowUp,
        kinds: Catalogue,
        registered: KindStore,
        settings: Settings,
    ) -> None:
        self._store = store
        self._edits = edits
        self._removal = removal
        self.kinds = kinds
        self._registered = registered
        self._queue = queue
        self._follow_up = follow_up
        self._settings = settings

    async def submit(
        self, submission: Submission, *, idempotency_key: str | None = None, lax: bool = False
    ) -> tuple[JobSnapshot, bool]:
        """The job made from ``submission``, and whether it was made now.

        The same ``idempotency_key`` gives the same job again. ``lax`` accepts text for numbers, as forms send it.

        Raises:
            InvalidInput: unknown kind or bad parameters, or the key was used with another submission; nothing is
                stored.
            Unavailable: the database does not answer; nothing is stored.
        """
        await self._learn([submission])
        new = self._validated(submission, lax=lax)
        await self._check_originals([submission], lambda _: "rerun_of")
        once = None if idempotency_key is None else Idempotency(idempotency_key, submission.digest)
        changes, created = await self._store.insert([new], once=once)
        if created:
            await self._follow_up.changed(changes)
        return changes[0].job, created

    async def submit_many(self, submissions: Sequence[Submission]) -> list[JobSnapshot]:
        """The jobs made, in order, all or none; of none, none. Raises as ``submit_batch``."""
        return (await self.submit_batch(submissions))[0]

    async def submit_batch(
        self, submissions: Sequence[Submission], *, idempotency_key: str | None = None
    ) -> tuple[list[JobSnapshot], bool]:
        """As ``submit_many``, and whether they were made now. The same ``idempotency_key`` gives the same jobs again.

        Raises:
            InvalidInput: each field is named ``jobs.<index>.<field>``, or the key was used with other submissions or
                for jobs of which some are deleted; nothing is stored.
        """
        if not submissions:
            return [], False
        await self._learn(submissions)
        valid, errors = [], []
        for index, submission in enumerate(submissions):
            try:
                valid.append(self._validated(submission))
            except InvalidInput as exc:
                errors += [FieldError(f"jobs.{index}.{e.field}", e.message) for e in exc.errors]
        if errors:
            raise InvalidInput(errors)
        await self._check_originals(submissions, lambda index: f"jobs.{index}.rerun_of")
        once = None if idempotency_key is None else Idempotency(idempotency_key, digest_of(submissions))
        changes, created = await self._store.insert(valid, once=once)
        if created:
            await self._follow_up.changed(changes)
        return [change.job for change in changes], created

    async def cancel(self, job_id: UUID) -> JobSnapshot:
        """Stop a job: a waiting one is ``cancelled`` at once, the handler of a running one is asked to stop.

        Calling it again asks the handler again.

        Raises:
            JobNotFound: no such job.
            WrongStatus: it has finished.
        """
        if change := await self._store.cancel_waiting(job_id):
            await self._follow_up.removed([(job_id, change.job.kind)], [change])
            return change.job
        if change := await self._store.request_cancel(job_id):
            await self._follow_up.announce([change])
        job = change.job if change else await self._store.get(job_id)
        if job.status in WAITING:  # it was handed back between the two attempts above
            return await self.cancel(job_id)
        if job.status.is_terminal:
            raise WrongStatus(
                f"Job {job.short_id} has already {_ended(job.status)}; only a job that waits or runs can be cancelled."
            )
        await self._follow_up.command(Command(cancel=job_id))
        return job

    async def retry(self, job_id: UUID, *, from_start: bool = False) -> JobSnapshot:
        """Queue a failed or cancelled job as a new attempt.

        It goes on from what it saved; ``from_start`` removes that first.

        Raises:
            JobNotFound: no such job.
            WrongStatus: it is in another status.
        """
        change = await self._store.retry(job_id, from_start=from_start)
        if change is None:
            job = await self._store.get(job_id)
            raise WrongStatus(f"Job {job.short_id} is {job.status}; only failed or cancelled jobs can be retried.")
        await self._follow_up.changed([change])
        return change.job

    async def edit(self, job_id: UUID, patch: JobPatch) -> JobSnapshot:
        """Change a job that waits; what is not named stays as it is. It moves to its new position in the queue.

        Raises:
            JobNotFound: no such job.
            InvalidInput: parameters that its kind refuses, or a time for a job that has none.
            WrongStatus: it does not wait any more.
            Conflict: it is not at the version that the patch names.
        """
        job = await self._store.get(job_id)
        values = patch.model_dump(exclude_unset=True, exclude={"version"})
        if patch.version is not None and patch.version != job.version and job.status in WAITING:
            raise Conflict(f"Job {job.short_id} has just been changed: {job.message} Check it, then try again.")
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
        if "params" in values:
            kind = self.kinds.get(job.kind)
            for side in (before, after):
                if "params" in side:
                    side["params"] = masked(kind, side["params"])
            values["title"] = title_of(kind, values["params"])
        change = await self._edits.edit(job, values, before, after)
        if change is None:
            return await self.edit(job_id, patch)  # it has changed since, so decide again
        await self._follow_up.changed([change])
        return change.job

    async def promote(self, job_id: UUID) -> JobSnapshot:
        """Start a scheduled job before its time, as soon as a slot is free.

        Raises:
            JobNotFound: no such job.
            WrongStatus: it is not scheduled (any more).
        """
        change = await self._edits.promote(job_id)
        if change is None:
            job = await self._store.get(job_id)
            raise WrongStatus(f"Job {job.short_id} is {job.status}; only a scheduled job can be started sooner.")
        await self._follow_up.changed([change])
        return change.job

    async def move_to_front(self, job_id: UUID) -> JobSnapshot:
        """Give a queued job a priority above all that wait, so that it is next.

        Raises:
            JobNotFound: no such job.
            WrongStatus: it is not queued, or one with the highest priority there is waits before it.
            Unavailable: Redis, which has the order of the queue, does not answer.
        """
        job = await self._store.get(job_id)
        if job.status is not JobStatus.QUEUED:
            raise WrongStatus(f"Job {job.short_id} is {job.status}; only a queued job can be moved to the front.")
        try:
            first = await self._queue.head(1)
        except REDIS_TROUBLE as exc:
            raise Unavailable("Redis does not answer, so nobody knows what is next; try again.") from exc
        ahead = (await self._store.get_many(first, brief=True)).values()
        highest = max((other.priority for other in ahead if other.id != job_id), default=None)
        if highest is None:
            return job
        if highest >= MAX_PRIORITY:
            raise WrongStatus(
                f"A job with the highest priority, {MAX_PRIORITY}, waits before job {job.short_id}; "
                "lower that one's first."
            )
        return await self.edit(job_id, JobPatch(priority=highest + 1))

    async def delete(self, job_id: UUID, *, operation: UUID | None = None) -> None:
        """Remove a job that is not running, with its timeline and artifacts. ``operation``: the one that deletes it.

        It is hidden from everybody at once; ``restore`` brings it back until it is purged, ``UNDO_WITHIN`` later.

        Raises:
            JobNotFound: no such job.
            WrongStatus: it is running.
        """
        deleted = await self._removal.delete([job_id], operation)
        if not deleted:
            job = await self._store.get(job_id)
            if job.status is not JobStatus.RUNNING:  # it has ended between the two
                return await self.delete(job_id, operation=operation)
            raise WrongStatus(f"Job {job.short_id} is running; cancel it first, then delete it.")
        await self._follow_up.removed(list(deleted.items()), [Deleted(deleted=(job_id,))])
        return None

    async def clean(self, job_filter: JobFilter, limit: int) -> int:
        """Remove for good up to ``limit`` of the jobs that match and do not run; how many, 0 when none is left."""
        deleted = await self._removal.clean(job_filter, limit)
        if deleted:
            waited = [(job_id, kind) for job_id, kind in deleted.items() if kind is not None]
            ids = tuple(deleted)
            parts = range(0, len(ids), MAX_ANNOUNCED)
            await self._follow_up.removed(waited, [Deleted(deleted=ids[at : at + MAX_ANNOUNCED]) for at in parts])
        return len(deleted)

    async def restore(self, job_id: UUID) -> JobSnapshot:
        """Bring back a job that was deleted a moment ago, as it was; a waiting one waits again.

        Raises:
            JobNotFound: it has been purged, or never existed.
            WrongStatus: it is not deleted.
        """
        changes = await self._removal.restore([job_id])
        if not changes:
            job = await self._store.get(job_id)
            raise WrongStatus(f"Job {job.short_id} is not deleted, so there is nothing to bring back.")
        await self._follow_up.changed(changes)
        return changes[0].job

    async def restore_some(self, operation: UUID, limit: int) -> int:
        """Bring back up to ``limit`` of the jobs that an operation deleted; how many, 0 when none is left."""
        changes = await self._removal.restore_some(operation, limit)
        await self._follow_up.changed(changes)
        return len(changes)

    # Helpers

    def checked_params(self, kind_name: str, params: dict[str, Any], *, lax: bool = False) -> dict[str, Any]:
        """The parameters as they are stored, with the kind's defaults.

        Raises:
            InvalidInput: unknown kind, or parameters that are bad or too large.
        """
        kind = self.kinds.get(kind_name)
        plain_json.check(params, "params")
        stored = validated(kind, params, lax=lax)
        size_bytes = len(plain_json.dumps(stored).encode())
        if size_bytes > self._settings.max_params_bytes:
            raise InvalidInput.of(
                "params",
                f"take {size_bytes} bytes, more than the {self._settings.max_params_bytes} allowed; "
                "keep large inputs elsewhere and pass a reference",
            )
        return stored

    async def _learn(self, submissions: Sequence[Submission]) -> None:
        """Read kinds that this process has not heard of: a worker may have registered them a moment ago."""
        names = {each.kind for each in submissions if each.kind not in self.kinds}
        if names and (found := await self._registered.find(sorted(names))):
            self.kinds.replace([*self.kinds, *(each.kind for each in found)])

    async def _check_originals(self, submissions: Sequence[Submission], field: Callable[[int], str]) -> None:
        """Refuse submissions that claim to be re-runs of jobs that do not exist."""
        originals = {submission.rerun_of for submission in submissions if submission.rerun_of is not None}
        known = await self._store.statuses(list(originals)) if originals else {}
        errors = [
            FieldError(field(index), f"there is no job {submission.rerun_of}")
            for index, submission in enumerate(submissions)
            if submission.rerun_of is not None and submission.rerun_of not in known
        ]
        if errors:
            raise InvalidInput(errors)

    def _validated(self, submission: Submission, *, lax: bool = False) -> NewJob:
        kind = self.kinds.get(submission.kind)
        if submission.delay_s is not None and submission.scheduled_for is not None:
            raise InvalidInput.of("delay_s", "cannot be given together with scheduled_for; choose one")
        params = self.checked_params(submission.kind, submission.params, lax=lax)
        return NewJob(
            kind=kind.name,
            title=title_of(kind, params),
            params=params,
            priority=submission.priority,
            max_attempts=submission.max_attempts or kind.max_attempts,
            scheduled_for=_due(submission),
            rerun_of=submission.rerun_of,
        )


def _due(submission: Submission) -> datetime | None:
    if submission.delay_s is not None:
        return utc_now() + timedelta(seconds=submission.delay_s)
    if submission.scheduled_for is not None:
        _check_time(submission.scheduled_for)
    return submission.scheduled_for


def _check_time(at: datetime) -> None:
    if at - utc_now() > MAX_DELAY:
        raise InvalidInput.of("scheduled_for", f"is more than {MAX_DELAY.days} days ahead")


def _ended(status: JobStatus) -> str:
    return {JobStatus.CANCELLED: "been cancelled"}.get(status, str(status))
