"""Which worker processes there are, and what each of them runs: one Redis hash that workers write and all read.

A worker is *lost* when its last heartbeat is ``LOST_AFTER_S`` ago. Entries of workers that stopped in order are
removed; those of lost ones stay for a day, so that people can find out what happened.
"""

import enum
from datetime import datetime, timedelta
from typing import Any, get_args
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError
from redis.asyncio import Redis
from redis.client import Redis as SyncRedis

from runlane.clock import utc_now
from runlane.errors import LostWorkerNotFound, WorkerNotFound
from runlane.model.kind import Kind
from runlane.queue import keys
from runlane.queue.client import Command, WorkerCommand
from runlane.queue.redis_client import connection_pool

BEAT_S = 2.0
LOST_AFTER_S = 7.0
FORGET_AFTER = timedelta(days=1)


class WorkerState(enum.StrEnum):
    RUNNING = "running"
    QUIET = "quiet"
    """Claims nothing, on command or because it stops. What it runs goes on."""
    LOST = "lost"


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
    """The kinds that it has the code of."""
    digests: dict[str, str] = {}
    """Which version of each of these kinds it has, as of ``Kind.digest``; older workers do not say."""
    tags: list[str] = []
    """What it can do: of the kinds that it has, it runs those that ask for no other tag; without any, it runs all."""
    off: dict[str, str] = {}
    """Kinds that it should be able to run and cannot, with the reason."""
    cpu_percent: float = 0.0
    """Of one core, since the heartbeat before."""
    memory_bytes: int = 0
    """Resident."""
    clock_ahead_s: float = 0.0
    """How far its machine's clock is ahead of Redis's."""
    forgotten: bool = False
    """Somebody has acknowledged that it is lost: listed, but no trouble any more. Its next heartbeat clears this."""

    def can_run(self, kind: Kind) -> bool:
        """Whether it runs jobs of this kind, if it is not quiet or lost."""
        return kind.name in self.kinds and kind.suits(self.tags)

    def as_of(self, now: datetime) -> "WorkerInfo":
        if now - self.last_seen_at < timedelta(seconds=LOST_AFTER_S):
            return self
        return self.model_copy(update={"state": WorkerState.LOST})


def write_entry(redis: Redis | SyncRedis, worker: WorkerInfo) -> Any:
    """Write how a worker is now, which is its heartbeat; to be awaited with an asyncio client."""
    return redis.hset(keys.WORKERS, worker.id, worker.model_dump_json())


class WorkerRegistry:
    """The workers. Every method raises one of ``REDIS_TROUBLE`` when Redis is away."""

    def __init__(self, url: str) -> None:
        self._redis = Redis(connection_pool=connection_pool(url))

    async def beat(self, worker: WorkerInfo) -> None:
        """Store the heartbeat of this worker, with what it runs."""
        await write_entry(self._redis, worker)

    async def leave(self, worker_id: str) -> None:
        """Forget a worker that stopped in order."""
        await self._redis.hdel(keys.WORKERS, worker_id)
        await self._redis.hdel(keys.WORKER_COMMANDS, worker_id)

    async def command(self, worker_id: str, command: WorkerCommand) -> WorkerInfo:
        """Have a worker claim nothing for now, claim again, or stop as on SIGTERM; the worker as it is then.

        The command is kept until the worker leaves, so that it also reaches one that is busy or cut off now. Until the
        next heartbeat the worker is listed as the command has it.

        Raises:
            WorkerNotFound: no such worker, or it is lost.
        """
        worker = next((w for w in await self.all() if w.id == worker_id and w.state is not WorkerState.LOST), None)
        if worker is None:
            raise WorkerNotFound(worker_id)
        commanded = worker.model_copy(
            update={"state": WorkerState.RUNNING if command == "resume" else WorkerState.QUIET}
        )
        await self.beat(commanded)  # before the command reaches it: one that has left must not be listed again
        await self._redis.hset(keys.WORKER_COMMANDS, worker_id, command)
        sent = Command(worker=worker_id, action=command)
        await self._redis.publish(keys.COMMANDS, sent.model_dump_json(exclude_defaults=True))
        return commanded

    async def forget(self, worker_id: str) -> WorkerInfo:
        """Acknowledge for everybody that this worker is lost; the worker as it is now.

        Raises:
            LostWorkerNotFound: no such worker, or it is not lost.
        """
        worker = next((w for w in await self.all() if w.id == worker_id and w.state is WorkerState.LOST), None)
        if worker is None:
            raise LostWorkerNotFound(worker_id)
        forgotten = worker.model_copy(update={"forgotten": True})
        await self.beat(forgotten)
        return forgotten

    async def last_command(self, worker_id: str) -> WorkerCommand | None:
        """The last command to a worker."""
        found = await self._redis.hget(keys.WORKER_COMMANDS, worker_id)
        text = found.decode() if found else None
        return text if text in get_args(WorkerCommand) else None

    async def all(self) -> list[WorkerInfo]:
        """Every worker with a heartbeat in the last day, the oldest first."""
        now = utc_now()
        workers, stale = [], []
        for key, text in (await self._redis.hgetall(keys.WORKERS)).items():
            worker = _parse(text)
            if worker is None or now - worker.last_seen_at > FORGET_AFTER:
                stale.append(key)
            else:
                workers.append(worker.as_of(now))
        if stale:
            await self._redis.hdel(keys.WORKERS, *stale)
            await self._redis.hdel(keys.WORKER_COMMANDS, *stale)
        return sorted(workers, key=lambda worker: worker.started_at)

    async def close(self) -> None:
        await self._redis.aclose(close_connection_pool=True)


def _parse(text: bytes) -> WorkerInfo | None:
    try:
        return WorkerInfo.model_validate_json(text)
    except ValidationError:
        return None
