"""The client half of the queue: put jobs in, take them out, send commands to workers.

Owns what is kept in Redis about waiting jobs; the worker half is ``claims`` with the scripts in ``lua``, and the names
of all keys are in ``keys``. All of it can be lost and rebuilt from SQL. Jobs wait in one sorted set a kind, so that a
kind at its limit, or one that a worker does not know, holds up no other. Bodies are arq's, in JSON. arq is named here
and in ``runlane/engine/engine.py`` alone.
"""

import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from arq.connections import ArqRedis
from arq.jobs import serialize_job
from pydantic import BaseModel, ConfigDict, ValidationError
from redis.asyncio.client import Pipeline

from runlane import clock, plain_json
from runlane.model.limits import Limits
from runlane.model.snapshot import JobSnapshot, WaitingJob
from runlane.model.status import JobStatus
from runlane.queue import keys
from runlane.queue.redis_client import connection_pool

_GENERATION_FIELDS = ["concurrency", "generation"]

# A step in priority outweighs 69 years of waiting; 2000 steps keep milliseconds exact in a float's 53 bits.
_PRIORITY_STEP_MS = 2**41
# 2020 began; later times make smaller numbers.
_SCORES_SINCE_MS = 1_577_836_800_000
BATCH = 1000
LENGTH_OF_ID = 36


WorkerCommand = Literal["quiet", "resume", "stop"]


class Command(BaseModel):
    """What is sent to all workers over pub/sub. Workers catch up on lost ones by what they read regularly."""

    model_config = ConfigDict(frozen=True)

    cancel: UUID | None = None
    """Interrupt this job, if you run it."""
    claim: bool = False
    """The limits have changed: check whether you may claim."""
    due: bool = False
    """Something was scheduled: check when it is due."""
    worker: str | None = None
    """Whom ``action`` is for."""
    action: WorkerCommand | None = None


def parse_command(text: bytes) -> Command | None:
    """The command in a message; ``None`` if it is not one of ours."""
    try:
        return Command.model_validate_json(text)
    except ValidationError:
        return None


def dumps(value: object) -> bytes:
    """Serializer of arq job bodies: JSON, never pickle, which runs code when it is read."""
    return plain_json.dumps(value).encode()


def loads(body: bytes) -> dict[str, object]:
    """Deserializer of arq job bodies."""
    return plain_json.loads(body)  # type: ignore[no-any-return]


def id_in(name: bytes | str) -> UUID | None:
    """The id that a name in Redis is; ``None`` if it is none, and so not ours: others may have put it there."""
    text = name.decode(errors="replace") if isinstance(name, bytes) else name
    try:
        return UUID(text) if len(text) == LENGTH_OF_ID else None
    except ValueError:
        return None


def score(job: JobSnapshot) -> int:
    """Where a job stands in its kind's queue: the lowest goes first. Ids, which sort by time, decide among equals."""
    due_ms = clock.epoch_ms(job.queued_at or job.created_at)
    return due_ms - _SCORES_SINCE_MS - job.priority * _PRIORITY_STEP_MS


