"""Doing one operation: one job after the other, or in batches with a rest between transactions of milliseconds.

Owns how each action is done and how often progress is recorded, not who asked and who gets the report: that is
``runlane.bulk.service``. Whoever does an operation holds it under a name, and gives it up when another has taken it.
What removes jobs for good, or brings them back, rests between two transactions, so that workers write in between.
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

RECORD_EVERY_S = 0.25
IDS_BATCH = 500
FIRST_BATCH, MIN_BATCH, MAX_BATCH = 250, 50, 2000
BATCH_S = 0.025
"""How long a transaction that removes jobs or brings them back should take; its size follows from that."""
REST_S = 0.008
"""Between two of them: long enough that a worker that waits for the database looks meanwhile."""
STOPPED_WITHIN_S = 60.0
"""How long ``obliterate`` waits for handlers to stop before it leaves their jobs alone."""
CHECK_EVERY_S = 0.2


class TakenOver(Unavailable):
    """Nothing was recorded for so long that another server goes on with the operation."""

    def __init__(self, operation_id: UUID) -> None:
        super().__init__(
            f"The database answered so slowly that another server goes on with this; "
            f"GET /api/operations/{operation_id} says how far it is."
        )


@dataclass(frozen=True)
class LeftAlone:
    """A job that was left alone, or several (``id`` is ``None``), and why, in words."""

    id: UUID | None
    reason: str


Recorded = Callable[[Operation, Sequence[LeftAlone]], Awaitable[None]]
"""Awaited after each step that is recorded, with the operation as it is now and what that step left alone."""


class Execution:
    """One operation while it is being done; ``operation`` is as it was recorded last."""

    def __init__(
        self,
        store: OperationStore,
        service: JobService,
        reader: JobReader,
        operation: Operation,
        recorded: Recorded,
    ) -> None:
        self.operation = operation
        self._store = store
        self._service = service
        self._reader = reader
        self._recorded = recorded

    async def run(self) -> None:
        """Do it, from where it is to its end, or until somebody stops it.

        Raises:
            TakenOver: another server goes on with it.
            Unavailable: the database does not answer; it can go on from where it is.
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
        """Do what can be done with one job to each."""
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
        done, left_alone, recorded_at = 0, list[LeftAlone](), time.monotonic()
        for number, job_id in enumerate(batch, start=1):
            try:
                await act(job_id)
                done += 1
            except Unavailable:
                raise
            except JobsError as exc:
                left_alone.append(LeftAlone(job_id, exc.message))
            if time.monotonic() - recorded_at > RECORD_EVERY_S or number == len(batch):
                await self._record(done, left_alone, cursor=job_id)
                if not self._goes_on:
                    return
                done, left_alone, recorded_at = 0, [], time.monotonic()

    async def _clean(self) -> None:
        """Remove for good everything that matches and does not run, and count what was left alone, by reason."""
        await self._remove()
        if not self._goes_on:
            return
        now = self.operation
        running = (await self._reader.count_by_status(now.filter)).get(JobStatus.RUNNING, 0)
        meanwhile = max(0, now.total - now.done - running)
        reasons = {
            "still running: cancel first, or obliterate": running,
            "no longer there, or not as they were, when their turn came; some may have started": meanwhile,
        }
        left_alone = [LeftAlone(None, f"{count:,} {reason}.") for reason, count in reasons.items() if count]
        await self._record(0, left_alone, count=running + meanwhile)

    async def _remove(self) -> None:
        """Remove for good everything that matches and does not run."""
        await self._in_batches(partial(self._service.clean, self.operation.filter))

    async def _in_batches(self, step: Callable[[int], Awaitable[int]]) -> None:
        """Do ``step``, which takes the number of jobs to deal with at most, until it dealt with none."""
        size, done, recorded_at = FIRST_BATCH, 0, time.monotonic()
        while self._goes_on:
            began = time.monotonic()
            found = await step(size)
            took_s = time.monotonic() - began
            size = max(MIN_BATCH, min(MAX_BATCH, round(size * min(2.0, BATCH_S / took_s))))
            done += found
            if not found or time.monotonic() - recorded_at > RECORD_EVERY_S:
                await self._record(done, [])
                done, recorded_at = 0, time.monotonic()
            if not found:
                return
            await asyncio.sleep(REST_S)

    async def _obliterate(self) -> None:
        """Stop what runs, and remove everything; what does not stop is left alone."""
        give_up_at = time.monotonic() + STOPPED_WITHIN_S
        await self._remove()
        is_running = replace(self.operation.filter, statuses=(JobStatus.RUNNING,))
        while self._goes_on:
            running = (await self._reader.page(is_running, limit=200, brief=True)).jobs
            if not running:
                return await self._remove()
            if time.monotonic() > give_up_at:
                return await self._record(0, [LeftAlone(job.id, f"Job {job.short_id} still runs.") for job in running])
            for job in running:
                if job.cancel_requested_at is None:
                    with contextlib.suppress(JobNotFound, WrongStatus):  # it has ended by itself
                        await self._service.cancel(job.id)
            await asyncio.sleep(CHECK_EVERY_S)
            await self._remove()
        return None

    async def _record(
        self, done: int, left_alone: Sequence[LeftAlone], *, cursor: UUID | None = None, count: int | None = None
    ) -> None:
        reasons = [{"id": "" if each.id is None else str(each.id), "reason": each.reason} for each in left_alone]
        step = Progress(done, len(left_alone) if count is None else count, reasons, cursor)
        now = await self._store.record(self.operation, step)
        if now is None:
            raise TakenOver(self.operation.id)
        self.operation = now
        await self._recorded(now, left_alone)


async def next_ids(reader: JobReader, wanted: JobFilter, after: UUID | None) -> list[UUID]:
    """Some of the jobs beyond ``after``: in the order of their ids, or of ``wanted.ids``, whether they exist or not.

    Each of ``wanted.ids`` is there once.
    """
    if wanted.ids is None:
        return await reader.matching_ids(wanted, after)
    begin = 0 if after is None else wanted.ids.index(after) + 1
    return list(wanted.ids[begin : begin + IDS_BATCH])
