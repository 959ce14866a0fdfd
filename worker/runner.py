"""One job from start to finish: the only place that calls a handler, and the only one that catches ``Exception``.

The handler runs in a task of its own, so that it can be interrupted more than once: a handler that swallows its first
``CancelledError`` is told again until the grace time is over. Its slot stays taken for as long as its code runs.
"""

import asyncio
import enum
import logging
import random
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar
from uuid import UUID

from jobs import plain_json
from jobs.errors import InvalidInput, Unavailable
from jobs.kinds import Catalogue
from jobs.logs import about_job
from jobs.models import utc_now
from jobs.service import JobService
from jobs.settings import Settings
from jobs.snapshot import JobError, JobSnapshot
from worker.progress import Progress
from worker.tasks import Handler

TELL_AGAIN_S = 2.0
STOP_GRACE_S = 1.5
"""How long a handler may clean up when its worker stops; the launcher allows 5 s for everything."""
LONGEST_PAUSE_S = 300.0
WRITE_RETRY_S = 1.0

T = TypeVar("T")
log = logging.getLogger(__name__)


class Interruption(enum.Enum):
    """Why a handler is interrupted."""

    CANCEL = "cancel"
    """A person asked."""
    TIMEOUT = "timeout"
    """It took longer than its kind allows."""
    STOP = "stop"
    """The worker stops; the job goes back in the queue."""
    LOST = "lost"
    """This attempt is no longer ours; nothing it says counts."""


@dataclass
class _Run:
    """An attempt at work in this process."""

    wake: asyncio.Event = field(default_factory=asyncio.Event)
    why: Interruption | None = None
    stopping: bool = False

    def interrupt(self, why: Interruption) -> None:
        """Have the handler told. A stop or a time limit does not replace a person's wish."""
        self.stopping = self.stopping or why is Interruption.STOP
        if self.why in (None, Interruption.TIMEOUT) or why is Interruption.LOST:
            self.why = why
        self.wake.set()


