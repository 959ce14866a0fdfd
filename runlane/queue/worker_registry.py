"""Which worker processes there are, and what each of them runs: one Redis hash that workers write and all read.

A worker is *lost* when it has not been heard of for ``LOST_AFTER_S``. Entries of workers that stopped in order are
removed; those of lost ones stay for a day, so that people can see what happened.
"""

import enum
from datetime import datetime, timedelta
from typing import Literal, get_args
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError
from redis.asyncio import Redis

from runlane.clock import utc_now
from runlane.errors import LostWorkerNotFound, WorkerNotFound
from runlane.queue.client import COMMANDS_CHANNEL, Command
from runlane.queue.redis_client import connection_pool

WORKERS_KEY = "runlane:workers"
WISHES_KEY = "runlane:wishes"
BEAT_S = 2.0
LOST_AFTER_S = 7.0
FORGET_AFTER = timedelta(days=1)


class WorkerState(enum.StrEnum):
    RUNNING = "running"
    QUIET = "quiet"
    """Told to claim nothing; or stopping. What it runs goes on."""
    LOST = "lost"


WorkerWish = Literal["quiet", "resume", "stop"]


class WorkerInfo(BaseModel):
    """A worker process as it last described itself."""

    model_config = ConfigDict(frozen=True)

    id: str
    host: str
    pid: int
    started_at: datetime
    last_seen_at: datetime
    running: list[UUID]
    lingering: list[UUID] = []
    """Jobs that have ended while their code runs on: each keeps a slot."""
    slots: int
    """How many jobs it may run at once, as the queue's limit and its own are now."""
    state: WorkerState
    version: str = ""
    kinds: list[str] = []
    """What it can run."""
    off: dict[str, str] = {}
    """Kinds that it should be able to run and cannot, with the reason."""
    cpu_percent: float = 0.0
    """Of one core, since the beat before."""
    memory_bytes: int = 0
    """Resident."""
    clock_ahead_s: float = 0.0
    """How far its machine's clock is ahead of Redis's."""
    forgotten: bool = False
    """Somebody has seen that it is lost: it is listed, but no trouble any more. Its next beat takes that back."""

    def as_seen_at(self, now: datetime) -> "WorkerInfo":
        if now - self.last_seen_at < timedelta(seconds=LOST_AFTER_S):
            return self
        return self.model_copy(update={"state": WorkerState.LOST})


class WorkerRegistry:
    """The workers. Every method raises one of ``REDIS_TROUBLE`` when Redis is away."""

    def __init__(self, url: str) -> None:
        self._redis = Redis(connection_pool=connection_pool(url))

    async def beat(self, worker: WorkerInfo) -> None:
        """Note that this worker is alive, and what it runs."""
        await self._redis.hset(WORKERS_KEY, worker.id, worker.model_dump_json())

    async def leave(self, worker_id: str) -> None:
        """Forget a worker that stopped in order."""
        await self._redis.hdel(WORKERS_KEY, worker_id)
        await self._redis.hdel(WISHES_KEY, worker_id)

    async def ask(self, worker_id: str, wish: WorkerWish) -> WorkerInfo:
        """Tell a worker to claim nothing for now, to claim again, or to stop as on SIGTERM; it as it is then.

        The wish is kept until the worker leaves, so that it is also heard by one that is busy or cut off now. Until the
        worker says itself how it is, it is listed as it was told to be.

        Raises:
            WorkerNotFound: no such worker, or it is lost.
        """
        worker = next((w for w in await self.all() if w.id == worker_id and w.state is not WorkerState.LOST), None)
        if worker is None:
            raise WorkerNotFound(worker_id)
        told = worker.model_copy(update={"state": WorkerState.RUNNING if wish == "resume" else WorkerState.QUIET})
        await self.beat(told)  # before it hears of the wish: one that has left must not be listed again
        await self._redis.hset(WISHES_KEY, worker_id, wish)
        command = Command(worker=worker_id, wish=wish)
        await self._redis.publish(COMMANDS_CHANNEL, command.model_dump_json(exclude_defaults=True))
        return told

    async def forget(self, worker_id: str) -> WorkerInfo:
        """Note that somebody has seen that this worker is lost; it as it is now.

        Raises:
            LostWorkerNotFound: no such worker, or it is not lost.
        """
        worker = next((w for w in await self.all() if w.id == worker_id and w.state is WorkerState.LOST), None)
        if worker is None:
            raise LostWorkerNotFound(worker_id)
        forgotten = worker.model_copy(update={"forgotten": True})
        await self.beat(forgotten)
        return forgotten

    async def wish(self, worker_id: str) -> WorkerWish | None:
        """What was last asked of a worker."""
        found = await self._redis.hget(WISHES_KEY, worker_id)
        text = found.decode() if found else None
        return text if text in get_args(WorkerWish) else None

    async def all(self) -> list[WorkerInfo]:
        """Every worker that was heard of in the last day, the oldest first."""
        now = utc_now()
        workers, stale = [], []
        for key, text in (await self._redis.hgetall(WORKERS_KEY)).items():
            worker = _parse(text)
            if worker is None or now - worker.last_seen_at > FORGET_AFTER:
                stale.append(key)
            else:
                workers.append(worker.as_seen_at(now))
        if stale:
            await self._redis.hdel(WORKERS_KEY, *stale)
            await self._redis.hdel(WISHES_KEY, *stale)
        return sorted(workers, key=lambda worker: worker.started_at)

    async def close(self) -> None:
        await self._redis.aclose(close_connection_pool=True)


def _parse(text: bytes) -> WorkerInfo | None:
    try:
        return WorkerInfo.model_validate_json(text)
    except ValidationError:
        return None
