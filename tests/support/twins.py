"""In-memory twins of what talks to Redis; ``tests/contract`` runs one suite on them and on the real thing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from uuid import UUID

from runlane.clock import utc_now
from runlane.errors import LostWorkerNotFound, WorkerNotFound
from runlane.model.limits import Limits
from runlane.model.snapshot import Change, Deleted, JobSnapshot, WaitingJob
from runlane.model.status import JobStatus
from runlane.queue.change_feed import Announcement, Feed, decode, encode
from runlane.queue.client import Command, WorkerCommand, score
from runlane.queue.worker_registry import WorkerInfo, WorkerState


class MemoryQueue:
    """Waiting jobs, in order. ``away`` makes every call fail as if Redis did not answer."""

    def __init__(self) -> None:
        self.away = False
        self.entries: dict[str, tuple[int, str]] = {}
        self.kinds_of: dict[str, str] = {}
        self.scheduled: dict[str, datetime] = {}
        self.sent: list[Command] = []
        self.limits: Limits | None = None

    async def enqueue(self, jobs: Sequence[JobSnapshot]) -> None:
        self._check()
        for job in jobs:
            name = str(job.id)
            if job.status is JobStatus.SCHEDULED and job.scheduled_for is not None:
                self.scheduled[name] = job.scheduled_for
            elif job.status is JobStatus.QUEUED:
                self.scheduled.pop(name, None)
                self.entries[name] = (score(job), name)
                self.kinds_of[name] = job.kind

    async def remove(self, jobs: Iterable[tuple[UUID, str]]) -> None:
        self._check()
        for job_id, _ in jobs:
            self.entries.pop(str(job_id), None)
            self.scheduled.pop(str(job_id), None)

    async def drop(self, kind: str, job_ids: Sequence[UUID]) -> int:
        self._check()
        names = [str(job_id) for job_id in job_ids if self.kinds_of.get(str(job_id)) == kind]
        return sum(self.entries.pop(name, None) is not None for name in names)

    async def head(self, count: int) -> list[UUID]:
        self._check()
        return [UUID(name) for name in self.in_order()[:count]]

    async def send(self, command: Command) -> None:
        self._check()
        self.sent.append(command)

    async def announce_kinds(self) -> None:
        self._check()

    async def missing(self, jobs: Sequence[WaitingJob | JobSnapshot]) -> set[UUID]:
        self._check()
        waiting = {JobStatus.QUEUED: self.entries, JobStatus.SCHEDULED: self.scheduled}
        return {job.id for job in jobs if str(job.id) not in waiting[job.status]}

    async def set_limits(self, read: Callable[[], Awaitable[Limits]], *, generation: int | None = None) -> Limits:
        while True:
            self._check()
            before, limits = self.limits, await read()
            if self.limits is before:
                self.limits = limits
                return limits

    async def is_empty(self) -> bool:
        self._check()
        return not self.entries

    async def kinds(self) -> set[str]:
        self._check()
        return set(self.kinds_of.values())

    async def entries_of(self, kind: str, _cursor: int) -> tuple[int, list[UUID]]:
        self._check()
        return 0, [UUID(name) for name in self.entries if self.kinds_of[name] == kind]

    async def remind(self, name: str, at: datetime) -> None:
        self._check()
        self.scheduled[name] = at

    async def forget_reminder(self, name: str) -> None:
        self._check()
        self.scheduled.pop(name, None)

    async def ping(self) -> None:
        self._check()

    async def close(self) -> None:
        pass

    def in_order(self) -> list[str]:
        return sorted(self.entries, key=lambda name: self.entries[name])

    def _check(self) -> None:
        if self.away:
            raise ConnectionRefusedError("Redis is away")


class MemoryEvents:
    """Announcements inside one process, through the real wire form."""

    def __init__(self) -> None:
        self.published: list[Change | Deleted] = []
        self._listeners: set[asyncio.Queue[Announcement | Feed]] = set()

    async def publish(self, changes: Sequence[Change | Deleted]) -> None:
        self.published += changes
        for message, _ in encode(changes):
            for announcement in decode(message):
                for listener in self._listeners:
                    listener.put_nowait(announcement)

    async def listen(self) -> AsyncIterator[Announcement | Feed]:
        inbox: asyncio.Queue[Announcement | Feed] = asyncio.Queue()
        self._listeners.add(inbox)
        try:
            yield Feed.UP
            while True:
                yield await inbox.get()
        finally:
            self._listeners.discard(inbox)

    def lose_connection(self) -> None:
        """Announcements until now are lost; listeners learn that."""
        for listener in self._listeners:
            while not listener.empty():
                listener.get_nowait()
            listener.put_nowait(Feed.DOWN)
            listener.put_nowait(Feed.UP)

    async def close(self) -> None:
        pass


class MemoryRegistry:
    """Workers that reported that they live."""

    def __init__(self) -> None:
        self._workers: dict[str, WorkerInfo] = {}
        self.commands: dict[str, WorkerCommand] = {}

    async def beat(self, worker: WorkerInfo) -> None:
        self._workers[worker.id] = worker

    async def leave(self, worker_id: str) -> None:
        self._workers.pop(worker_id, None)

    async def command(self, worker_id: str, command: WorkerCommand) -> WorkerInfo:
        if worker_id not in self._workers:
            raise WorkerNotFound(worker_id)
        self.commands[worker_id] = command
        return self._workers[worker_id]

    async def forget(self, worker_id: str) -> WorkerInfo:
        worker = next((w for w in await self.all() if w.id == worker_id and w.state is WorkerState.LOST), None)
        if worker is None:
            raise LostWorkerNotFound(worker_id)
        self._workers[worker_id] = worker.model_copy(update={"forgotten": True})
        return self._workers[worker_id]

    async def last_command(self, worker_id: str) -> WorkerCommand | None:
        return self.commands.get(worker_id)

    async def all(self) -> list[WorkerInfo]:
        workers = [worker.as_of(utc_now()) for worker in self._workers.values()]
        return sorted(workers, key=lambda worker: worker.started_at)

    async def close(self) -> None:
        pass