class Runner:
    """Runs attempts, and knows which are running."""

    def __init__(
        self,
        service: JobService,
        kinds: Catalogue,
        handlers: Mapping[str, Handler],
        settings: Settings,
        worker_id: str,
    ) -> None:
        self._service = service
        self._kinds = kinds
        self._handlers = handlers
        self._settings = settings
        self._worker_id = worker_id
        self._runs: dict[tuple[UUID, int], _Run] = {}

    @property
    def running(self) -> list[UUID]:
        """The jobs whose handlers run in this process now."""
        return list(dict.fromkeys(job_id for job_id, _ in self._runs))

    def interrupt(self, job_id: UUID, attempt: int, why: Interruption) -> None:
        """Tell the handler of this attempt to stop; nothing happens if it does not run here."""
        if run := self._runs.get((job_id, attempt)):
            run.interrupt(why)

    def interrupt_all(self, why: Interruption) -> None:
        for run in self._runs.values():
            run.interrupt(why)

    async def run(self, job_id: UUID, attempt: int) -> bool:
        """Run one attempt to its end and record it; whether it is over, and was not handed back.

        Never raises for what a handler does.
        """
        with about_job(job_id):
            # known before it starts, so that a cancel that comes meanwhile finds it
            run = self._runs[job_id, attempt] = _Run()
            try:
                job = await self._insist(lambda: self._service.start(job_id, attempt, self._worker_id))
                if job is None:
                    log.debug("Nobody wants attempt %d any more; skipped.", attempt)
                    return True
                return await self._run(job, run)
            finally:
                del self._runs[job_id, attempt]

    async def _run(self, job: JobSnapshot, run: _Run) -> bool:
        log.info("Started %s, attempt %d of %d.", job.kind, job.attempt, job.max_attempts)
        progress = Progress(job, self._service, lambda: run.interrupt(Interruption.LOST))
        task = asyncio.create_task(self._call(job, progress), name=f"{job.kind}:{job.short_id}")
        await _first_of(task, run.wake, timeout_s=self._timeout_s(job))
        if not task.done():
            run.interrupt(Interruption.TIMEOUT)
            await self._interrupt_until_done(run, task, progress)
        is_over = await self._record(job, run, task, await _unwritten(progress))
        while not (task.done() or run.stopping):  # its slot stays taken for as long as its code runs
            run.wake.clear()
            await _first_of(task, run.wake)
        return is_over

    async def _call(self, job: JobSnapshot, progress: Progress) -> Any:
        kind = self._kinds.get(job.kind)
        try:
            result = await self._handlers[kind.name](kind.validate(job.params), progress)
        except (SystemExit, KeyboardInterrupt) as exc:  # asyncio would end the whole worker with it
            raise RuntimeError(f"The handler wanted to end the process ({type(exc).__name__}: {exc}).") from exc
        return _checked(result, self._settings.max_result_bytes)

    def _timeout_s(self, job: JobSnapshot) -> float | None:
        return next((kind.timeout_s for kind in self._kinds if kind.name == job.kind), None)

    async def _interrupt_until_done(self, run: _Run, task: asyncio.Task[Any], progress: Progress) -> None:
        """Cancel the handler, again and again, until it ends or its grace time is over."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not task.done():
            progress.cancelled = True
            run.wake.clear()
            task.cancel()
            grace_s = STOP_GRACE_S if run.stopping else self._settings.cancel_grace_s
            left_s = began + grace_s - loop.time()
            if left_s <= 0:
                log.warning("It did not stop within %.1f s.", grace_s)
                return
            await _first_of(task, run.wake, timeout_s=min(TELL_AGAIN_S, left_s))

    async def _record(self, job: JobSnapshot, run: _Run, task: asyncio.Task[Any], unwritten: JobError | None) -> bool:
        """Write down how the attempt ended; whether it is over, and was not handed back."""
        returned = task.done() and not task.cancelled() and task.exception() is None
        if run.why is Interruption.LOST:
            log.warning("This attempt was taken away from this worker; what it did is not recorded.")
        elif run.why is Interruption.TIMEOUT:
            late = "" if task.done() else " and did not stop in time"
            limit = f"It ran longer than {self._timeout_s(job):g} seconds{late}."
            await self._record_failure(job, JobError(type="TimedOut", message=limit))
        elif run.why is Interruption.STOP and not returned:
            log.info("Handed back.")
            return await self._insist(lambda: self._service.hand_back(job.id, job.attempt)) is None
        elif run.why is Interruption.CANCEL and not returned:
            log.info("Cancelled.")
            await self._insist(lambda: self._service.end_cancelled(job.id, job.attempt, _how_it_stopped(task)))
        elif returned and unwritten is None:
            log.info("Completed.")
            await self._insist(lambda: self._service.complete(job.id, job.attempt, task.result()))
        else:
            await self._record_failure(job, unwritten or _error(task))
        return True

    async def _record_failure(self, job: JobSnapshot, error: JobError) -> None:
        retry_at = None
        if job.attempt < job.max_attempts:
            retry_at = utc_now() + timedelta(seconds=pause_s(job.attempt, self._settings.retry_base_s))
        log.warning("Failed: %s: %s%s", error.type, error.message, "" if retry_at is None else " (will retry)")
        await self._insist(lambda: self._service.fail(job.id, job.attempt, error, retry_at=retry_at))

    async def _insist(self, write: Callable[[], Awaitable[T]]) -> T:
        """What ``write`` returns, however long the database is away: the end of a job must not be lost."""
        while True:
            try:
                return await write()
            except Unavailable:  # logged where it happened
                await asyncio.sleep(WRITE_RETRY_S)


def pause_s(attempt: int, base_s: float) -> float:
    """How long to wait after this attempt failed: doubles each time, less up to a half at random.

    The spread keeps jobs that failed together from trying again together.
    """
    longest_s: float = min(base_s * 2 ** min(attempt - 1, 30), LONGEST_PAUSE_S)
    return longest_s * random.uniform(0.5, 1.0)


async def _first_of(task: asyncio.Task[Any], wake: asyncio.Event, timeout_s: float | None = None) -> None:
    waiting = asyncio.create_task(wake.wait())
    try:
        await asyncio.wait({task, waiting}, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiting.cancel()


async def _unwritten(progress: Progress) -> JobError | None:
    """Nothing, once all that the handler said is written; or that it cannot be."""
    try:
        await progress.flush()
    except Exception:  # whatever it is: a job must not stay running for ever because its words cannot be kept
        log.exception("What the handler said could not be recorded.")
        return JobError(
            type="NotRecorded",
            message="Something that the handler said could not be recorded; the worker's log tells why.",
        )
    return None


def _checked(result: Any, most_bytes: int) -> Any:
    """``result``, when it can be kept.

    Raises:
        TypeError, ValueError: it cannot, and why.
    """
    try:
        plain_json.check(result, "result")
    except InvalidInput as exc:
        raise TypeError(f"The handler returned what JSON cannot hold: {exc.message}.") from exc
    size_bytes = len(plain_json.dumps(result).encode())
    if size_bytes > most_bytes:
        raise ValueError(
            f"The result has {size_bytes} bytes, more than the {most_bytes} allowed (JOBS_MAX_RESULT_BYTES). "
            "Return less, or attach it as an artifact."
        )
    return result


def _how_it_stopped(task: asyncio.Task[Any]) -> str:
    if not task.done():
        return "Cancelled; it did not stop in time."
    if task.cancelled():
        return "Cancelled while it ran."
    return f"Cancelled; its clean-up failed: {_error(task).message}"


def _error(task: asyncio.Task[Any]) -> JobError:
    """Why a handler ended without a result, as people see it, with the frames of our own runner left out."""
    exception = None if task.cancelled() else task.exception()
    if exception is None:
        return JobError(type="CancelledError", message="The handler cancelled itself.")
    frames = traceback.TracebackException.from_exception(exception)
    frames.stack = traceback.StackSummary.from_list([frame for frame in frames.stack if frame.filename != __file__])
    return JobError(
        type=type(exception).__name__,
        message=_storable(str(frames)) or type(exception).__name__,
        traceback=_storable("".join(frames.format())),
    )


def _storable(text: str) -> str:
    return text.replace("\x00", "�").encode("utf-8", "replace").decode()[:100_000]
