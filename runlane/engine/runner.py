"""One job from start to finish: the only place that calls a handler, and the only one that catches ``Exception``.

The handler runs in a task of its own, so that it can be interrupted more than once: a handler that swallows its first
``CancelledError`` is cancelled again until the grace time is over. Its slot stays taken for as long as its code runs.
"""

import asyncio
import enum
import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from runlane.clock import utc_now
from runlane.core.attempts import End, cancelled, completed, failed, handed_back
from runlane.define.context import Saved
from runlane.engine import execution, output
from runlane.engine.context import WorkerContext
from runlane.engine.execution import Execution, OutdatedWorker
from runlane.engine.loading import AnyJob
from runlane.engine.plain.errors import PlainError
from runlane.engine.threads import Code
from runlane.engine.writer import Writer
from runlane.errors import Unavailable
from runlane.logs import about_job
from runlane.model.snapshot import JobError, JobSnapshot
from runlane.model.status import JobStatus
from runlane.settings import Settings

CANCEL_AGAIN_S = 2.0
# How long a handler may clean up when its worker stops; the launcher allows 5 s for everything.
STOP_GRACE_S = 1.5
# The version of a job that starts as soon as it is made; no attempt was made before.
FIRST_START = 2
READ_AGAIN_S = 0.5
# The part of its grace after which a plain function is killed, so that it has ended when the grace has.
KILLED_AT = 0.8
OUR_FILES = (__file__, execution.__file__)
NOT_RECORDED = JobError(
    type="NotRecorded",
    message="Something that the handler reported or returned could not be recorded; see the worker's log.",
)

log = logging.getLogger(__name__)


class Interruption(enum.Enum):
    """Why a handler is interrupted."""

    CANCEL = "cancel"
    """A person asked."""
    TIMEOUT = "timeout"
    """It ran longer than its kind allows."""
    STOP = "stop"
    """The worker stops; the job goes back in the queue."""
    LOST = "lost"
    """This attempt is no longer ours; nothing it reports counts."""


