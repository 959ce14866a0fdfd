"""Making Redis follow SQL: entries that are missing, entries that should not be there, jobs that have fallen due.

Workers call this, and a server whose Redis was away. Everything here may be done by any number of processes at once and
at any time: each change in SQL is conditional, and enqueueing what is in the queue changes nothing.
"""

import logging
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from runlane.core.attempts import taken_from_lost_worker
from runlane.core.follow_up import FollowUp
from runlane.core.store import WAITING_BATCH, Store
from runlane.logs import about_job
from runlane.model.snapshot import WaitingJob
from runlane.model.status import WAITING, JobStatus
from runlane.queue.client import JobQueue
from runlane.queue.redis_client import quietly

log = logging.getLogger(__name__)


class Reconciler:
    """One queue, and the store it follows. All but ``reclaim`` raise one of ``REDIS_TROUBLE`` if Redis is away."""

    def __init__(self, store: Store, queue: JobQueue, follow_up: FollowUp) -> None:
        self._store = store
        self._queue = queue
        self._follow_up = follow_up

    async def requeue_missing(self, *, thorough: bool = False) -> int:
        """Put every waiting job that Redis does not have back in the queue; how many. Harmless to call at any time.

        The newest are lost first, so the search goes back until nothing of a batch is missing; a ``thorough`` one
        goes through all, the oldest first.
        """
        found = 0
        for status in (JobStatus.QUEUED, JobStatus.SCHEDULED):
            last: WaitingJob | None = None
            while jobs := await self._store.waiting(status, newest_first=not thorough, beyond=last):
                missing = await self._queue.missing(jobs)
                # what has been claimed, ended or edited since is not lost
                now = await self._store.get_many(list(missing)) if missing else {}
                lost = [now[job.id] for job in jobs if job.id in now and now[job.id].status is status]
                await self._queue.enqueue(lost)
                found += len(lost)
                last = jobs[-1]
                if len(jobs) < WAITING_BATCH or not (lost or thorough):
                    break
        if found:
            log.warning("Put back %d waiting jobs that Redis did not have.", found)
        return found

    async def drop_orphans(self) -> int:
        """Drop the queue's entries whose job is not waiting (any more); how many."""
        if await self._queue.is_empty():
            return 0
        dropped = 0
        for kind in await self._queue.kinds():
            cursor = -1
            while cursor != 0:
                cursor, ids = await self._queue.entries_of(kind, max(cursor, 0))
                statuses = await self._store.statuses(ids)
                # what has been claimed since is in no queue, and may be waiting again by now: that is left alone
                orphans = [job_id for job_id in ids if statuses.get(job_id) is not JobStatus.QUEUED]
                dropped += await self._queue.drop(kind, orphans)
        if dropped:
            log.warning("Dropped %d entries of the queue that no waiting job belongs to.", dropped)
        return dropped

    async def queue_due(self, job_ids: Sequence[UUID], now: datetime) -> None:
        """Queue the scheduled jobs whose time has come; drop the reminders of those that wait no more."""
        changes = {change.job.id: change for change in await self._store.queue_due(job_ids, now)}
        others = await self._store.get_many([job_id for job_id in job_ids if job_id not in changes])
        still_waiting = [job for job in others.values() if job.status in WAITING]
        await self._queue.enqueue([*(change.job for change in changes.values()), *still_waiting])
        for job_id in job_ids:
            if job_id not in changes and (job_id not in others or others[job_id].status not in WAITING):
                await self._queue.forget_reminder(str(job_id))
        await self._follow_up.announce(changes.values())

    async def put_back(self, job_ids: Sequence[UUID]) -> None:
        """Put claimed jobs that no one could start back in the queue; those not queued any more are left alone."""
        found = await self._store.get_many(job_ids)
        await self._queue.enqueue([job for job in found.values() if job.status is JobStatus.QUEUED])

    async def reclaim(self, job_id: UUID) -> None:
        """Deal with a claim whose lease has expired: a running job gets a new attempt, a waiting one is queued."""
        job = (await self._store.get_many([job_id])).get(job_id)
        if job is None:
            return
        if job.status is JobStatus.RUNNING:
            [changes] = await self._store.record([taken_from_lost_worker(job)])
            if changes:
                with about_job(job.id):
                    log.warning("Reclaimed from the lost worker %s.", job.worker)
                await self._follow_up.changed(changes)
        elif job.status in WAITING:
            await quietly(self._queue.enqueue([job]))
