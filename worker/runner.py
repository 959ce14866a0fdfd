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
    STOP = "stop"
    """The worker stops; the job goes back in the queue."""
    LOST = "lost"
    """This attempt is no longer ours; nothing it says counts."""


class TimedOut(Exception):
    """An attempt took longer than its kind allows."""


@dataclass
class _Run:
    """A handler at work."""

    job: JobSnapshot
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    interruption: Interruption | None = None
    handed_back: bool = False

    @property
    def stops_with_worker(self) -> bool:
        return self.interruption is Interruption.STOP


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
        self._runs: dict[UUID, _Run] = {}

    @property
    def running(self) -> list[UUID]:
        """The jobs whose handlers run in this process now."""
        return list(self._runs)

    def interrupt(self, job_id: UUID, why: Interruption) -> None:
        """Tell the handler of this job to stop; nothing happens if it does not run here."""
        run = self._runs.get(job_id)
        if run is None or run.interruption is Interruption.LOST:
            return
        run.interruption = why
        run.wake.set()

    def interrupt_all(self, why: Interruption) -> None:
        for job_id in self.running:
            self.interrupt(job_id, why)

    async def run(self, job_id: UUID, attempt: int) -> bool:
        """Run one attempt to its end and record it; whether the attempt is over, and not handed back.

        Never raises for what a handler does.
        """
        with about_job(job_id):
            job = await self._insist(lambda: self._service.start(job_id, attempt, self._worker_id))
            if job is None:
                log.debug("Nobody wants attempt %d any more; skipped.", attempt)
                return True
            run = self._runs[job_id] = _Run(job)
            try:
                await self._run(run)
            finally:
                del self._runs[job_id]
            return not run.handed_back

    async def _run(self, run: _Run) -> None:
        job = run.job
        progress = Progress(job, self._service, lambda: self.interrupt(job.id, Interruption.LOST))
        log.info("Started %s, attempt %d of %d.", job.kind, job.attempt, job.max_attempts)
        task = asyncio.create_task(self._call(job, progress), name=f"{job.kind}:{job.short_id}")
        await _first_of(task, run.wake)
        if not task.done():
            await self._interrupt_until_done(run, task, progress)
        await progress.flush()
        if run.interruption is Interruption.LOST:
            log.warning("This attempt was taken away from this worker; what it did is not recorded.")
        elif not task.done():
            await self._give_up(run, task)
        else:
            await self._record(run, task)

    async def _call(self, job: JobSnapshot, progress: Progress) -> Any:
        kind = self._kinds.get(job.kind)
        params = kind.validate(job.params)
        limit = asyncio.timeout(kind.timeout_s)
        try:
            async with limit:
                result = await self._handlers[kind.name](params, progress)
        except TimeoutError as exc:
            if limit.expired():
                raise TimedOut(f"It ran longer than {kind.timeout_s:g} seconds.") from exc
            raise
        return _checked(result, self._settings.max_result_bytes)

    async def _interrupt_until_done(self, run: _Run, task: asyncio.Task[Any], progress: Progress) -> None:
        """Cancel the handler, again and again, until it ends or its grace time is over."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while not task.done():
            progress.cancelled = True
            run.wake.clear()
            task.cancel()
            left_s = began + self._grace_s(run) - loop.time()
            if left_s <= 0:
                return
            await _first_of(task, run.wake, timeout_s=min(TELL_AGAIN_S, left_s))

    def _grace_s(self, run: _Run) -> float:
        return STOP_GRACE_S if run.interruption is Interruption.STOP else self._settings.cancel_grace_s

    async def _give_up(self, run: _Run, task: asyncio.Task[Any]) -> None:
        """Record the end of a handler that does not stop, and keep its slot until it does."""
        job = run.job
        if run.interruption is Interruption.STOP:
            log.warning("Did not stop within %.1f s; it ends with this worker.", STOP_GRACE_S)
            await self._hand_back(run)
            return
        log.warning("Did not stop in time; its slot stays taken until its code ends.")
        await self._insist(
            lambda: self._service.end_cancelled(job.id, job.attempt, "Cancelled; it did not stop in time.")
        )
        while not (task.done() or run.stops_with_worker):
            run.wake.clear()
            await _first_of(task, run.wake)

    async def _record(self, run: _Run, task: asyncio.Task[Any]) -> None:
        job = run.job
        if task.cancelled() and run.interruption is Interruption.CANCEL:
            log.info("Cancelled.")
            await self._insist(lambda: self._service.end_cancelled(job.id, job.attempt, "Cancelled while it ran."))
        elif run.interruption is Interruption.STOP and (task.cancelled() or task.exception()):
            log.info("Handed back.")
            await self._hand_back(run)
        elif task.cancelled():
            error = JobError(type="CancelledError", message="The handler cancelled itself.")
            await self._record_failure(job, error)
        elif (exception := task.exception()) is None:
            log.info("Completed.")
            await self._insist(lambda: self._service.complete(job.id, job.attempt, task.result()))
        elif run.interruption is Interruption.CANCEL:
            log.warning("Cancelled; its clean-up failed: %s", exception)
            await self._insist(
                lambda: self._service.end_cancelled(
                    job.id, job.attempt, f"Cancelled; its clean-up failed: {_shown(exception).message}"
                )
            )
        else:
            await self._record_failure(job, _shown(exception))

    async def _hand_back(self, run: _Run) -> None:
        job = run.job
        run.handed_back = await self._insist(lambda: self._service.hand_back(job.id, job.attempt)) is not None

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


def _shown(exception: BaseException) -> JobError:
    """An exception as people see it, with the frames of our own runner left out."""
    frames = traceback.TracebackException.from_exception(exception)
    frames.stack = traceback.StackSummary.from_list([frame for frame in frames.stack if frame.filename != __file__])
    return JobError(
        type=type(exception).__name__,
        message=_storable(str(exception)) or type(exception).__name__,
        traceback=_storable("".join(frames.format())),
    )


def _storable(text: str) -> str:
    return text.replace("\x00", "�").encode("utf-8", "replace").decode()[:100_000]
