"""The client half of the queue: put jobs in, take them out, tell a running one to stop.

Owns what is kept in Redis about waiting jobs, which is arq's own layout with a JSON body. All of it can be lost and
rebuilt from SQL. An entry is named ``<job id>:<attempt>``, so that a retry never meets what an earlier attempt left
behind (arq refuses an id whose keys it still has, and keeps abort marks for ever). arq is named here and in
``worker/`` alone.
"""

import time
from collections.abc import Sequence
from uuid import UUID

from arq.connections import ArqRedis
from arq.constants import abort_jobs_ss, in_progress_key_prefix, job_key_prefix, retry_key_prefix
from arq.jobs import serialize_job

from jobs import plain_json
from jobs.redis_link import connection_pool
from jobs.snapshot import JobSnapshot

QUEUE_NAME = "jobs:queue"
ENTRY_POINT = "run_job"
"""The one arq function; which handler it calls is the job's kind."""
NEVER_MS = 10 * 365 * 86_400_000
"""arq drops waiting jobs after a day; ours wait as long as it takes."""
HIGHEST_PRIORITY = 1000
_PRIORITY_STEP_MS = 1e10
"""A step in priority outweighs 115 days of waiting; 2000 steps keep microseconds exact in a float."""


def dumps(value: object) -> bytes:
    """Serializer of arq job bodies: JSON, never pickle, which runs code when it is read."""
    return plain_json.dumps(value).encode()


def loads(body: bytes) -> dict[str, object]:
    """Deserializer of arq job bodies."""
    return plain_json.loads(body)  # type: ignore[no-any-return]


def entry_id(job_id: UUID, attempt: int) -> str:
    return f"{job_id}:{attempt}"


class JobQueue:
    """Jobs that wait for a slot, in Redis. Every method raises one of ``REDIS_TROUBLE`` when Redis is away."""

    def __init__(self, url: str) -> None:
        self.redis = ArqRedis(
            connection_pool(url),
            job_serializer=dumps,
            job_deserializer=loads,
            default_queue_name=QUEUE_NAME,
            expires_extra_ms=NEVER_MS,
        )

    async def enqueue(self, jobs: Sequence[JobSnapshot]) -> None:
        """Put jobs in the queue, all or none. One that is in it already keeps its place or moves to its new one.

        Order: higher priority first, then who was queued first.
        """
        if not jobs:
            return
        async with self.redis.pipeline(transaction=True) as pipe:
            for job in jobs:
                queued_ms = (job.queued_at or job.created_at).timestamp() * 1000
                name = entry_id(job.id, job.attempt)
                body = serialize_job(
                    ENTRY_POINT,
                    (str(job.id), job.attempt),
                    {},
                    None,
                    int(time.time() * 1000),
                    serializer=dumps,
                )
                pipe.psetex(job_key_prefix + name, NEVER_MS, body)
                pipe.zadd(QUEUE_NAME, {name: queued_ms - (HIGHEST_PRIORITY + job.priority) * _PRIORITY_STEP_MS})
            await pipe.execute()

    async def remove(self, job_id: UUID, attempt: int) -> None:
        """Take a job out of the queue and forget all about this attempt; nothing happens if it is not there."""
        name = entry_id(job_id, attempt)
        async with self.redis.pipeline(transaction=True) as pipe:
            pipe.zrem(QUEUE_NAME, name)
            pipe.zrem(abort_jobs_ss, name)
            pipe.delete(*(prefix + name for prefix in (job_key_prefix, retry_key_prefix, in_progress_key_prefix)))
            await pipe.execute()

    async def tell_to_stop(self, job_id: UUID, attempt: int) -> None:
        """Tell the worker that runs this attempt to interrupt it (arq's word is abort)."""
        await self.redis.zadd(abort_jobs_ss, {entry_id(job_id, attempt): int(time.time() * 1000)})

    async def missing(self, jobs: Sequence[JobSnapshot]) -> list[JobSnapshot]:
        """Those of the jobs that are not in the queue."""
        if not jobs:
            return []
        scores = await self.redis.zmscore(QUEUE_NAME, [entry_id(job.id, job.attempt) for job in jobs])
        return [job for job, score in zip(jobs, scores, strict=True) if score is None]

    async def ping(self) -> None:
        """Nothing, when Redis answers."""
        await self.redis.ping()

    async def close(self) -> None:
        await self.redis.aclose(close_connection_pool=True)
