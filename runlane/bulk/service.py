"""What is done to many jobs at once, on the server: previewed, then done in batches, seen by all, stopped by anybody.

It goes on when the page that asked for it is closed, and when the server is started again. What removes
jobs, or brings them back, rests between transactions of milliseconds, so that workers write between any two of them.
"""

import asyncio
import contextlib
import logging
import os
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal
from uuid import UUID

from runlane.audit import acting_as
from runlane.bulk.store import Operation, OperationState, OperationStore, Progress
from runlane.clock import utc_now
from runlane.core.deletion import Removal
from runlane.core.reader import JobReader
from runlane.core.service import ALLOWED, JobService
from runlane.errors import JobNotFound, JobsError, NothingToDo, Unavailable, WrongStatus
from runlane.model.status import JobStatus
from runlane.search.matching import EVERY_JOB, JobFilter

Action = Literal["cancel", "retry", "promote", "delete", "clean", "obliterate"]

REMOVED = frozenset(JobStatus) - {JobStatus.RUNNING}
AFFECTED: dict[Action, frozenset[JobStatus]] = {
    "cancel": ALLOWED["cancel"],
    "retry": ALLOWED["retry"],
    "promote": ALLOWED["promote"],
    "delete": ALLOWED["delete"],
    "clean": REMOVED,
    "obliterate": frozenset(JobStatus),
}
"""The jobs that an action changes; others that match are left alone."""
CONFIRMATION = "obliterate"
"""The word to be typed before everything is removed for good."""
LOOK_EVERY_S = 5.0
AWAY_PAUSE_S = 1.0
RECORD_EVERY_S = 0.25
FIRST_BATCH, FEWEST, MOST = 250, 50, 2000
BATCH_S = 0.025
"""How long a transaction that removes jobs or brings them back should take; its size follows from that."""
REST_S = 0.008
"""Between two of them: long enough that a worker that waits for the database looks meanwhile."""
STOPPED_WITHIN_S = 60.0
"""How long ``obliterate`` waits for handlers to stop before it leaves their jobs alone."""
CHECK_EVERY_S = 0.2

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class OperationPreview:
    """What an operation would do: to how many jobs, of about how many bytes, and whom it would leave alone."""

    affected: int
    bytes: int
    left_alone: dict[JobStatus, int]


def needs_confirmation(action: Action, wanted: JobFilter) -> bool:
    """Whether it would remove everything for good, so that ``CONFIRMATION`` has to be typed."""
    names_all = not wanted.statuses or set(wanted.statuses) >= REMOVED
    is_everything = replace(wanted, statuses=(), text=wanted.text.strip()) == EVERY_JOB
    return action == "obliterate" or (action == "clean" and names_all and is_everything)


