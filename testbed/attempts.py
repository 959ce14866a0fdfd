"""What a worker writes about one attempt, one write at a time, for tests and measurements that need no worker."""

from collections.abc import Sequence
from uuid import UUID

from runlane.core.attempts import AttemptWrite, End, HandlerMessage, Report, Start
from runlane.core.service import JobService
from runlane.model.snapshot import JobSnapshot


async def start_attempt(service: JobService, job_id: UUID, worker: str) -> JobSnapshot | None:
    """The job, now running on ``worker``; ``None`` if it is not queued (any more)."""
    return await _write(service, Start([job_id], worker, await service._store.generation()))


async def report_attempt(service: JobService, job_id: UUID, attempt: int, messages: Sequence[HandlerMessage]) -> bool:
    """Record what a handler reports; ``False`` if this attempt is no longer running."""
    return await _write(service, Report(job_id, attempt, messages)) is not None


async def end_attempt(service: JobService, end: End) -> JobSnapshot | None:
    """Record how an attempt ended; ``None`` if it is no longer running, and nothing was recorded."""
    return await _write(service, end)


async def _write(service: JobService, write: AttemptWrite) -> JobSnapshot | None:
    [changes] = await service._store.record([write])  # what the writer of a worker holds itself
    if not changes:
        return None
    await service._follow_up.changed(changes)
    return changes[-1].job