@dataclass
class Run:
    """An attempt at work in this process."""

    why: Interruption | None = None
    stopping: bool = False
    attempt: int | None = None
    """Set while the attempt runs and has not been recorded."""
    lingered: bool = False
    """Whether its code ran on after that."""
    begun: bool = False
    """Whether its code has begun; it may run on after the attempt was recorded."""
    on_code_end: Callable[[], None] | None = None
    """Called when its code has ended, before that is recorded."""
    code_ended: bool = False
    _interrupted: bool = False
    _waiter: asyncio.Future[None] | None = None

    def interrupt(self, why: Interruption) -> None:
        """Have the handler interrupted. A stop or a time limit does not replace a person's request."""
        self.stopping = self.stopping or why is Interruption.STOP
        if self.why in (None, Interruption.TIMEOUT) or why is Interruption.LOST:
            self.why = why
        self._interrupted = True
        self._wake()

    async def wait(self, task: asyncio.Task[Any] | Code, timeout_s: float | None = None) -> None:
        """Return when that is done, this run was interrupted since the last call, or the time is over."""
        if task.done() or self._interrupted:
            self._interrupted = False
            return
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = None if timeout_s is None else loop.call_later(timeout_s, self._wake)
        task.add_done_callback(self._wake)
        try:
            await self._waiter
        finally:
            task.remove_done_callback(self._wake)
            if timer is not None:
                timer.cancel()
            self._interrupted = False

    def _wake(self, _task: asyncio.Task[Any] | None = None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


@dataclass(frozen=True)
class Bounds:
    """How long the code of a job may block the event loop: in all, and after somebody has cancelled it."""

    job_id: UUID
    deadline_s: float
    cancel_grace_s: float


Hook = Callable[[], Awaitable[None]]


class Runner:
    """Runs attempts, and knows which are running."""

    def __init__(
        self,
        writer: Writer,
        jobs: Mapping[str, AnyJob],
        execution: Execution,
        read_saved: Callable[[UUID], Awaitable[dict[str, Any] | None]],
        settings: Settings,
    ) -> None:
        self._writer = writer
        self._jobs = jobs
        self._execution = execution
        self._read_saved = read_saved
        self._settings = settings
        self._runs: dict[UUID, Run] = {}
        self._bounds: dict[str, Bounds] = {}

    @property
    def running(self) -> list[UUID]:
        """The jobs whose handlers run in this process now. Safe to read from another thread."""
        return list(self._runs)

    def expect(self, job_id: UUID) -> Run:
        """The run of a job that is about to start; interrupting it counts from now on."""
        run = self._runs[job_id] = Run()
        return run

    def forget(self, job_id: UUID) -> None:
        """The job does not start after all."""
        self._runs.pop(job_id, None)

    def interrupt(self, job_id: UUID, why: Interruption) -> None:
        """Interrupt the handler of this job; nothing happens if it does not run here."""
        if run := self._runs.get(job_id):
            run.interrupt(why)

    def interrupt_all(self, why: Interruption) -> None:
        for run in self._runs.values():
            run.interrupt(why)

    @property
    def started(self) -> dict[UUID, Run]:
        """The runs that are marked as running in SQL, and not yet as ended."""
        return {job_id: run for job_id, run in self._runs.items() if run.attempt is not None}

    @property
    def begun(self) -> set[UUID]:
        """The jobs whose code has begun and may still run."""
        return {job_id for job_id, run in self._runs.items() if run.begun}

    @property
    def lingering(self) -> list[UUID]:
        """The jobs that have ended while their code runs on. Safe to read from another thread."""
        return [job_id for job_id, run in list(self._runs.items()) if run.begun and run.attempt is None]

    def compare(self, started: Mapping[UUID, Run], jobs: Mapping[UUID, JobSnapshot]) -> None:
        """Interrupt runs whose jobs, as read after they had started, are to be cancelled or are no longer theirs."""
        for job_id, run in started.items():
            job = jobs.get(job_id)
            if job is None or run.attempt is None:  # it has just ended
                continue
            if (job.status, job.attempt) != (JobStatus.RUNNING, run.attempt):
                run.interrupt(Interruption.LOST)
            elif job.cancel_requested_at is not None:
                run.interrupt(Interruption.CANCEL)

    def bounds(self, task_name: str) -> Bounds | None:
        """The limits of the handler in the task of that name; ``None``: no handler runs in it."""
        return self._bounds.get(task_name)

    async def run(self, job: JobSnapshot, run: Run, *, before: Hook | None = None, after: Hook | None = None) -> None:
        """Run a started attempt to its end, of its code too, and record it.

        ``before`` and ``after`` are called around the handler and fail the job as it would. Never raises for what a
        handler does. A worker that stops does not wait for code that will not.
        """
        name = f"{job.kind}:{job.short_id}"
        with about_job(job.id):
            try:
                grace_s = self._settings.cancel_grace_s
                self._bounds[name] = Bounds(job.id, self._timeout_s(job) + grace_s, grace_s)
                await self._run(job, run, name, before, after)
            finally:
                self._bounds.pop(name, None)
                self._runs.pop(job.id, None)

    async def _run(self, job: JobSnapshot, run: Run, name: str, before: Hook | None, after: Hook | None) -> None:
        log.debug("Started %s, attempt %d of %d.", job.kind, job.attempt, job.max_attempts)
        context = WorkerContext(job, self._writer, lambda: run.interrupt(Interruption.LOST))
        run.attempt, run.begun = job.attempt, True
        code = Code(self._call(job, context, lambda: KILLED_AT * self._grace_s(run), before, after), name)
        await run.wait(code.task, self._timeout_s(job))
        if not code.task.done():
            run.interrupt(Interruption.TIMEOUT)
            await self._interrupt_until_done(run, code, context)
        await self._record(job, run, code, context)
        run.attempt = None
        if not (code.done() or run.stopping):
            run.lingered = True
            log.warning("Its code is still running; it keeps its slot until that ends.")
        while not (code.done() or run.stopping):
            await run.wait(code)
        _mark_code_ended(run, code)

    async def _call(
        self,
        job: JobSnapshot,
        context: WorkerContext,
        grace_s: Callable[[], float],
        before: Hook | None,
        after: Hook | None,
    ) -> Any:
        try:
            if job.attempt > 1 or job.version > FIRST_START:
                context.resume(Saved.of(await self._saved(job.id)))
            if before is not None:
                await before()
            with output.of_job(context):
                result = await self._execution.call(self._jobs[job.kind], job.params, context, grace_s)
            if after is not None:
                await after()
        except (SystemExit, KeyboardInterrupt) as exc:  # asyncio would end the whole worker with it
            shown = f"{type(exc).__name__}: {exc}" if str(exc) else type(exc).__name__
            raise RuntimeError(f"The handler wanted to end the process ({shown}).") from exc
        return result

    async def _saved(self, job_id: UUID) -> dict[str, Any] | None:
        """What earlier attempts kept, as soon as the database answers."""
        while True:
            try:
                return await self._read_saved(job_id)
            except Unavailable as exc:
                log.debug("What was saved cannot be read yet: %s", exc)
                await asyncio.sleep(READ_AGAIN_S)

    def _timeout_s(self, job: JobSnapshot) -> float:
        return self._jobs[job.kind].options.timeout_s

    def _grace_s(self, run: Run) -> float:
        """How long its code may take to end once it is interrupted."""
        return STOP_GRACE_S if run.stopping else self._settings.cancel_grace_s

    async def _interrupt_until_done(self, run: Run, code: Code, context: WorkerContext) -> None:
        """Cancel the handler, again and again, until it and its threads end or its grace time is over."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        noted = False
        while not code.done():
            context.cancelled = True
            code.task.cancel()
            if run.why is Interruption.CANCEL and not noted:
                noted = True
                context.report_cancel()
            left_s = began + self._grace_s(run) - loop.time()
            if left_s <= 0:
                log.warning("It did not stop within %.1f s.", self._grace_s(run))
                return
            await run.wait(code, min(CANCEL_AGAIN_S, left_s))

    async def _record(self, job: JobSnapshot, run: Run, code: Code, context: WorkerContext) -> None:
        """Write down how the attempt ended, after all that its handler reported."""
        if run.why is Interruption.LOST:
            log.warning("This attempt was taken away from this worker; its outcome is not recorded.")
            return
        unwritten = await _unwritten(context)
        context.end()
        try:
            end = replace(self._end(job, run, code, unwritten), base=job)
            _mark_code_ended(run, code)  # no sooner: what starts in its slot must be written after this end, not before
            await self._writer.write(end)
        except Exception:  # a job must not stay running forever because its end cannot be stored, whatever the reason
            log.exception("The end of the attempt could not be recorded.")
            await self._writer.write(self._failed(job, NOT_RECORDED))

    def _end(self, job: JobSnapshot, run: Run, code: Code, unwritten: JobError | None) -> End:
        task = code.task
        returned = task.done() and not task.cancelled() and task.exception() is None
        if run.why is Interruption.TIMEOUT:
            late = "" if code.done() else " and did not stop in time"
            limit = f"It ran longer than {self._timeout_s(job):g} seconds{late}."
            return self._failed(job, JobError(type="TimedOut", message=limit), self._allows(job, TimeoutError()))
        if run.why is Interruption.STOP and not returned:
            log.info("Handed back.")
            return handed_back(job.id, job.attempt)
        if run.why is Interruption.CANCEL and not returned:
            log.info("Cancelled.")
            ended_at = utc_now() if code.done() else None
            return cancelled(job.id, job.attempt, _how_it_stopped(code), code_ended_at=ended_at)
        if returned and unwritten is None:
            log.debug("Completed.")
            return completed(job.id, job.attempt, task.result())
        if unwritten is not None:
            return self._failed(job, unwritten)
        exception = None if task.cancelled() else task.exception()
        return self._failed(job, _error(exception), exception is None or self._allows(job, exception))

    def _allows(self, job: JobSnapshot, error: BaseException) -> bool:
        """Whether another attempt may help after this error."""
        if isinstance(error, PlainError):
            return error.may_retry
        if isinstance(error, OutdatedWorker):
            return True
        return self._jobs[job.kind].options.retry.allows(error)

    def _failed(self, job: JobSnapshot, error: JobError, may_retry: bool = True) -> End:
        retry_at = None
        if may_retry and job.attempt < job.max_attempts:
            pause_s = self._jobs[job.kind].options.retry.pause_s(job.attempt, self._settings.retry_base_s)
            retry_at = utc_now() + timedelta(seconds=pause_s)
        log.warning("Failed: %s: %s%s", error.type, error.message, "" if retry_at is None else " (will retry)")
        return failed(job.id, job.attempt, error, retry_at=retry_at)


def _mark_code_ended(run: Run, code: Code) -> None:
    if code.done() and not run.code_ended:
        run.code_ended = True
        if run.on_code_end is not None:
            run.on_code_end()


async def _unwritten(context: WorkerContext) -> JobError | None:
    """Nothing, once all that the handler reported is written; or that it cannot be."""
    try:
        await context.flush()
    except Exception:  # as above
        log.exception("The handler's messages could not be recorded.")
        return NOT_RECORDED
    return None


def _how_it_stopped(code: Code) -> str:
    task = code.task
    if not task.done():
        return "Cancelled; it did not stop in time."
    if not code.done():
        return "Cancelled; a thread of it runs on."
    if task.cancelled():
        return "Cancelled while it ran."
    return f"Cancelled; its clean-up failed: {_error(task.exception()).message}"


def _error(exception: BaseException | None) -> JobError:
    """Why a job ended without a result, as pages show it: without the frames of our own runner."""
    if exception is None:
        return JobError(type="CancelledError", message="The handler cancelled itself.")
    if isinstance(exception, PlainError):
        return JobError(type=exception.type, message=exception.message, traceback=exception.traceback or "")
    frames = traceback.TracebackException.from_exception(exception)
    frames.stack = traceback.StackSummary.from_list(
        [frame for frame in frames.stack if frame.filename not in OUR_FILES]
    )
    return JobError(
        type=type(exception).__name__,
        message=_storable(str(frames)) or type(exception).__name__,
        traceback=_storable("".join(frames.format())),
    )


def _storable(text: str) -> str:
    return text.replace("\x00", "�").encode("utf-8", "replace").decode()[:100_000]