class JobQueue:
    """Jobs that wait, in Redis. Every method raises one of ``REDIS_TROUBLE`` when Redis is away."""

    def __init__(self, url: str) -> None:
        self.redis = ArqRedis(connection_pool(url), job_serializer=dumps, job_deserializer=loads)

    async def enqueue(self, jobs: Sequence[JobSnapshot]) -> None:
        """Put waiting jobs where they wait, all or none: the queue of their kind, or what is due later.

        One that waits already is moved to its position. Order: higher priority first, then who was due first, then who
        came first.
        """
        queued = [job for job in jobs if job.status is JobStatus.QUEUED]
        scheduled = {str(job.id): job.scheduled_for for job in jobs if job.status is JobStatus.SCHEDULED}
        if not queued and not scheduled:
            return
        kinds: dict[str, dict[str, int]] = defaultdict(dict)
        for job in queued:
            kinds[job.kind][str(job.id)] = score(job)
        async with self.redis.pipeline(transaction=True) as pipe:
            if queued:
                pipe.mset({keys.BODY + str(job.id): _body(job) for job in queued})
                pipe.zrem(keys.SCHEDULED, *(str(job.id) for job in queued))
                pipe.sadd(keys.KINDS, *kinds)
            for kind, scores in kinds.items():
                pipe.zadd(keys.QUEUE + kind, scores)
                pipe.zadd(keys.WAKE + kind, {"1": 0})
            if scheduled:
                pipe.zadd(keys.SCHEDULED, {name: clock.epoch_ms(at) for name, at in scheduled.items() if at})
                pipe.publish(keys.COMMANDS, Command(due=True).model_dump_json(exclude_defaults=True))
            await pipe.execute()

    async def remove(self, jobs: Iterable[tuple[UUID, str]]) -> None:
        """Take waiting jobs, given as id and kind, out of the queue; nothing happens to those that are not there."""
        entries = [(str(job_id), kind) for job_id, kind in jobs]
        if not entries:
            return
        async with self.redis.pipeline(transaction=True) as pipe:
            for name, kind in entries:
                pipe.zrem(keys.QUEUE + kind, name)
            names = [name for name, _ in entries]
            pipe.zrem(keys.SCHEDULED, *names)
            pipe.hdel(keys.PARKED, *names)
            pipe.unlink(*(keys.BODY + name for name in names))
            await pipe.execute()

    async def drop(self, kind: str, job_ids: Sequence[UUID]) -> int:
        """Take entries out of a kind's queue, and nothing else that is known of those jobs; how many were there."""
        if not job_ids:
            return 0
        names = [str(job_id) for job_id in job_ids]
        return int(await self.redis.zrem(keys.QUEUE + kind, *names))

    async def send(self, command: Command) -> None:
        """Send a command to all workers."""
        await self.redis.publish(keys.COMMANDS, command.model_dump_json(exclude_defaults=True))

    async def announce_kinds(self) -> None:
        """Have every process read the registered kinds again."""
        await self.redis.publish(keys.KINDS_CHANGED, b"")

    async def missing(self, jobs: Sequence[WaitingJob | JobSnapshot]) -> set[UUID]:
        """Those of the waiting jobs that Redis does not know: neither waiting nor claimed."""
        if not jobs:
            return set()
        ids = [str(job.id) for job in jobs]
        by_key: dict[str, list[str]] = defaultdict(list)
        for job, name in zip(jobs, ids, strict=True):
            by_key[keys.QUEUE + job.kind if job.status is JobStatus.QUEUED else keys.SCHEDULED].append(name)
        async with self.redis.pipeline(transaction=True) as pipe:
            pipe.hmget(keys.OWNERS, ids)
            pipe.hmget(keys.PARKED, ids)
            for key, names in by_key.items():
                pipe.zmscore(key, names)
            owners, parked, *scores = await pipe.execute()
        known = {name for name, *found in zip(ids, owners, parked, strict=True) if any(found)}
        for names, found in zip(by_key.values(), scores, strict=True):
            known |= {name for name, place in zip(names, found, strict=True) if place is not None}
        return {UUID(name) for name in ids if name not in known}

    async def set_limits(self, read: Callable[[], Awaitable[Limits]], *, generation: int | None = None) -> Limits:
        """Make all workers obey the limits that ``read`` returns; the limits from now on.

        They are read again if somebody else has just set limits, so that an older reading does not undo theirs.
        A Redis without limits was emptied, and knows nothing of what runs: only whoever rebuilds it, leases first,
        gives it limits, with the number of the new ``generation``; anybody else leaves that to the workers, who check
        at once.
        """

        async def follow(pipe: Pipeline) -> Limits:
            limits, known = await read(), _generation(await pipe.hmget(keys.LIMITS, _GENERATION_FIELDS))
            number = max((n for n in (known, generation) if n is not None), default=None)
            pipe.multi()
            pipe.incr(keys.LIMITS_CHANGES)  # even without limits to change: a rebuild under way has to notice
            if number is not None:
                pipe.delete(keys.LIMITS)
                pipe.hset(keys.LIMITS, mapping={**_fields(limits), "generation": number})
            pipe.publish(keys.COMMANDS, Command(claim=True).model_dump_json(exclude_defaults=True))
            return limits

        followed: Limits = await self.redis.transaction(
            follow, keys.LIMITS, keys.LIMITS_CHANGES, value_from_callable=True
        )
        return followed

    async def generation(self) -> int | None:
        """The generation that Redis has, see ``runlane.core.generation``; ``None``: it was emptied."""
        return _generation(await self.redis.hmget(keys.LIMITS, _GENERATION_FIELDS))

    async def head(self, count: int) -> list[UUID]:
        """The jobs that are next, in the order they will start unless a limit of their kind holds them up."""
        kinds = await self.kinds()
        if not kinds:
            return []
        async with self.redis.pipeline(transaction=False) as pipe:
            for kind in kinds:
                pipe.zrange(keys.QUEUE + kind, 0, count - 1, withscores=True)
            found = sorted((place, name) for heads in await pipe.execute() for name, place in heads)
        return [job_id for _, name in found if (job_id := id_in(name))][:count]

    async def depths(self) -> dict[str, int]:
        """How many jobs wait in the queue of each kind, as Redis has it."""
        kinds = sorted(await self.kinds())
        async with self.redis.pipeline(transaction=False) as pipe:
            for kind in kinds:
                pipe.zcard(keys.QUEUE + kind)
            return dict(zip(kinds, await pipe.execute(), strict=True))

    async def leases(self, job_ids: Sequence[UUID]) -> dict[UUID, float]:
        """In how many seconds the claims of those of the jobs that are claimed end, unless they are renewed."""
        if not job_ids:
            return {}
        ends = await self.redis.zmscore(keys.LEASES, [str(job_id) for job_id in job_ids])
        now_ms = clock.epoch_ms(clock.utc_now())
        return {job_id: (end - now_ms) / 1000 for job_id, end in zip(job_ids, ends, strict=True) if end is not None}

    async def entries_of(self, kind: str, cursor: int) -> tuple[int, list[UUID]]:
        """Some jobs that wait in a kind's queue, and where to go on; 0 is the begin and the end. For reconciling."""
        cursor, found = await self.redis.zscan(keys.QUEUE + kind, cursor, count=BATCH)
        return int(cursor), [job_id for name, _ in found if (job_id := id_in(name))]

    async def is_empty(self) -> bool:
        """Whether no kind has a queue."""
        queues = [keys.QUEUE + kind for kind in await self.kinds()]
        return not (queues and await self.redis.exists(*queues))

    async def kinds(self) -> set[str]:
        """The kinds that have ever waited."""
        return {kind.decode() for kind in await self.redis.smembers(keys.KINDS)}

    async def remind(self, name: str, at: datetime) -> None:
        """Have a worker act on ``name`` at that time."""
        async with self.redis.pipeline(transaction=True) as pipe:
            pipe.zadd(keys.SCHEDULED, {name: clock.epoch_ms(at)})
            pipe.publish(keys.COMMANDS, Command(due=True).model_dump_json(exclude_defaults=True))
            await pipe.execute()

    async def forget_reminder(self, name: str) -> None:
        await self.redis.zrem(keys.SCHEDULED, name)

    async def ping(self) -> None:
        """Return when Redis answers; learns its clock."""
        sent_s = time.time()
        seconds, microseconds = await self.redis.time()
        clock.learn(sent_s, time.time(), seconds + microseconds / 1e6)

    async def close(self) -> None:
        await self.redis.aclose(close_connection_pool=True)


def _body(job: JobSnapshot) -> bytes:
    enqueued_ms = clock.epoch_ms(job.queued_at or job.created_at)
    return serialize_job(job.kind, (str(job.id),), {}, None, enqueued_ms, serializer=dumps)


def _generation(found: Sequence[bytes | None]) -> int | None:
    concurrency, number = found
    return None if concurrency is None else int(number or 0)


def _fields(limits: Limits) -> dict[str, Any]:
    fields: dict[str, Any] = {"concurrency": limits.concurrency, "paused": int(limits.paused)}
    for kind, limit in limits.kinds.items():
        if limit.max_running is not None:
            fields[f"max:{kind}"] = limit.max_running
        if limit.rate is not None:
            fields[f"rate:{kind}"] = f"{limit.rate.count}/{round(limit.rate.seconds * 1000)}"
        if limit.paused:
            fields[f"paused:{kind}"] = 1
    return fields
