"""The one writer of a worker: what is pending goes in one transaction, in order, and is never lost."""

import asyncio

import pytest

from runlane.core.attempts import HandlerMessage, Report, Start, completed
from runlane.engine.writer import Writer
from runlane.model.requests import Submission
from runlane.model.status import EventType, JobStatus
from testbed.waiting import until
from tests.support.jobs import CountingStore

pytestmark = pytest.mark.databases


@pytest.fixture
def store(database):
    return CountingStore(database)


@pytest.fixture
def held():
    """How often the writer told that it holds, or no longer does."""
    return []


@pytest.fixture
async def writer(store, follow_up, held):
    made = Writer(store, follow_up, on_hold=lambda: held.append(made.holding))
    made.open()
    yield made
    await made.close()


@pytest.fixture
async def running(service, writer):
    """Some jobs that run."""
    jobs = await service.submit_many([Submission(kind="noop") for _ in range(3)])
    await writer.write(Start([job.id for job in jobs], "worker-1", 0))
    return jobs


def line(text):
    return HandlerMessage(EventType.LOG, log_message=text)


async def test_what_is_pending_together_is_written_in_one_transaction(store, writer, running):
    before = store.transactions

    await asyncio.gather(*(writer.write(Report(job.id, 1, [line(str(n))])) for n in range(5) for job in running))

    assert store.transactions - before <= 2, "the first may go alone; all others wait for it and go together"


async def test_changes_are_announced_in_the_order_they_were_committed(world, writer, running):
    for n in range(3):
        await writer.write(Report(running[0].id, 1, [line(str(n))]))
    await writer.write(completed(running[0].id, 1, None))

    async def announced():
        return [change.event.version for change in world.events.published if change.job.id == running[0].id]

    assert await until(announced, lambda seen: len(seen) == 6) == [1, 2, 3, 4, 5, 6]


async def test_a_change_of_an_attempt_that_no_longer_runs_is_refused_and_the_others_are_kept(writer, running, store):
    late, fine = await asyncio.gather(
        writer.write(Report(running[0].id, 7, [line("late")])), writer.write(Report(running[1].id, 1, [line("fine")]))
    )

    assert late is None
    assert fine is not None
    assert [e.message for e in await store.events(running[1].id)][-1] == "fine"


async def test_a_change_that_can_never_be_written_is_refused_alone(writer, running, store):
    impossible = completed(running[0].id, 1, {"never": object()})

    outcomes = await asyncio.gather(
        writer.write(impossible), writer.write(completed(running[1].id, 1, "kept")), return_exceptions=True
    )

    assert isinstance(outcomes[0], Exception)
    assert (await store.get(running[1].id)).result == "kept"
    assert (await store.get(running[0].id)).status is JobStatus.RUNNING


async def test_while_the_database_is_away_the_writer_holds_and_writes_all_when_it_is_back(
    writer, running, store, held, database_away, caplog
):
    with database_away():
        ending = [asyncio.create_task(writer.write(completed(job.id, 1, "kept"))) for job in running]

        async def holding():
            return writer.holding

        await until(holding)
        assert not any(task.done() for task in ending)

    await asyncio.gather(*ending)
    assert {job.result for job in (await store.get_many([job.id for job in running])).values()} == {"kept"}
    assert held == [True, False]
    assert "takes no writes" in caplog.text
    assert "nothing was lost" in caplog.text


async def test_redis_may_be_away_while_changes_are_written(world, writer, running, store):
    world.queue.away = True

    await writer.write(completed(running[0].id, 1, "kept"))

    assert (await store.get(running[0].id)).result == "kept"
