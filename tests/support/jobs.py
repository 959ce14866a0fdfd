"""Jobs in the states that tests begin with, made through the service alone."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from uuid_utils.compat import uuid7

from runlane import Context, Params, job
from runlane.clock import utc_now
from runlane.core.attempts import AttemptWrite
from runlane.core.service import JobService
from runlane.core.store import Store
from runlane.model.requests import Submission
from runlane.model.snapshot import Change, JobError, JobSnapshot
from runlane.model.status import JobStatus
from runlane.queue.worker_registry import WorkerInfo, WorkerState
from runlane.search.matching import JobFilter
from testbed.attempts import start_attempt

BOOM = JobError(type="RuntimeError", message="boom")
RUNNING = JobFilter(statuses=(JobStatus.RUNNING,))
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def made_job(handler: Callable[[Any, Context], Awaitable[Any]], params: type[Params] = Params, **options: Any) -> Any:
    """A job named ``made`` whose function is the handler that a test gives."""

    async def made(ctx: Context, params: Params) -> Any:
        return await handler(params, ctx)

    made.__annotations__["params"] = params
    return job(**options)(made)


async def submitted(service: JobService, *, kind: str = "noop", **more: object) -> JobSnapshot:
    job, _ = await service.submit(Submission(kind=kind, **more))
    return job


async def running(service: JobService, **more: object) -> JobSnapshot:
    job = await submitted(service, **more)
    started = await start_attempt(service, job.id, "worker-1")
    assert started is not None
    return started


def snapshot(**changes: Any) -> JobSnapshot:
    """A job that runs since ``NOON``, of no store."""
    given: dict[str, Any] = {"id": uuid4(), "kind": "noop", "params": {}, "status": "running"}
    given |= {"progress": 0, "message": "", "attempt": 1, "max_attempts": 1, "priority": 0}
    given |= {"created_at": NOON, "started_at": NOON, "version": 2}
    return JobSnapshot(**given | changes)


def queued(**changes: Any) -> JobSnapshot:
    """A job that waits since now, of no store."""
    given: dict[str, Any] = {"id": uuid7(), "status": "queued", "version": 1, "started_at": None}
    return snapshot(**given | {"created_at": utc_now(), "queued_at": utc_now()} | changes)


def worker(name: str = "host-1", **changes: Any) -> WorkerInfo:
    """How a worker that has just beaten describes itself."""
    now = utc_now()
    given: dict[str, Any] = {"id": name, "host": "host", "pid": 1, "started_at": now, "last_seen_at": now}
    return WorkerInfo(**given | {"running": [], "slots": 5, "state": WorkerState.RUNNING} | changes)


class CountingStore(Store):
    """Counts the transactions of its worker, and how many jobs a reader found running after one at most."""

    transactions = 0
    most_running = 0

    async def record(self, writes: Sequence[AttemptWrite]) -> list[list[Change] | None]:
        self.transactions += 1
        recorded = await super().record(writes)
        self.most_running = max(self.most_running, await self.count(RUNNING))
        return recorded
