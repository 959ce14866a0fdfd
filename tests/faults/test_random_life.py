"""A minute of everything at once, chosen at random, and then the account of every job is checked.

The seed is printed; ``RUNLANE_RANDOM_SEED`` repeats a life. Processes and servers are real, so that the same seed gives
the same requests, but not the same moments.
"""

import asyncio
import os
import random
import time
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest

from runlane.errors import JobsError
from runlane.model.requests import QueueChange, Submission
from runlane.model.status import JobStatus
from runlane.search.matching import JobFilter
from testbed.redis_server import RedisServer
from testbed.waiting import until
from tests.support.farm import Farm
from tests.support.processes import Worker

pytestmark = pytest.mark.databases

LIFE_S = 60
WORKERS = 3
MAX_RUNNING = 5
MOVES = {
    "submit": 40,
    "cancel": 20,
    "retry": 15,
    "delete": 10,
    "pause": 3,
    "change_limit": 2,
    "kill_worker": 2,
    "cut_connections": 1,
    "empty_redis": 1,
}


@dataclass
class Life:
    """What was requested, and what was answered."""

    farm: Farm
    redis: RedisServer
    chance: random.Random
    workers: list[Worker]
    submitted: list[UUID] = field(default_factory=list)
    deleted: set[UUID] = field(default_factory=set)
    answers: dict[str, int] = field(default_factory=dict)

    async def move(self) -> None:
        [name] = self.chance.choices(list(MOVES), list(MOVES.values()))
        try:
            await getattr(self, name)()
            self.answers[name] = self.answers.get(name, 0) + 1
        except JobsError:  # refused, in a sentence: as it should be
            self.answers[f"{name} refused"] = self.answers.get(f"{name} refused", 0) + 1

    def some_job(self) -> UUID:
        """The latest are the likeliest: they may still wait or run."""
        latest = self.submitted[-1 - min(len(self.submitted) - 1, int(self.chance.expovariate(1 / 12)))]
        return self.chance.choice([latest, latest, self.chance.choice(self.submitted)])

    async def submit(self) -> None:
        params: dict[str, Any] = {"path": str(self.farm.record.path), "seconds": round(self.chance.random() * 0.6, 3)}
        params["fails"] = self.chance.random() < 0.15
        params["talks"] = self.chance.random() < 0.3
        if self.chance.random() < 0.05:
            params |= {"stubborn": True, "seconds": 1.5}
        delay_s = self.chance.random() * 3 if self.chance.random() < 0.2 else None
        job, _ = await self.farm.service.submit(
            Submission(kind="record", params=params, delay_s=delay_s, priority=self.chance.randint(0, 3))
        )
        self.submitted.append(job.id)

    async def cancel(self) -> None:
        if self.submitted:
            await self.farm.service.cancel(self.some_job())

    async def retry(self) -> None:
        if self.submitted:
            await self.farm.service.retry(self.some_job())

    async def delete(self) -> None:
        if self.submitted:
            job_id = self.some_job()
            await self.farm.service.delete(job_id)
            self.deleted.add(job_id)

    async def pause(self) -> None:
        await self.farm.services.limits.change_queue(QueueChange(paused=True))
        await asyncio.sleep(self.chance.random())
        await self.farm.services.limits.change_queue(QueueChange(paused=False))

    async def change_limit(self) -> None:
        await self.farm.services.limits.change_queue(QueueChange(concurrency=self.chance.randint(2, MAX_RUNNING)))

    async def kill_worker(self) -> None:
        place = self.chance.randrange(WORKERS)
        self.farm.kill(self.workers[place])
        self.workers[place] = await self.farm.start()

    async def cut_connections(self) -> None:
        with self.redis.client() as admin:
            for kind in ("normal", "pubsub"):
                admin.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")

    async def empty_redis(self) -> None:
        with self.redis.client() as admin:
            admin.flushall()


@pytest.mark.faults
async def test_whatever_happens_every_job_is_accounted_for(farm, redis_server):
    seed = int(os.environ.get("RUNLANE_RANDOM_SEED", time.time_ns() % 1_000_000))
    print(f"RUNLANE_RANDOM_SEED={seed}")
    life = Life(farm, redis_server, random.Random(seed), [await farm.start() for _ in range(WORKERS)])
    await farm.services.limits.change_queue(QueueChange(concurrency=MAX_RUNNING))
    ends_at = time.monotonic() + LIFE_S

    while time.monotonic() < ends_at:
        await life.move()
        await asyncio.sleep(life.chance.random() * 0.06)
    await farm.services.limits.change_queue(QueueChange(concurrency=MAX_RUNNING, paused=False))

    await _all_have_ended(farm)
    print(life.answers)
    await _every_job_is_accounted_for(life)
    await _every_timeline_agrees_with_its_row(farm)
    assert farm.record.never_two_runs_of_one_job()
    assert farm.record.most_at_once() <= MAX_RUNNING
    await _redis_holds_nothing(redis_server)
    assert {name for name in MOVES if name in life.answers} == set(MOVES), "each was done at least once"


async def _all_have_ended(farm: Farm) -> None:
    async def waiting_or_running() -> int:
        counts = await farm.counts.all()
        return sum(count for status, count in counts.items() if not status.is_terminal)

    await until(waiting_or_running, lambda count: count == 0)


async def _every_job_is_accounted_for(life: Life) -> None:
    store = life.farm.services.store
    kept = await store.statuses(life.submitted)
    assert await life.farm.counts.all() == {status: list(kept.values()).count(status) for status in JobStatus}
    assert set(kept) == set(life.submitted) - life.deleted
    ran = {line.job_id for line in life.farm.record.lines()}
    assert {job_id for job_id, status in kept.items() if status in (JobStatus.COMPLETED, JobStatus.FAILED)} <= ran


async def _every_timeline_agrees_with_its_row(farm: Farm) -> None:
    store = farm.services.store
    for job in (await store.get_many(list(await _all_ids(farm)))).values():
        events = await store.events(job.id)
        assert [event.version for event in events] == list(range(1, job.version + 1)), job.id
        changes = [event for event in events if event.status is not None]
        assert changes[-1].status is job.status
        assert (job.finished_at is not None) is job.status.is_terminal
        assert (job.result is not None) is (job.status is JobStatus.COMPLETED)
        lines = [int(event.message.removeprefix("line ")) for event in events if event.type == "log"]
        assert all(later in (earlier + 1, 0) for earlier, later in pairwise(lines)), "each attempt counts from 0"


async def _all_ids(farm: Farm) -> set[UUID]:
    ids: set[UUID] = set()
    after: UUID | None = None
    while batch := await farm.services.store.matching_ids(JobFilter(), after):
        ids |= set(batch)
        after = batch[-1]
    return ids


async def _redis_holds_nothing(redis_server: RedisServer) -> None:
    with redis_server.client() as redis:

        async def left() -> tuple[int, ...]:
            return (
                redis.hlen("runlane:owners"),
                redis.zcard("runlane:leases"),
                redis.zcard("runlane:scheduled"),
                redis.zcard("runlane:queue:record"),
                sum(int(count) for count in redis.hvals("runlane:running")),
            )

        await until(left, lambda counts: counts == (0, 0, 0, 0, 0))
