"""The workers, with what each runs according to SQL; and people's commands to them, which are audited."""

from collections import defaultdict
from uuid import UUID

from runlane.audit import AuditLog
from runlane.core.reader import JobReader
from runlane.errors import Unavailable
from runlane.queue.client import WorkerCommand
from runlane.queue.redis_client import REDIS_TROUBLE
from runlane.queue.worker_registry import WorkerInfo, WorkerRegistry, WorkerState


class Workers:
    """The workers of one Redis, and the jobs of one database that they run."""

    def __init__(self, registry: WorkerRegistry, reader: JobReader, audit: AuditLog) -> None:
        self._registry = registry
        self._reader = reader
        self._audit = audit

    async def all(self) -> list[WorkerInfo]:
        """The workers, each with what it runs now, and with what has ended while its code runs on.

        A worker reports what it runs only every two seconds; SQL has it at once. Of a lost one, and while the database
        is away, what the worker itself reported last. Raises one of ``REDIS_TROUBLE``.
        """
        found = await self._registry.all()
        running: dict[str, list[UUID]] = defaultdict(list)
        try:
            for job in await self._reader.running():
                running[job.worker or ""].append(job.id)
        except Unavailable:
            return found
        for worker in found:
            running[worker.id] += worker.lingering
        return [
            worker if worker.state is WorkerState.LOST else worker.model_copy(update={"running": running[worker.id]})
            for worker in found
        ]

    async def command(self, worker_id: str, command: WorkerCommand) -> WorkerInfo:
        """Send a command to a worker, and write to the audit who did.

        Raises:
            WorkerNotFound: there is no such living worker.
            Unavailable: Redis or the database does not answer.
        """
        try:
            worker = await self._registry.command(worker_id, command)
        except REDIS_TROUBLE as exc:
            raise Unavailable("Redis does not answer, so the command cannot be sent right now; try again.") from exc
        await self._audit.note(command, "worker", worker_id)
        return worker

    async def forget(self, worker_id: str) -> WorkerInfo:
        """Drop a lost worker from the list, and write to the audit who did.

        Raises:
            LostWorkerNotFound: there is no such lost worker.
            Unavailable: Redis or the database does not answer.
        """
        try:
            worker = await self._registry.forget(worker_id)
        except REDIS_TROUBLE as exc:
            raise Unavailable("Redis does not answer, so the worker cannot be forgotten right now; try again.") from exc
        await self._audit.note("forget", "worker", worker_id)
        return worker
