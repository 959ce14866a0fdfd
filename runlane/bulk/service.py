"""One action on many jobs: previewed, done, seen while it is done, stopped, and a deletion undone.

Every such action is an operation, a row in SQL, whoever asks for it: a filter or a list of ids, and how far it is. Who
does it differs:

- ``begin`` leaves it to the server, which does one after the other in the background. It goes on when the page that
  asked for it is closed, and when the server is started again; it is listed, and written down in the audit as a whole.
- ``do`` does it in the call itself, which returns a complete report; whatever its size, since the answer of
  ``POST /api/jobs/bulk`` has always been complete. When the server is lost meanwhile, another goes on with it.

One that a call does is listed, too, and in the audit as a whole, when it changes more than ``MAX_UNLISTED`` jobs. A
smaller one is over before anybody could look at it, and lists on every page are for what takes long: it is in no list,
and the audit has one entry a job, as if each had been done alone. Its row is needed only while it is done and while it
can be undone, and goes soon after.
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
from runlane.bulk.execution import Execution, LeftAlone, Recorded, TakenOver, next_ids
from runlane.bulk.store import UNLISTED, Operation, OperationState, OperationStore
from runlane.clock import utc_now
from runlane.core.deletion import Removal
from runlane.core.reader import JobReader
from runlane.core.service import JobService
from runlane.errors import JobNotFound, JobsError, NothingToDo, Unavailable
from runlane.model.snapshot import short_id
from runlane.model.status import RETRYABLE, WAITING, JobStatus
from runlane.search.matching import EVERY_JOB, JobFilter

JobAction = Literal["cancel", "retry", "promote", "delete", "restore"]
"""What is done to one job after the other. ``restore`` takes ids: no filter finds a deleted job."""
Action = Literal["cancel", "retry", "promote", "delete", "clean", "obliterate"]
"""What can be begun on the server."""

REMOVED = frozenset(JobStatus) - {JobStatus.RUNNING}
AFFECTED: dict[Action, frozenset[JobStatus]] = {
    "cancel": WAITING | {JobStatus.RUNNING},
    "retry": RETRYABLE,
    "promote": frozenset({JobStatus.SCHEDULED}),
    "delete": REMOVED,
    "clean": REMOVED,
    "obliterate": frozenset(JobStatus),
}
"""The jobs that an action changes; others that match are left alone."""
CONFIRMATION = "obliterate"
"""The word to be typed before everything is removed for good."""
MAX_UNLISTED = 200
CHECK_EVERY_S = 5.0
AWAY_PAUSE_S = 1.0

log = logging.getLogger(__name__)

OnProgress = Callable[[Operation], Awaitable[None]]


@dataclass(frozen=True)
class OperationPreview:
    """What an operation would do: to how many jobs, of about how many bytes, and whom it would leave alone."""

    affected: int
    bytes: int
    left_alone: dict[JobStatus, int]

    @property
    def matched(self) -> int:
        return self.affected + sum(self.left_alone.values())


@dataclass
class OperationReport:
    """What came of an operation that a call did: how many jobs it changed, and every one that it left alone.

    ``operation``: which one it was, to undo it; ``None`` when it was about no job, or was only tried.
    """

    operation: UUID | None = None
    done: int = 0
    left_alone: list[LeftAlone] = field(default_factory=list)
    stopped: bool = False

    @property
    def matched(self) -> int:
        """How many jobs it has dealt with."""
        return self.done + len(self.left_alone)


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
        """Set when a listed operation of this server is further; whoever waits for it clears it."""

    async def get(self, operation_id: UUID) -> Operation:
        """How far it is, or how it ended. Raises ``OperationNotFound``."""
        return await self.store.get(operation_id)

    async def newest(self, count: int) -> list[Operation]:
        """The last ``count`` of those that are listed, newest first."""
        return await self.store.newest(count)

    async def preview(self, action: Action | JobAction, wanted: JobFilter, *, weigh: bool = True) -> OperationPreview:
        """What it would do now, from the jobs' statuses: as fast for a million jobs as for one.

        The bytes are estimated from some of the jobs; 0 unless ``weigh``, since that takes some more readings.

        Raises:
            QueryError: the filter's text cannot be read.
        """
        affects = _affects(action)
        counts = await self._reader.count_by_status(wanted)
        affected = sum(number for status, number in counts.items() if status in affects)
        each = await self._removal.bytes_each(wanted) if affected and weigh else 0.0
        left_alone = {status: number for status, number in counts.items() if status not in affects}
        return OperationPreview(affected, round(each * affected), left_alone)

    async def dry_run(self, action: JobAction, wanted: JobFilter) -> OperationReport:
        """The report that ``do`` would give now, from the jobs' statuses; nothing changes.

        Raises:
            QueryError: the filter's text cannot be read.
        """
        wanted, report = _each_once(wanted), OperationReport()
        batch = await next_ids(self._reader, wanted, None)
        while batch:
            statuses = await self._reader.statuses(batch)
            reasons = [(job_id, _why_not(action, job_id, statuses.get(job_id))) for job_id in batch]
            left_alone = [LeftAlone(job_id, reason) for job_id, reason in reasons if reason]
            report.done += len(batch) - len(left_alone)
            report.left_alone += left_alone
            batch = await next_ids(self._reader, wanted, batch[-1])
        return report

    async def begin(self, action: Action, wanted: JobFilter) -> Operation:
        """Begin it on the server; what becomes of it is seen in ``get``.

        Raises:
            NothingToDo: it matches no job that it would change.
            QueryError: the filter's text cannot be read.
        """
        preview = await self.preview(action, wanted, weigh=False)
        if not preview.affected:
            found = ", ".join(f"{number} {status}" for status, number in preview.left_alone.items())
            why = f"matches only jobs that it would leave alone: {found}" if found else "matches no job"
            raise NothingToDo(f"The filter {why}; nothing was begun.")
        operation = await self.store.insert(action, wanted, preview.affected)
        self._begun.set()
        self.changed.set()
        return operation

    async def do(self, action: JobAction, wanted: JobFilter, on_progress: OnProgress | None = None) -> OperationReport:
        """Do it in this call, and report when it is over. ``on_progress`` hears of it a few times a second.

        Raises:
            QueryError: the filter's text cannot be read.
            Unavailable: the database does not answer; a server does what is left of what was begun when it does again.
        """
        wanted = _each_once(wanted)
        preview = await self.preview(action, wanted, weigh=False)
        if not (wanted.ids or preview.matched):
            return OperationReport()
        total = len(wanted.ids or ()) if action == "restore" else preview.affected
        name = self._name_of_call(listed=total > MAX_UNLISTED)
        return await self._do_here(await self.store.insert(action, wanted, total, taken_by=name), on_progress)

    async def undo(self, operation_id: UUID) -> Operation:
        """Begin to bring back what a deletion removed. Raises ``OperationNotFound``, ``WrongStatus`` if it cannot."""
        operation = await self.store.undo(operation_id)
        self._begun.set()
        self.changed.set()
        return operation

    async def undo_here(self, operation_id: UUID) -> OperationReport:
        """Bring back in this call what a deletion removed that ``do`` did. Raises as ``undo`` and ``do``."""
        name = self._name_of_call(listed=False)
        return await self._do_here(await self.store.undo(operation_id, taken_by=name), None)

    async def stop(self, operation_id: UUID) -> Operation:
        """Stop it after what it is at. Raises ``OperationNotFound``."""
        operation = await self.store.stop(operation_id)
        self._changed(operation)
        return operation

    async def run(self) -> None:
        """Do what is begun, one after the other, until cancelled."""
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
        async def recorded(now: Operation, _: Sequence[LeftAlone]) -> None:
            self._changed(now)

        log.info("Operation %s: %s of %d jobs begins.", operation.id, operation.action, operation.total)
        try:
            ended = await self._execute(operation, recorded)
        except TakenOver:
            return
        except Unavailable:
            raise  # it goes on when the database is back
        except JobsError as exc:
            log.error("Operation %s is stopped: %s", operation.id, exc.message)
        except Exception:  # whatever it is: the operations after it are done all the same
            log.exception("Operation %s failed and is stopped.", operation.id)
        else:
            log.info("Operation %s is %s: %d done, %d left alone.", ended.id, ended.state, ended.done, ended.left_alone)

    async def _do_here(self, operation: Operation, on_progress: OnProgress | None) -> OperationReport:
        report = OperationReport(operation.id)

        async def recorded(now: Operation, left_alone: Sequence[LeftAlone]) -> None:
            report.done = now.done
            report.left_alone += left_alone
            self._changed(now)
            if on_progress is not None:
                await on_progress(now)

        await recorded(operation, ())
        ended = await self._execute(operation, recorded)
        report.stopped = ended.state is OperationState.STOPPED
        return report

    async def _execute(self, operation: Operation, recorded: Recorded) -> Operation:
        """Do an operation that this server has taken, and end it; one that fails is stopped. Raises what it raises."""
        execution = Execution(self.store, self._service, self._reader, operation, recorded)
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
        """A name of its own, so that this server's background work leaves the operation alone, too."""
        return f"{'' if listed else UNLISTED}{self._server}/{secrets.token_hex(4)}"


def _affects(action: Action | JobAction) -> frozenset[JobStatus]:
    return frozenset() if action == "restore" else AFFECTED[action]


def _each_once(wanted: JobFilter) -> JobFilter:
    return wanted if wanted.ids is None else replace(wanted, ids=tuple(dict.fromkeys(wanted.ids)))


def _why_not(action: JobAction, job_id: UUID, status: JobStatus | None) -> str:
    """Why an action would leave a job alone; empty when it would not."""
    if status is None:
        return JobNotFound(job_id).message
    return "" if status in _affects(action) else f"Job {short_id(job_id)} is {status}; it would be left alone."
