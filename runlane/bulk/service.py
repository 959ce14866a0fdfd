"""One action on many jobs: preview it, execute it, follow it, stop it, and undo a deletion.

Every such action is an operation, a row in SQL with a filter or a list of ids, and with its progress. It is executed in
one of two ways:

- ``begin`` leaves it to the server, which executes one after the other in the background. It goes on when the page that
  began it is closed, and after a restart of the server; it is listed, and has one entry in the audit.
- ``do`` executes it in the call itself, which returns a complete report; whatever its size, since the answer of
  ``POST /api/jobs/bulk`` has always been complete. If the server is lost, another one goes on with it.

One that a call executes is also listed, with one entry in the audit, when it changes more than ``MAX_UNLISTED`` jobs. A
smaller one is over before anybody could open it, and the lists on pages are for what takes long: it is in no list, and
the audit has one entry a job, as if each had been changed alone. Its row is needed only while it is executed and can be
undone, and is removed soon after.
"""

import asyncio
import logging
import os
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal
from uuid import UUID

from runlane.audit import acting_as
from runlane.bulk.execution import Execution, LeftAlone, OnSaved, TakenOver, next_ids
from runlane.bulk.store import UNLISTED, Operation, OperationState, OperationStore
from runlane.clock import utc_now
from runlane.core.deletion import Removal
from runlane.core.reader import JobReader
from runlane.core.service import JobService
from runlane.errors import JobNotFound, JobsError, NothingToDo, Unavailable
from runlane.model.snapshot import short_id
from runlane.model.status import RETRYABLE, WAITING, JobStatus
from runlane.search.matching import EVERY_JOB, JobFilter

# What is done to one job after the other. ``restore`` takes ids: no filter finds a deleted job.
JobAction = Literal["cancel", "retry", "promote", "delete", "restore"]
# What can be begun on the server.
Action = Literal["cancel", "retry", "promote", "delete", "clean", "obliterate"]

REMOVED = frozenset(JobStatus) - {JobStatus.RUNNING}
# The jobs that an action changes; others that match are left alone.
AFFECTED: dict[Action, frozenset[JobStatus]] = {
    "cancel": WAITING | {JobStatus.RUNNING},
    "retry": RETRYABLE,
    "promote": frozenset({JobStatus.SCHEDULED}),
    "delete": REMOVED,
    "clean": REMOVED,
    "obliterate": frozenset(JobStatus),
}
# The word to be typed before everything is removed for good.
CONFIRMATION = "obliterate"
MAX_UNLISTED = 200
CHECK_EVERY_S = 5.0
AWAY_PAUSE_S = 1.0

log = logging.getLogger(__name__)

OnProgress = Callable[[Operation], Awaitable[None]]


@dataclass(frozen=True)
class OperationPreview:
    """What an operation would do: how many jobs it would change, their bytes, and which it would leave alone."""

    affected: int
    bytes: int
    left_alone: dict[JobStatus, int]

    @property
    def matched(self) -> int:
        return self.affected + sum(self.left_alone.values())


@dataclass
class OperationReport:
    """The outcome of an operation that a call executed: how many jobs it changed, and every one that it left alone.

    ``operation``: its id, to undo it; ``None`` when no job matched, or for a dry run.
    """

    operation: UUID | None = None
    done: int = 0
    left_alone: list[LeftAlone] = field(default_factory=list)
    stopped: bool = False

    @property
    def matched(self) -> int:
        """How many jobs it has dealt with so far."""
        return self.done + len(self.left_alone)


