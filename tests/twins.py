"""In-memory twins of what talks to Redis; ``tests/contract`` runs one suite on them and on the real thing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from jobs.events import Announcement, Feed, decode, encode
from jobs.models import utc_now
from jobs.queue import entry_id
from jobs.snapshot import Change, Deleted, JobSnapshot
from jobs.workers import WorkerInfo


class MemoryQueue:
    """Waiting jobs, in order. ``away`` makes every call fail as if Redis did not answer."""

    def __init__(self) -> None:
        self.away = False
        self.entries: dict[str, tuple[float, float]] = {}
        self.told_to_stop: list[str] = []

    async def enqueue(self, jobs: Sequence[JobSnapshot]) -> None:
        self._check()
        for job in jobs:
            since = (job.queued_at or job.created_at).timestamp()
            self.entries[entry_id(job.id, job.attempt)] = (-job.priority, since)

    async def remove(self, job_id: UUID, attempt: int) -> None:
        self._check()
        self.entries.pop(entry_id(job_id, attempt), None)

    async def tell_to_stop(self, job_id: UUID, attempt: int) -> None:
        self._check()
        self.told_to_stop.append(entry_id(job_id, attempt))

    async def missing(self, jobs: Sequence[JobSnapshot]) -> list[JobSnapshot]:
        self._check()
        return [job for job in jobs if entry_id(job.id, job.attempt) not in self.entries]

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
        for change in changes:
            announcement = decode(encode(change))
            assert announcement is not None
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
        """What was announced meanwhile is gone; listeners are told."""
        for listener in self._listeners:
            while not listener.empty():
                listener.get_nowait()
            listener.put_nowait(Feed.DOWN)
            listener.put_nowait(Feed.UP)

    async def close(self) -> None:
        pass


class MemoryRegistry:
    """Workers that said they live."""

    def __init__(self) -> None:
        self._workers: dict[str, WorkerInfo] = {}

    async def beat(self, worker: WorkerInfo) -> None:
        self._workers[worker.id] = worker

    async def leave(self, worker_id: str) -> None:
        self._workers.pop(worker_id, None)

    async def all(self) -> list[WorkerInfo]:
        seen = [worker.as_seen_at(utc_now()) for worker in self._workers.values()]
        return sorted(seen, key=lambda worker: worker.started_at)

    async def close(self) -> None:
        pass
