"""arq without us, measured beside the product: one worker process of its own, and what is asked of it.

Nothing is tuned but what ``Setting`` names: results are kept as long as arq keeps them, it logs as its command does.
Bodies are JSON, as ours are. The worker appends to a list when a function's first line runs and another when its job's
end is recorded, and writes both to a file when it stops, so that measuring costs it nothing.

    python -m bench.plain_arq  # a worker, as the benches start it
"""

import asyncio
import contextlib
import json
import logging.config
import os
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from arq import create_pool
from arq.connections import ArqRedis, RedisSettings
from arq.constants import job_key_prefix
from arq.jobs import Job, serialize_job
from arq.logs import default_log_config
from arq.worker import Worker

from bench.stack import POLL_EVERY_S, ROOT, Process, Stage
from runlane import plain_json
from runlane.queue.client import dumps
from testbed.waiting import until

QUEUE = "bench:arq"
STARTED, CANCELLED = "bench:started", "bench:cancelled"
DAY_MS = 86_400_000
FILL_BATCH = 5000


@dataclass(frozen=True)
class Setting:
    """How a worker polls; ``None`` leaves a choice to arq."""

    poll_delay: float = 0.5
    queue_read_limit: int | None = None


AS_IT_COMES = Setting()
TUNED = Setting(poll_delay=0.01, queue_read_limit=500)


@dataclass
class Times:
    """Unix times of a worker's jobs: its functions' first lines and recorded ends, in order."""

    starts: list[float]
    ends: list[float]


# In the worker


async def noop(ctx: dict[str, Any]) -> None:
    ctx["starts"].append(time.time())


async def nap(ctx: dict[str, Any], seconds: float) -> None:
    ctx["starts"].append(time.time())
    await asyncio.sleep(seconds)


async def steps(ctx: dict[str, Any], count: int) -> None:
    """Store and announce each step, as a product made of arq would."""
    ctx["starts"].append(time.time())
    redis, job_id = ctx["redis"], ctx["job_id"]
    for number in range(count):
        step = {"message": f"Step {number + 1}", "progress": 100 * (number + 1) / count}
        async with redis.pipeline(transaction=True) as pipe:
            pipe.hset(f"bench:progress:{job_id}", mapping=step)
            pipe.publish("bench:changes", json.dumps({"id": job_id, **step}))
            await pipe.execute()


async def wait(ctx: dict[str, Any], seconds: float) -> None:
    await ctx["redis"].rpush(STARTED, ctx["job_id"])
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        await ctx["redis"].rpush(CANCELLED, f"{time.time():.6f}")
        raise


async def _note_end(ctx: dict[str, Any]) -> None:
    ctx["ends"].append(time.time())


def main() -> None:
    settings = json.loads(os.environ["BENCH_ARQ"])
    times_path = Path(settings.pop("times_path"))
    ctx: dict[str, Any] = {"starts": [], "ends": []}

    async def write_times(_ctx: dict[str, Any]) -> None:
        times_path.write_text(json.dumps(asdict(Times(ctx["starts"], ctx["ends"]))))

    if os.environ.get("RUNLANE_LOG_LEVEL", "INFO") in ("DEBUG", "INFO"):
        logging.config.dictConfig(default_log_config(verbose=False))
    Worker(
        functions=[noop, nap, steps, wait],
        queue_name=QUEUE,
        redis_settings=RedisSettings.from_dsn(os.environ["REDIS_URL"]),
        ctx=ctx,
        after_job_end=_note_end,
        on_shutdown=write_times,
        job_serializer=dumps,
        job_deserializer=plain_json.loads,
        **settings,
    ).run()


# In the bench


class PlainArq:
    """An empty queue of arq's, and workers for it; see ``empty``."""

    def __init__(self, stage: Stage, setting: Setting, redis: ArqRedis) -> None:
        self._stage = stage
        self._setting = setting
        self.redis = redis
        self._times_path = stage.folder / "arq-times.json"

    async def enqueue(self, function: str, *args: Any) -> Job:
        job = await self.redis.enqueue_job(function, *args)
        assert job is not None
        return job

    async def enqueue_many(self, count: int, in_flight: int, function: str, *args: Any) -> None:
        """Enqueue one by one, ``in_flight`` at a time: arq has no call for many."""

        async def share() -> None:
            for _ in range(count // in_flight):
                await self.redis.enqueue_job(function, *args)

        await asyncio.gather(*(share() for _ in range(in_flight)))

    async def fill(self, count: int) -> None:
        """Put no-ops in the queue as ``enqueue_job`` would, in large pipelines, since a million take it minutes."""
        for begin in range(0, count, FILL_BATCH):
            now_ms = int(time.time() * 1000)
            body = serialize_job("noop", (), {}, None, now_ms, serializer=dumps)
            names = [os.urandom(16).hex() for _ in range(begin, min(begin + FILL_BATCH, count))]
            async with self.redis.pipeline(transaction=False) as pipe:
                for name in names:
                    pipe.psetex(job_key_prefix + name, DAY_MS, body)
                pipe.zadd(QUEUE, dict.fromkeys(names, now_ms))
                await pipe.execute()

    async def start_worker(self, slots: int, *, abortable: bool = False, setting: Setting | None = None) -> Process:
        settings = {k: v for k, v in asdict(setting or self._setting).items() if v is not None}
        settings |= {"max_jobs": slots, "allow_abort_jobs": abortable, "times_path": str(self._times_path)}
        environ = {"REDIS_URL": self._stage.redis.url, "BENCH_ARQ": json.dumps(settings)}
        return Process("bench.plain_arq", ROOT, environ, self._stage.folder / "arq.log")

    @contextlib.asynccontextmanager
    async def worker(self, slots: int, *, abortable: bool = False) -> AsyncIterator[Process]:
        """A worker process; the block begins when it has done a first job."""
        worker = await self.start_worker(slots, abortable=abortable)
        try:
            await self.enqueue("noop")
            await self.drained()
            await asyncio.sleep(0.5)
            yield worker
        finally:
            await worker.stop()

    async def drained(self, within_s: float = 600.0) -> None:
        """Return when nothing waits or runs."""

        async def count_queued() -> int:
            return int(await self.redis.zcard(QUEUE))

        await until(count_queued, lambda queued: queued == 0, within_s=within_s, every_s=POLL_EVERY_S)

    async def rate_for(self, window_s: float) -> float:
        """Jobs that end a second, for so long from the first end on."""
        full = int(await self.redis.zcard(QUEUE))

        async def count_queued() -> int:
            return int(await self.redis.zcard(QUEUE))

        before = await until(count_queued, lambda queued: queued < full, within_s=60, every_s=POLL_EVERY_S)
        began = time.monotonic()
        await asyncio.sleep(window_s)
        return (before - await count_queued()) / (time.monotonic() - began)

    def times(self) -> Times:
        """Of the worker that stopped last."""
        return Times(**json.loads(self._times_path.read_text()))


@contextlib.asynccontextmanager
async def empty(stage: Stage, setting: Setting) -> AsyncIterator[PlainArq]:
    """A queue with nothing in it, on an emptied Redis."""
    stage.redis.flush()
    redis = await create_pool(
        RedisSettings.from_dsn(stage.redis.url),
        job_serializer=dumps,
        job_deserializer=plain_json.loads,
        default_queue_name=QUEUE,
    )
    try:
        yield PlainArq(stage, setting, redis)
    finally:
        await redis.aclose(close_connection_pool=True)


if __name__ == "__main__":
    main()
