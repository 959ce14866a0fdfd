"""What a worker does beside running jobs: hear wishes that were lost, wake jobs that are due, tell that it lives."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from jobs.models import JobStatus, utc_now
from jobs.workers import WorkerInfo, WorkerState
from tests.support import until
from tests.unit.test_job_life import running, submitted
from worker.runner import Interruption
from worker.upkeep import Upkeep


class RunnerTwin:
    """Jobs that are said to run here, and what was told to them."""

    def __init__(self) -> None:
        self.running: list[UUID] = []
        self.told: list[tuple[UUID, int, Interruption]] = []

    def interrupt(self, job_id: UUID, attempt: int, why: Interruption) -> None:
        self.told.append((job_id, attempt, why))


@pytest.fixture
def runner() -> RunnerTwin:
    return RunnerTwin()


@pytest.fixture
def upkeep(world, runner) -> Upkeep:
    now = utc_now()
    about = {"id": "worker-1", "host": "h", "pid": 1, "started_at": now, "last_seen_at": now, "running": []}
    worker = WorkerInfo(**about, slots=5, state=WorkerState.RUNNING)
    return Upkeep(world.service, world.registry, runner, worker)


@pytest.fixture
async def duties(upkeep) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(upkeep.run())
    yield task
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def cancelled_unheard(service, world, runner):
    """A running job whose cancel never reached its worker."""
    job = await running(service)
    runner.running.append(job.id)
    world.queue.away = True
    await service.cancel(job.id)
    return job


async def test_a_cancel_whose_message_was_lost_is_heard_from_the_store(cancelled_unheard, duties, runner):
    async def told():
        return runner.told

    assert (await until(told))[0] == (cancelled_unheard.id, 1, Interruption.CANCEL)


async def test_a_job_is_queued_as_soon_as_it_is_due(duties, service, store):
    job = await submitted(service, delay_s=0.2)

    queued = await until(lambda: store.get(job.id), lambda job: job.status is JobStatus.QUEUED)

    assert (queued.queued_at - queued.scheduled_for).total_seconds() < 0.6


async def test_a_job_that_redis_lost_is_queued_again_when_a_worker_starts(service, world, store, upkeep):
    job = await submitted(service)
    world.queue.entries.clear()

    task = asyncio.create_task(upkeep.run())

    async def waiting():
        return world.queue.in_order()

    assert await until(waiting) == [f"{job.id}:1"]
    task.cancel()


async def test_duties_go_on_while_redis_and_the_database_are_away(service, store, world, duties, database_away, caplog):
    world.queue.away = True
    job = await submitted(service, delay_s=0.01)
    caplog.set_level("WARNING")

    with database_away():

        async def refused():
            return "refused" in caplog.text

        await until(refused)

    await until(lambda: store.get(job.id), lambda job: job.status is JobStatus.QUEUED)
    assert not duties.done()


async def test_a_worker_is_listed_while_it_lives_and_not_when_it_signed_off(upkeep, duties, world, runner):
    async def listed():
        return await world.registry.all()

    [worker] = await until(listed)
    assert (worker.id, worker.state) == ("worker-1", WorkerState.RUNNING)

    await upkeep.forget()
    assert await listed() == []
