"""A job that was submitted: what follows it, and what waits for its result."""

import asyncio
import builtins
from collections.abc import AsyncIterator, Awaitable
from typing import Any, Generic, TypeVar
from uuid import UUID

from pydantic import ValidationError

from runlane.client.api import Api, Id
from runlane.client.errors import JobCancelled, JobFailed, WrongResult
from runlane.define.job import Job
from runlane.define.problems import field_errors
from runlane.model.snapshot import Artifact, JobEvent, JobSnapshot, short_id
from runlane.model.status import JobStatus

R = TypeVar("R", covariant=True)


class Run(Generic[R]):
    """A job on the server; ``R`` is the type of its result. Made by ``Client.submit`` and ``Client.run``."""

    def __init__(
        self, api: Api, job_id: UUID, job: Job[..., ..., Any, R] | None = None, snapshot: JobSnapshot | None = None
    ) -> None:
        self._api = api
        self._job = job
        self.id = job_id
        self.snapshot = snapshot
        """The job as it was when it was last read as a whole; ``None`` if it was not yet."""

    def __repr__(self) -> str:
        return f"<run {self.id}>"

    def __aiter__(self) -> AsyncIterator[JobEvent]:
        return self.events()

    def events(self, *, after: int = 0) -> AsyncIterator[JobEvent]:
        """As ``Client.events``: the whole timeline, then what comes, until the job has ended."""
        return self._api.events(self.id, after=after)

    async def result(self, timeout: float | None = None) -> R:
        """What the function returned, once it has; ``timeout`` in seconds, ``None``: as long as it takes.

        Raises:
            JobFailed: with the error's ``type``, ``message`` and ``traceback``.
            JobCancelled: somebody cancelled it.
            TimeoutError: it has not ended in time; it goes on.
            WrongResult: the result is not of the type that the function says.
        """
        deadline = asyncio.timeout(timeout)
        try:
            async with deadline:
                self.snapshot = await self._api.ended(self.id)
        except TimeoutError as exc:
            if not deadline.expired():
                raise
            raise TimeoutError(f"Job {short_id(self.id)} has not ended within {timeout:g} s; it goes on.") from exc
        return outcome(self.snapshot, self._job)

    async def get(self) -> JobSnapshot:
        """The job as it is now."""
        return await self._read(self._api.get(self.id))

    async def cancel(self) -> JobSnapshot:
        """As ``Client.cancel``."""
        return await self._read(self._api.cancel(self.id))

    async def retry(self, *, from_start: bool = False) -> JobSnapshot:
        """As ``Client.retry``."""
        return await self._read(self._api.retry(self.id, from_start=from_start))

    async def delete(self) -> None:
        """As ``Client.delete``."""
        await self._api.delete(self.id)

    async def artifacts(self) -> builtins.list[Artifact]:
        """As ``Client.artifacts``."""
        return await self._api.artifacts(self.id)

    async def artifact(self, artifact: Artifact | Id) -> bytes:
        """As ``Client.artifact``."""
        return await self._api.artifact(self.id, artifact)

    async def _read(self, reading: Awaitable[JobSnapshot]) -> JobSnapshot:
        self.snapshot = await reading
        return self.snapshot


def outcome(ended: JobSnapshot, job: Job[..., ..., Any, R] | None) -> R:
    """The result of a job that has ended, or the error that says how; see ``Run.result``."""
    if ended.status is JobStatus.FAILED:
        raise JobFailed(ended)
    if ended.status is JobStatus.CANCELLED:
        raise JobCancelled(ended)
    if job is None:
        return ended.result  # type: ignore[no-any-return]
    try:
        return job.result_of(ended.result)
    except ValidationError as exc:
        [wrong, *_] = field_errors(exc, "result")
        raise WrongResult(ended, f"{wrong.field}: {wrong.message}") from exc
