"""Executing one operation: one job after the other, or in batches with a pause between transactions of milliseconds.

Owns how each action is executed and how often progress is saved, not who requested it and who gets the report: that is
``runlane.bulk.service``. Whoever executes an operation holds it under a name, and gives it up when another has taken
it. What removes jobs for good, or brings them back, pauses between two transactions, so that workers can write.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from uuid import UUID

from runlane.bulk.store import Operation, OperationState, OperationStore, Progress
from runlane.core.reader import JobReader
from runlane.core.service import JobService
from runlane.errors import JobNotFound, JobsError, Unavailable, WrongStatus
from runlane.model.status import JobStatus
from runlane.search.matching import JobFilter

SAVE_EVERY_S = 0.25
IDS_BATCH = 500
FIRST_BATCH, MIN_BATCH, MAX_BATCH = 250, 50, 2000
# How long a transaction that removes jobs or brings them back should take; its size follows from that.
BATCH_S = 0.025
# Between two of them: long enough for a worker that waits for the database to try again.
PAUSE_S = 0.008
# How long ``obliterate`` waits for handlers to stop before it leaves their jobs alone.
STOPPED_WITHIN_S = 60.0
CHECK_EVERY_S = 0.2


class TakenOver(Unavailable):
    """No progress was saved for so long that another server goes on with the operation."""

    def __init__(self, operation_id: UUID) -> None:
        super().__init__(
            f"The database answered so slowly that another server goes on with this; "
            f"GET /api/operations/{operation_id} shows its progress."
        )


@dataclass(frozen=True)
class LeftAlone:
    """A job that was left alone, or several (``id`` is ``None``), and why, in words."""

    id: UUID | None
    reason: str


# Awaited whenever progress is saved, with the operation as it is now and the jobs left alone since the last time.
OnSaved = Callable[[Operation, Sequence[LeftAlone]], Awaitable[None]]


class Execution:
    """One operation while it is executed; ``operation`` is as it was last saved."""

    def __init__(
        self,
        store: OperationStore,
        service: JobService,
        reader: JobReader,
        operation: Operation,
        on_saved: OnSaved,
    ) -> None:
        self.operation = operation
        self._store = store
        self._service = service
        self._reader = reader
        self._on_saved = on_saved

    async def run(self) -> None:
        """Execute it, from where it is to its end, or until somebody stops it.

        Raises:
            TakenOver: another server goes on with it.
            Unavailable: the database does not answer; it can be resumed from where it is.
        """
        steps: dict[str, Callable[[], Awaitable[None]]] = {"clean": self._clean, "obliterate": self._obliterate}
        if self.operation.undoes is not None:
            await self._in_batches(partial(self._service.restore_some, self.operation.undoes))
        else:
            await steps.get(self.operation.action, self._one_by_one)()

    @property
    def _goes_on(self) -> bool:
        return self.operation.state is OperationState.RUNNING

    async def _one_by_one(self) -> None:
        """Execute an action on each job."""
        acts: dict[str, Callable[[UUID], Awaitable[object]]] = {
            "cancel": self._service.cancel,
            "retry": self._service.retry,
            "promote": self._service.promote,
            "delete": partial(self._service.delete, operation=self.operation.id),
            "restore": self._service.restore,
        }
        act = acts[self.operation.action]
        while self._goes_on and (batch := await next_ids(self._reader, self.operation.filter, self.operation.cursor)):
            await self._batch(batch, act)

    async def _batch(self, batch: list[UUID], act: Callable[[UUID], Awaitable[object]]) -> None:
        done, left_alone, saved_at = 0, list[LeftAlone](), time.monotonic()
        for number, job_id in enumerate(batch, start=1):
            try:
                await act(job_id)
                done += 1
            except Unavailable:
                raise
            except JobsError as exc:
                left_alone.append(LeftAlone(job_id, exc.message))
            if time.monotonic() - saved_at > SAVE_EVERY_S or number == len(batch):
                await self._save(done, left_alone, cursor=job_id)
                if not self._goes_on:
                    return
                done, left_alone, saved_at = 0, [], time.monotonic()

    async def _clean(self) -> None:
        """Remove for good everything that matches and does not run; count what was left alone, by reason."""
        await self._remove()
        if not self._goes_on:
            return
        now = self.operation
        running = (await self._reader.count_by_status(now.filter)).get(JobStatus.RUNNING, 0)
        changed = max(0, now.total - now.done - running)
        reasons = {
            "still running: cancel first, or obliterate": running,
            "no longer there, or not as they were, when their turn came; some may have started": changed,
        }
        left_alone = [LeftAlone(None, f"{count:,} {reason}.") for reason, count in reasons.items() if count]
        await self._save(0, left_alone, count=running + changed)

    async def _remove(self) -> None:
        """Remove for good everything that matches and does not run."""
        await self._in_batches(partial(self._service.clean, self.operation.filter))

    async def _in_batches(self, step: Callable[[int], Awaitable[int]]) -> None:
        """Call ``step``, which takes the largest number of jobs to deal with, until it has dealt with none."""
        size, done, saved_at = FIRST_BATCH, 0, time.monotonic()
        while self._goes_on:
            began = time.monotonic()
            found = await step(size)
            took_s = time.monotonic() - began
            size = max(MIN_BATCH, min(MAX_BATCH, round(size * min(2.0, BATCH_S / took_s))))
            done += found
            if not found or time.monotonic() - saved_at > SAVE_EVERY_S:
                await self._save(done, [])
                done, saved_at = 0, time.monotonic()
            if not found:
                return
            await asyncio.sleep(PAUSE_S)

    async def _obliterate(self) -> None:
        """Cancel what runs, and remove everything; what does not stop is left alone."""
        give_up_at = time.monotonic() + STOPPED_WITHIN_S
        await self._remove()
        is_running = replace(self.operation.filter, statuses=(JobStatus.RUNNING,))
        while self._goes_on:
            running = (await self._reader.page(is_running, limit=200, brief=True)).jobs
            if not running:
                return await self._remove()
            if time.monotonic() > give_up_at:
                return await self._save(0, [LeftAlone(job.id, f"Job {job.short_id} still runs.") for job in running])
            for job in running:
                if job.cancel_requested_at is None:
                    with contextlib.suppress(JobNotFound, WrongStatus):  # it has ended in the meantime
                        await self._service.cancel(job.id)
            await asyncio.sleep(CHECK_EVERY_S)
            await self._remove()
        return None

    async def _save(
        self, done: int, left_alone: Sequence[LeftAlone], *, cursor: UUID | None = None, count: int | None = None
    ) -> None:
        reasons = [{"id": "" if each.id is None else str(each.id), "reason": each.reason} for each in left_alone]
        step = Progress(done, len(left_alone) if count is None else count, reasons, cursor)
        now = await self._store.save_progress(self.operation, step)
        if now is None:
            raise TakenOver(self.operation.id)
        self.operation = now
        await self._on_saved(now, left_alone)


async def next_ids(reader: JobReader, job_filter: JobFilter, after: UUID | None) -> list[UUID]:
    """Ids of the next jobs after ``after``: in their own order, or in that of ``job_filter.ids``, existing or not.

    Each of ``job_filter.ids`` must be there only once.
    """
    if job_filter.ids is None:
        return await reader.matching_ids(job_filter, after)
    begin = 0 if after is None else job_filter.ids.index(after) + 1
    return list(job_filter.ids[begin : begin + IDS_BATCH])