def needs_confirmation(action: Action, job_filter: JobFilter) -> bool:
    """Whether it would remove everything for good, so that ``CONFIRMATION`` has to be typed."""
    names_all = not job_filter.statuses or set(job_filter.statuses) >= REMOVED
    is_everything = replace(job_filter, statuses=(), text=job_filter.text.strip()) == EVERY_JOB
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
        # Set when a listed operation of this server has made progress; whoever waits for it clears it.
        self.changed = asyncio.Event()

    async def get(self, operation_id: UUID) -> Operation:
        """Its progress, or how it ended. Raises ``OperationNotFound``."""
        return await self.store.get(operation_id)

    async def newest(self, count: int) -> list[Operation]:
        """The last ``count`` of those that are listed, newest first."""
        return await self.store.newest(count)

    async def preview(
        self, action: Action | JobAction, job_filter: JobFilter, *, weigh: bool = True
    ) -> OperationPreview:
        """What it would do now, from the jobs' statuses: as fast for a million jobs as for one.

        The bytes are estimated from some of the jobs; 0 unless ``weigh``, since that takes more queries.

        Raises:
            QueryError: the filter's text cannot be read.
        """
        affects = _affects(action)
        counts = await self._reader.count_by_status(job_filter)
        affected = sum(number for status, number in counts.items() if status in affects)
        each = await self._removal.bytes_each(job_filter) if affected and weigh else 0.0
        left_alone = {status: number for status, number in counts.items() if status not in affects}
        return OperationPreview(affected, round(each * affected), left_alone)

    async def dry_run(self, action: JobAction, job_filter: JobFilter) -> OperationReport:
        """The report that ``do`` would give now, from the jobs' statuses; nothing changes.

        Raises:
            QueryError: the filter's text cannot be read.
        """
        job_filter, report = _without_duplicates(job_filter), OperationReport()
        batch = await next_ids(self._reader, job_filter, None)
        while batch:
            statuses = await self._reader.statuses(batch)
            reasons = [(job_id, _why_not(action, job_id, statuses.get(job_id))) for job_id in batch]
            left_alone = [LeftAlone(job_id, reason) for job_id, reason in reasons if reason]
            report.done += len(batch) - len(left_alone)
            report.left_alone += left_alone
            batch = await next_ids(self._reader, job_filter, batch[-1])
        return report

    async def begin(self, action: Action, job_filter: JobFilter) -> Operation:
        """Begin it on the server; follow it with ``get``.

        Raises:
            NothingToDo: it matches no job that it would change.
            QueryError: the filter's text cannot be read.
        """
        preview = await self.preview(action, job_filter, weigh=False)
        if not preview.affected:
            found = ", ".join(f"{number} {status}" for status, number in preview.left_alone.items())
            why = f"matches only jobs that it would leave alone: {found}" if found else "matches no job"
            raise NothingToDo(f"The filter {why}; nothing was begun.")
        operation = await self.store.insert(action, job_filter, preview.affected)
        self._begun.set()
        self.changed.set()
        return operation

    async def do(
        self, action: JobAction, job_filter: JobFilter, on_progress: OnProgress | None = None
    ) -> OperationReport:
        """Execute it in this call, and return its report. ``on_progress`` is awaited a few times a second.

        Raises:
            QueryError: the filter's text cannot be read.
            Unavailable: the database does not answer; a server finishes what was begun when it does again.
        """
        job_filter = _without_duplicates(job_filter)
        preview = await self.preview(action, job_filter, weigh=False)
        if not (job_filter.ids or preview.matched):
            return OperationReport()
        total = len(job_filter.ids or ()) if action == "restore" else preview.affected
        name = self._name_of_call(listed=total > MAX_UNLISTED)
        return await self._do_here(await self.store.insert(action, job_filter, total, taken_by=name), on_progress)

    async def undo(self, operation_id: UUID) -> Operation:
        """Begin to bring back what a deletion removed. Raises ``OperationNotFound``, ``WrongStatus`` if it cannot."""
        operation = await self.store.undo(operation_id)
        self._begun.set()
        self.changed.set()
        return operation

    async def undo_here(self, operation_id: UUID) -> OperationReport:
        """Bring back, in this call, what ``do`` deleted. Raises as ``undo`` and ``do``."""
        name = self._name_of_call(listed=False)
        return await self._do_here(await self.store.undo(operation_id, taken_by=name), None)

    async def stop(self, operation_id: UUID) -> Operation:
        """Stop it after the job or batch at hand. Raises ``OperationNotFound``."""
        operation = await self.store.stop(operation_id)
        self._changed(operation)
        return operation

    async def run(self) -> None:
        """Execute what is begun, one after the other, until cancelled."""
        while True:
            self._begun.clear()
            try:
                while operation := await self.store.take(self._server, utc_now()):
                    await self._do_in_background(operation)
            except Unavailable as exc:
                log.info("An operation has to wait: %s", exc.message)
                await asyncio.sleep(AWAY_PAUSE_S)
                continue
            try:
                async with asyncio.timeout(CHECK_EVERY_S):
                    await self._begun.wait()
            except TimeoutError:
                pass

    async def _do_in_background(self, operation: Operation) -> None:
        async def on_saved(now: Operation, _: Sequence[LeftAlone]) -> None:
            self._changed(now)

        log.info("Operation %s: %s of %d jobs begins.", operation.id, operation.action, operation.total)
        try:
            ended = await self._execute(operation, on_saved)
        except TakenOver:
            return
        except Unavailable:
            raise  # it is resumed when the database is back
        except JobsError as exc:
            log.error("Operation %s is stopped: %s", operation.id, exc.message)
        except Exception:  # whatever it is: the operations after it must still be executed
            log.exception("Operation %s failed and is stopped.", operation.id)
        else:
            log.info("Operation %s is %s: %d done, %d left alone.", ended.id, ended.state, ended.done, ended.left_alone)

    async def _do_here(self, operation: Operation, on_progress: OnProgress | None) -> OperationReport:
        report = OperationReport(operation.id)

        async def on_saved(now: Operation, left_alone: Sequence[LeftAlone]) -> None:
            report.done = now.done
            report.left_alone += left_alone
            self._changed(now)
            if on_progress is not None:
                await on_progress(now)

        await on_saved(operation, ())
        ended = await self._execute(operation, on_saved)
        report.stopped = ended.state is OperationState.STOPPED
        return report

    async def _execute(self, operation: Operation, on_saved: OnSaved) -> Operation:
        """Execute an operation that this server holds, and end it; one that fails is stopped, and its error raised."""
        execution = Execution(self.store, self._service, self._reader, operation, on_saved)
        try:
            with acting_as(operation.who):
                await execution.run()
        except Unavailable:
            raise
        except Exception:
            await self._end(execution.operation, OperationState.STOPPED)
            raise
        is_stopped = execution.operation.state is OperationState.STOPPING
        return await self._end(execution.operation, OperationState.STOPPED if is_stopped else OperationState.DONE)

    async def _end(self, operation: Operation, state: OperationState) -> Operation:
        ended = await self.store.end(operation, state)
        if ended is None:
            raise TakenOver(operation.id)
        self._changed(ended)
        return ended

    def _changed(self, operation: Operation) -> None:
        if operation.is_listed:
            self.changed.set()

    def _name_of_call(self, *, listed: bool) -> str:
        """A unique name, so that the background work of this server, too, leaves the operation alone."""
        return f"{'' if listed else UNLISTED}{self._server}/{secrets.token_hex(4)}"


def _affects(action: Action | JobAction) -> frozenset[JobStatus]:
    return frozenset() if action == "restore" else AFFECTED[action]


def _without_duplicates(job_filter: JobFilter) -> JobFilter:
    return job_filter if job_filter.ids is None else replace(job_filter, ids=tuple(dict.fromkeys(job_filter.ids)))


def _why_not(action: JobAction, job_id: UUID, status: JobStatus | None) -> str:
    """Why an action would leave a job alone; empty when it would not."""
    if status is None:
        return JobNotFound(job_id).message
    return "" if status in _affects(action) else f"Job {short_id(job_id)} is {status}; it would be left alone."