class Operations:
    """The operations of one server."""

    def __init__(self, store: OperationStore, service: JobService, reader: JobReader, removal: Removal) -> None:
        self.store = store
        self._reader = reader
        self._removal = removal
        self._service = service
        self._server = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._begun = asyncio.Event()
        self.changed = asyncio.Event()
        """Set when an operation of this server is further; whoever waits for it clears it."""

    async def preview(self, action: Action, wanted: JobFilter) -> OperationPreview:
        """What it would do now.

        Raises:
            QueryError: the filter's text cannot be read.
        """
        counts = await self._reader.count_by_status(wanted)
        affected = sum(number for status, number in counts.items() if status in AFFECTED[action])
        each = await self._removal.bytes_each(wanted) if affected else 0.0
        left_alone = {status: number for status, number in counts.items() if status not in AFFECTED[action]}
        return OperationPreview(affected, round(each * affected), left_alone)

    async def begin(self, action: Action, wanted: JobFilter) -> Operation:
        """Begin it; what becomes of it is seen in ``store``.

        Raises:
            NothingToDo: it matches no job that it would change.
            QueryError: the filter's text cannot be read.
        """
        preview = await self.preview(action, wanted)
        if not preview.affected:
            found = ", ".join(f"{number} {status}" for status, number in preview.left_alone.items())
            told = f"matches only jobs that it would leave alone: {found}" if found else "matches no job"
            raise NothingToDo(f"The filter {told}; nothing was begun.")
        operation = await self.store.insert(action, wanted, preview.affected)
        self._begun.set()
        self.changed.set()
        return operation

    async def get(self, operation_id: UUID) -> Operation:
        """The operation as it is now. Raises ``OperationNotFound``."""
        return await self.store.get(operation_id)

    async def newest(self, limit: int) -> list[Operation]:
        """Up to ``limit`` operations, of all servers, newest first."""
        return await self.store.newest(limit)

    async def undo(self, operation_id: UUID) -> Operation:
        """Begin to bring back what a deletion removed. Raises ``OperationNotFound``, ``WrongStatus`` if it cannot."""
        operation = await self.store.undo(operation_id)
        self._begun.set()
        self.changed.set()
        return operation

    async def stop(self, operation_id: UUID) -> Operation:
        """Stop it after what it is at. Raises ``OperationNotFound``."""
        operation = await self.store.stop(operation_id)
        self.changed.set()
        return operation

    async def run(self) -> None:
        """Do what is begun, one after the other, until cancelled."""
        while True:
            self._begun.clear()
            try:
                while operation := await self.store.take(self._server, utc_now()):
                    await self._do(operation)
            except Unavailable as exc:
                log.info("An operation has to wait: %s", exc.message)
                await asyncio.sleep(AWAY_PAUSE_S)
                continue
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._begun.wait()
            except TimeoutError:
                pass

    async def _do(self, operation: Operation) -> None:
        log.info("Operation %s: %s of %d jobs begins.", operation.id, operation.action, operation.total)
        steps: dict[str, Callable[[Operation], Awaitable[Operation | None]]] = {
            "clean": self._clean,
            "obliterate": self._obliterate,
            "restore": self._restore,
        }
        try:
            with acting_as(operation.who):
                ended = await steps.get(operation.action, self._one_by_one)(operation)
        except Unavailable:
            raise  # it goes on when the database is back
        except JobsError as exc:
            log.error("Operation %s is stopped: %s", operation.id, exc.message)
            await self.store.end(operation, OperationState.STOPPED)
            self.changed.set()
            return
        except Exception:  # whatever it is: the operations after it are done all the same
            log.exception("Operation %s failed and is stopped.", operation.id)
            await self.store.end(operation, OperationState.STOPPED)
            self.changed.set()
            return
        if ended is None:
            return  # another server goes on with it
        state = OperationState.STOPPED if ended.state is OperationState.STOPPING else OperationState.DONE
        await self.store.end(ended, state)
        self.changed.set()
        log.info("Operation %s is %s: %d done, %d left alone.", ended.id, state, ended.done, ended.left_alone)

    async def _one_by_one(self, operation: Operation) -> Operation | None:
        """Do what can be done with one job to each, in the order of their ids."""
        act = self._service.acts()[operation.action]  # type: ignore[index]
        if operation.action == "delete":
            act = partial(self._service.delete, operation=operation.id)
        now: Operation | None = operation
        while now is not None and now.state is OperationState.RUNNING:
            batch = await self._reader.matching_ids(now.filter, now.cursor)
            if not batch:
                return now
            now = await self._batch(now, batch, act)
        return now

    async def _batch(
        self, operation: Operation, batch: list[UUID], act: Callable[[UUID], Awaitable[object]]
    ) -> Operation | None:
        now: Operation | None = operation
        done, reasons, recorded_at = 0, list[dict[str, str]](), time.monotonic()
        for place, job_id in enumerate(batch):
            try:
                await act(job_id)
                done += 1
            except Unavailable:
                raise
            except JobsError as exc:
                reasons.append({"id": str(job_id), "reason": exc.message})
            if time.monotonic() - recorded_at > RECORD_EVERY_S or place + 1 == len(batch):
                now = await self._add(now or operation, done, reasons, job_id)
                if now is None or now.state is not OperationState.RUNNING:
                    return now
                done, reasons, recorded_at = 0, [], time.monotonic()
        return now

    async def _clean(self, operation: Operation) -> Operation | None:
        """Remove for good everything that matches and does not run, and tell how many were left alone, and why."""
        now = await self._remove(operation)
        if now is None or now.state is not OperationState.RUNNING:
            return now
        counts = await self._reader.count_by_status(now.filter)
        running = counts.get(JobStatus.RUNNING, 0)
        meanwhile = max(0, now.total - now.done - running)
        left = {
            "still running: cancel first, or obliterate": running,
            "no longer there, or not as they were, when their turn came; some may have started": meanwhile,
        }
        reasons = [{"id": "", "reason": f"{count:,} {why}."} for why, count in left.items() if count]
        return await self._add(now, 0, reasons, None, left_alone=running + meanwhile)

    async def _remove(self, operation: Operation) -> Operation | None:
        """Remove for good everything that matches and does not run."""
        return await self._in_batches(operation, partial(self._service.clean, operation.filter))

    async def _restore(self, operation: Operation) -> Operation | None:
        """Bring back what another operation deleted."""
        assert operation.undoes is not None
        return await self._in_batches(operation, partial(self._service.restore_some, operation.undoes))

    async def _in_batches(self, operation: Operation, step: Callable[[int], Awaitable[int]]) -> Operation | None:
        """Do ``step``, which is told with how many jobs at most and tells with how many it was, until none is left."""
        now: Operation | None = operation
        most, done, recorded_at = FIRST_BATCH, 0, time.monotonic()
        while now is not None and now.state is OperationState.RUNNING:
            began = time.monotonic()
            found = await step(most)
            took_s = time.monotonic() - began
            most = max(FEWEST, min(MOST, round(most * min(2.0, BATCH_S / took_s))))
            done += found
            if not found or time.monotonic() - recorded_at > RECORD_EVERY_S:
                now = await self._add(now, done, [], None)
                done, recorded_at = 0, time.monotonic()
            if not found:
                return now
            await asyncio.sleep(REST_S)
        return now

    async def _obliterate(self, operation: Operation) -> Operation | None:
        """Stop what runs, and remove everything; what does not stop is left alone."""
        give_up_at = time.monotonic() + STOPPED_WITHIN_S
        now = await self._remove(operation)
        while now is not None and now.state is OperationState.RUNNING:
            running = await self._reader.page(
                JobFilter(**{**vars(now.filter), "statuses": (JobStatus.RUNNING,)}), limit=200, brief=True
            )
            if not running.jobs:
                return await self._remove(now)
            if time.monotonic() > give_up_at:
                left = [{"id": str(job.id), "reason": f"Job {job.short_id} still runs."} for job in running.jobs]
                return await self._add(now, 0, left, None)
            for job in running.jobs:
                if job.cancel_requested_at is None:
                    with contextlib.suppress(JobNotFound, WrongStatus):  # it has ended by itself
                        await self._service.cancel(job.id)
            await asyncio.sleep(CHECK_EVERY_S)
            now = await self._remove(now)
        return now

    async def _add(
        self,
        operation: Operation,
        done: int,
        reasons: list[dict[str, str]],
        cursor: UUID | None,
        *,
        left_alone: int | None = None,
    ) -> Operation | None:
        left = len(reasons) if left_alone is None else left_alone
        now = await self.store.record(operation, self._server, Progress(done, left, reasons, cursor))
        self.changed.set()
        return now
