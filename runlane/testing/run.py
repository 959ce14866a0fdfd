"""``run_job``: a job from its first attempt to its end, as a worker runs it, without a server, a queue or a wait."""

import asyncio
import contextlib
import copy
import logging
from collections.abc import Awaitable, Coroutine, Mapping
from typing import Any, TypeVar, cast
from uuid import uuid4

from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python

from runlane import plain_json
from runlane.define.context import LogLevel, Saved, SyncContext
from runlane.define.job import Job
from runlane.define.resource import SharedResource
from runlane.engine import output
from runlane.engine.resources import Resources
from runlane.errors import InvalidInput
from runlane.model.status import JobStatus
from runlane.testing.clock import skipping_sleeps
from runlane.testing.context import MemoryContext
from runlane.testing.outcome import LogLine, Outcome

R = TypeVar("R")

# As workers have them by default.
RETRY_BASE_S = 1.0
CANCEL_GRACE_S = 10.0
CANCEL_AGAIN_S = 2.0


async def run_job(
    job: Job[..., ..., Any, R],
    /,
    *args: Any,
    resources: Mapping[Any, Any] | None = None,
    saved: Saved | Mapping[str, Any] | None = None,
    attempts: int | None = None,
    cancel_at: str | None = None,
    skip_sleeps: bool = True,
    params: Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> Outcome[R]:
    """Run a job to its end, with further attempts as its options have them, and say what became of it.

    Parameters are given as to ``client.submit``, by name or by position, and validated as a worker does; those that
    are called like one of the following are given in ``params``. ``resources``: what the job gets instead of its
    resources; the others are made, and closed at the end. ``saved``: what an earlier run saved, or values by name.
    ``attempts``: instead of the job's ``max_attempts``. ``cancel_at``: the message of a step; somebody cancels the job
    when that begins. ``skip_sleeps``: see ``runlane.testing.clock``.

    A plain ``def`` runs in a thread of this process.

    Raises:
        InvalidInput: wrong parameters; one message a field, each named ``params.<name>``.
        TypeError: not the parameters or the resources of this job.
    """
    if not isinstance(job, Job):
        raise TypeError(f"{job!r} is no job; decorate the function with @job.")
    model = job.validate(job.params(*args, **{**(params or {}), **kwargs}))
    shared = Resources()
    shared.replace(_checked(job, resources or {}))
    start = saved if isinstance(saved, Saved) else Saved(dict(saved or {}))
    run = _Run(job, model, shared, Outcome(saved=copy.deepcopy(start)), cancel_at)
    with contextlib.ExitStack() as around:
        if skip_sleeps:
            around.enter_context(skipping_sleeps())
        output.install(logging.INFO, echo=True)
        around.callback(output.uninstall)
        try:
            await run.attempts(job.options.max_attempts if attempts is None else attempts)
        finally:
            await shared.close()
    return cast(Outcome[R], run.outcome)


def run_job_sync(job: Job[..., ..., Any, R], /, *args: Any, **kwargs: Any) -> Outcome[R]:
    """``run_job`` for tests that are no coroutines, with the same parameters, on an event loop of its own."""
    return asyncio.run(run_job(job, *args, **kwargs))


def _checked(job: Job[..., ..., Any, Any], resources: Mapping[Any, Any]) -> Mapping[Any, Any]:
    used = job.signature.resources.values()
    for resource in resources:
        if isinstance(resource, SharedResource) and resource not in used:
            has = ", ".join(each.name for each in used) or "none"
            raise TypeError(f"The job {job.name!r} does not use the resource {resource.name}; it has {has}.")
    return resources


class _Recorder:
    """The sink of what the job logs and prints."""

    def __init__(self, outcome: Outcome[Any]) -> None:
        self._outcome = outcome

    def emit(self, text: str, level: LogLevel, logger: str) -> None:
        self._outcome.logs.append(LogLine(text, level, logger))


class _Run:
    """A job with its parameters."""

    def __init__(
        self,
        job: Job[..., ..., Any, Any],
        model: BaseModel,
        resources: Resources,
        outcome: Outcome[Any],
        cancel_at: str | None,
    ) -> None:
        self._job = job
        self._model = model
        self._resources = resources
        self.outcome = outcome
        self._cancel_at = cancel_at
        self._id = uuid4()
        self._task: asyncio.Task[Any]
        self._context: MemoryContext
        self._cancelled: asyncio.Future[None]

    async def attempts(self, limit: int) -> None:
        """Try it until it has ended."""
        retry = self._job.options.retry
        for attempt in range(1, limit + 1):
            self.outcome.status, self.outcome.attempts = JobStatus.RUNNING, attempt
            error = await self._attempt(attempt)
            if self.outcome.status is not JobStatus.RUNNING:
                return
            assert error is not None
            self.outcome.errors.append(error)
            if attempt == limit or not retry.allows(error):
                self.outcome.status, self.outcome.error = JobStatus.FAILED, error
                return
            self.outcome.pauses_s.append(retry.pause_s(attempt, RETRY_BASE_S))
            self.outcome.status = JobStatus.SCHEDULED
            await asyncio.sleep(self.outcome.pauses_s[-1])

    async def _attempt(self, number: int) -> BaseException | None:
        """Run it once. Why it failed, if it did."""
        self._context = MemoryContext(self._id, number, self.outcome, self._cancel_if_asked)
        self._cancelled = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._call(), name=f"job:{self._job.name}")
        timeout_s = self._job.options.timeout_s
        try:
            ends = [self._task, self._cancelled]
            await asyncio.wait(ends, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            timed_out = not (self._task.done() or self._context.cancelled)
            if not self._task.done():
                await self._end()
        except asyncio.CancelledError:  # the test itself is being cancelled
            self._task.cancel()
            await asyncio.wait([self._task], timeout=CANCEL_AGAIN_S)
            raise
        if timed_out:
            return TimeoutError(f"It ran longer than {timeout_s:g} seconds.")
        return self._ended(self._task)

    def _ended(self, task: asyncio.Task[Any]) -> BaseException | None:
        error = None if task.cancelled() else task.exception()
        if not task.cancelled() and error is None:
            self.outcome.status, self.outcome._result = JobStatus.COMPLETED, self._as_returned(task.result())
            self.outcome.progress = 100.0
        elif self._context.cancelled:
            self.outcome.status = JobStatus.CANCELLED
        elif error is None:
            return asyncio.CancelledError("The handler cancelled itself.")
        return error

    async def _end(self) -> None:
        """Cancel it, again and again, until it ends.

        Raises:
            RuntimeError: it did not within the grace time.
        """
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + CANCEL_GRACE_S
        while not self._task.done():
            self._context.cancelled = True
            if self._job.is_async:  # a thread cannot be cancelled; its context raises at the next call
                self._task.cancel()
            left_s = ends_at - loop.time()
            if left_s <= 0:
                raise RuntimeError(
                    f"The job {self._job.name!r} was cancelled and still ran {CANCEL_GRACE_S:g} s later. Let "
                    "CancelledError pass through, and look at ctx.cancelled where nothing is awaited."
                )
            await asyncio.wait([self._task], timeout=min(CANCEL_AGAIN_S, left_s))

    def _cancel_if_asked(self, message: str) -> bool:
        if message != self._cancel_at or self._context.cancelled:
            return False
        self._context.cancelled = True
        self._cancelled.set_result(None)
        if self._job.is_async:
            self._task.cancel()
        return True

    async def _call(self) -> Any:
        sign = self._job.signature
        arguments = sign.arguments(self._model)
        try:
            for name, resource in sign.resources.items():
                arguments[name] = await self._resources.get(resource)
            with output.of_job(_Recorder(self.outcome)):
                if self._job.is_async:
                    if sign.context is not None:
                        arguments[sign.context] = self._context
                    returned = await self._job.fn(**arguments)
                else:
                    if sign.context is not None:
                        arguments[sign.context] = SyncContext(self._context, self._wait(asyncio.get_running_loop()))
                    returned = await asyncio.to_thread(self._job.fn, **arguments)
        except (SystemExit, KeyboardInterrupt) as exc:  # asyncio would end the whole test run with it
            raise RuntimeError(f"The handler wanted to end the process ({type(exc).__name__}: {exc}).") from exc
        return _as_json(returned)

    def _wait(self, loop: asyncio.AbstractEventLoop) -> Any:
        """What waits in the thread of a plain function for what its context does on the loop."""

        def wait(awaitable: Awaitable[Any]) -> Any:
            result = asyncio.run_coroutine_threadsafe(_as_coroutine(awaitable), loop).result()
            if self._context.cancelled:
                raise asyncio.CancelledError("The job was cancelled.")
            return result

        return wait

    def _as_returned(self, stored: Any) -> Any:
        try:
            return self._job.result_of(stored)
        except ValidationError as exc:
            raise TypeError(f"The job {self._job.name!r} returned {stored!r}, not what it says it returns.") from exc


def _as_json(returned: Any) -> Any:
    try:
        stored = to_jsonable_python(returned)
        plain_json.check(stored, "result")
    except Exception as exc:  # whatever a value's own serializer may raise
        reason = exc.message if isinstance(exc, InvalidInput) else exc
        raise TypeError(f"The handler returned what JSON cannot hold: {reason}.") from exc
    return stored


def _as_coroutine(awaitable: Awaitable[Any]) -> Coroutine[Any, Any, Any]:
    async def wait() -> Any:
        return await awaitable

    return wait()
