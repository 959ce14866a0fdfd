"""Queue, announcements and registry: one suite on the twins and on the real thing, so that the twins stay honest."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest
import uvloop

from runlane.clock import epoch_ms, utc_now
from runlane.errors import LostWorkerNotFound
from runlane.model.limits import Limits
from runlane.model.snapshot import Change, Deleted, JobEvent, JobSnapshot
from runlane.model.status import EventType, JobStatus
from runlane.queue import keys
from runlane.queue.change_feed import MAX_ANNOUNCED_BYTES, Feed, RedisEvents, TooBig
from runlane.queue.client import (
    Command,
    JobQueue,
    parse_command,
)
from runlane.queue.redis_client import REDIS_TROUBLE, connection_pool, subscribe
from runlane.queue.worker_registry import WorkerRegistry, WorkerState
from testbed.waiting import until
from tests.support.jobs import queued, worker
from tests.support.twins import MemoryEvents, MemoryQueue, MemoryRegistry


class RealQueue(JobQueue):
    """The real queue, and what is in it in order."""

    async def entries_in_order(self) -> list[str]:
        return [name.decode() for name in await self.redis.zrange(f"{keys.QUEUE}noop", 0, -1)]

    async def scheduled_names(self) -> dict[str, int]:
        return {
            name.decode(): round(at) for name, at in await self.redis.zrange(keys.SCHEDULED, 0, -1, withscores=True)
        }


class TwinQueue(MemoryQueue):
    async def entries_in_order(self) -> list[str]:
        return self.in_order()

    async def scheduled_names(self) -> dict[str, int]:
        return {name: epoch_ms(at) for name, at in self.scheduled.items()}


@pytest.fixture(params=["twin", "real"])
async def queue(request) -> AsyncIterator[RealQueue | TwinQueue]:
    made = TwinQueue() if request.param == "twin" else RealQueue(request.getfixturevalue("redis_server").url)
    yield made
    await made.close()


@pytest.fixture(params=["twin", "real"])
async def events(request) -> AsyncIterator[RedisEvents | MemoryEvents]:
    made = MemoryEvents() if request.param == "twin" else RedisEvents(request.getfixturevalue("redis_server").url)
    yield made
    await made.close()


@pytest.fixture(params=["twin", "real"])
async def registry(request) -> AsyncIterator[WorkerRegistry | MemoryRegistry]:
    made = MemoryRegistry() if request.param == "twin" else WorkerRegistry(request.getfixturevalue("redis_server").url)
    yield made
    await made.close()


def later() -> JobSnapshot:
    return queued(status="scheduled", queued_at=None, scheduled_for=utc_now() + timedelta(hours=1))


@pytest.mark.parametrize("generation", [0, None], ids=["by who rebuilds Redis too", "by who leaves an empty one alone"])
async def test_limits_that_were_read_before_anothers_change_do_not_undo_it(redis_server, generation):
    queue = JobQueue(redis_server.url)
    now, reads, may_go_on = Limits(concurrency=5), [], asyncio.Event()

    async def read_slowly():
        found = now
        reads.append(found)
        if len(reads) == 1:
            await may_go_on.wait()
        return found

    async def read():
        return now

    setting = asyncio.create_task(queue.set_limits(read_slowly, generation=0))
    await until(_value(reads))
    now = Limits(concurrency=2)
    await queue.set_limits(read, generation=generation)
    may_go_on.set()

    assert await setting == Limits(concurrency=2)
    assert len(reads) == 2
    await queue.close()


async def test_a_change_of_limits_leaves_an_emptied_redis_to_the_worker_that_rebuilds_it(redis_server):
    """Or the workers would take it for one that knows what runs, and start as many again."""

    async def read():
        return Limits(concurrency=5)

    queue = JobQueue(redis_server.url)
    async with contextlib.aclosing(subscribe(redis_server.url, keys.COMMANDS)) as commands:
        await anext(commands)
        await queue.set_limits(read)

        assert parse_command(await anext(commands)) == Command(claim=True), (
            "a worker calls, and learns that it is empty"
        )
    assert await queue.redis.exists(keys.LIMITS) == 0
    await queue.set_limits(read, generation=1)
    assert await queue.redis.hgetall(keys.LIMITS) == {b"paused": b"0", b"concurrency": b"5", b"generation": b"1"}
    await queue.close()


def _value(value):
    async def read():
        return value

    return read


async def test_jobs_of_one_moment_wait_in_the_order_they_came(queue):
    now = utc_now()
    jobs = [queued(queued_at=now) for n in range(300)]

    await queue.enqueue(jobs[:100])
    await queue.enqueue(jobs[100:])

    assert await queue.entries_in_order() == [str(job.id) for job in jobs]


async def test_a_higher_priority_goes_first_however_late_it_came(queue):
    low = queued(priority=-1000, queued_at=utc_now() - timedelta(days=100))
    plain, high = queued(), queued(priority=1000)

    await queue.enqueue([low, plain, high])

    assert await queue.entries_in_order() == [str(high.id), str(plain.id), str(low.id)]


async def test_enqueueing_twice_is_harmless(queue):
    job = queued()

    await queue.enqueue([job])
    await queue.enqueue([job])

    assert await queue.entries_in_order() == [str(job.id)]


async def test_a_job_is_taken_out_and_taking_it_out_again_is_harmless(queue):
    job, other = queued(), queued()
    await queue.enqueue([job, other])

    await queue.remove([(job.id, "noop")])
    await queue.remove([(job.id, "noop"), (uuid4(), "unheard_of")])
    await queue.remove([])

    assert await queue.entries_in_order() == [str(other.id)]


async def test_an_entry_that_is_dropped_is_in_no_queue_and_its_job_may_be_awaited_all_the_same(queue):
    orphan, stays, awaited = queued(), queued(), later()
    assert await queue.is_empty()
    await queue.enqueue([orphan, stays, awaited])

    assert await queue.drop("noop", [orphan.id, awaited.id, uuid4()]) == 1
    assert await queue.drop("slow", [stays.id]) == 0
    assert await queue.drop("noop", []) == 0

    assert await queue.entries_in_order() == [str(stays.id)]
    assert list(await queue.scheduled_names()) == [str(awaited.id)]
    assert not await queue.is_empty()


async def test_the_queue_lists_the_jobs_it_does_not_know(queue):
    known, unknown = queued(), queued(kind="slow")
    awaited, forgotten = later(), later()
    await queue.enqueue([known, awaited])

    assert await queue.missing([known, unknown, awaited, forgotten]) == {unknown.id, forgotten.id}
    assert await queue.missing([]) == set()


async def test_a_job_for_later_is_awaited_to_the_millisecond_and_in_no_queue_until_it_is_due(queue):
    job = later()

    await queue.enqueue([job])

    assert await queue.scheduled_names() == {str(job.id): epoch_ms(job.scheduled_for)}
    assert await queue.entries_in_order() == []
    await queue.enqueue([job.model_copy(update={"status": JobStatus.QUEUED, "queued_at": utc_now()})])
    assert await queue.scheduled_names() == {}
    assert await queue.entries_in_order() == [str(job.id)]


async def test_a_reminder_is_kept_until_it_is_forgotten(queue):
    at = utc_now()

    await queue.remind("schedule:x", at)

    assert await queue.scheduled_names() == {"schedule:x": epoch_ms(at)}
    await queue.forget_reminder("schedule:x")
    assert await queue.scheduled_names() == {}


async def test_a_command_that_nobody_receives_is_harmless(queue):
    await queue.send(Command(cancel=uuid4()))

    assert await queue.entries_in_order() == []


def change(version: int, text: str = "") -> Change:
    job = queued(version=version, message=text)
    event = JobEvent(
        version=version, at=utc_now(), type=EventType.LOG, status=job.status, attempt=1, progress=0, message=text
    )
    return Change(job=job, event=event)


class Listener:
    """Receives everything, in a task of its own."""

    def __init__(self, events: RedisEvents | MemoryEvents) -> None:
        self.received: list[object] = []
        self._task = asyncio.create_task(self._listen(events))

    async def _listen(self, events: RedisEvents | MemoryEvents) -> None:
        async for item in events.listen():
            self.received.append(item)

    async def read(self) -> list[object]:
        return self.received

    async def receives(self, count: int) -> list[object]:
        return await until(self.read, lambda received: len(received) >= count)

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def test_a_listener_first_learns_that_it_is_connected_then_receives_all_in_order(events):
    listener = Listener(events)
    assert await listener.receives(1) == [Feed.UP]
    changes = [change(n) for n in range(1, 30)]

    await events.publish(changes[:15])
    await events.publish(changes[15:])

    assert (await listener.receives(30))[1:] == changes
    await listener.stop()


async def test_several_listeners_receive_the_same(events):
    listeners = [Listener(events) for _ in range(3)]
    for listener in listeners:
        await listener.receives(1)
    deletion = Deleted(deleted=(uuid4(),))

    await events.publish([deletion])

    for listener in listeners:
        assert (await listener.receives(2))[1] == deletion
        await listener.stop()


async def test_a_change_that_is_too_large_is_announced_by_its_id_alone(events):
    listener = Listener(events)
    await listener.receives(1)
    large = change(7, "x" * MAX_ANNOUNCED_BYTES)

    await events.publish([large])

    assert (await listener.receives(2))[1] == TooBig(too_big=large.job.id, version=7)
    await listener.stop()


async def test_who_announces_receives_the_same_as_others(redis_server):
    own, other = RedisEvents(redis_server.url), RedisEvents(redis_server.url)
    listeners = [Listener(own), Listener(other)]
    for listener in listeners:
        await listener.receives(1)
    large = change(2, "x" * MAX_ANNOUNCED_BYTES)

    await own.publish([change(1), large, Deleted(deleted=(uuid4(),)), *(change(version) for version in range(3, 400))])
    await other.publish([change(1)])

    first, second = [await listener.receives(401) for listener in listeners]
    assert first == second
    assert first[2] == TooBig(too_big=large.job.id, version=2)
    for listener in listeners:
        await listener.stop()
    await own.close()
    await other.close()


async def test_publishing_nothing_or_to_nobody_is_harmless(events):
    await events.publish([])
    await events.publish([change(1)])


async def test_workers_that_beat_are_listed_the_oldest_first(registry):
    first, second = worker("b"), worker("a")

    await registry.beat(second)
    await registry.beat(first)
    await registry.beat(first.model_copy(update={"running": [uuid4()]}))

    assert [(w.id, len(w.running), w.state) for w in await registry.all()] == [
        ("b", 1, WorkerState.RUNNING),
        ("a", 0, WorkerState.RUNNING),
    ]


async def test_a_worker_that_is_silent_is_shown_as_lost(registry):
    await registry.beat(worker("a", last_seen_at=utc_now() - timedelta(seconds=30)))

    assert [w.state for w in await registry.all()] == [WorkerState.LOST]


async def test_a_lost_worker_that_is_forgotten_stays_listed_until_it_is_back(registry):
    await registry.beat(worker("alive"))
    await registry.beat(worker("gone", last_seen_at=utc_now() - timedelta(seconds=30)))

    await registry.forget("gone")
    assert {w.id: (w.state, w.forgotten) for w in await registry.all()} == {
        "alive": (WorkerState.RUNNING, False),
        "gone": (WorkerState.LOST, True),
    }
    for other in ("alive", "nobody"):
        with pytest.raises(LostWorkerNotFound):
            await registry.forget(other)
    await registry.beat(worker("gone"))
    assert [w.forgotten for w in await registry.all()] == [False, False]


async def test_a_worker_that_left_is_not_listed(registry):
    await registry.beat(worker("a"))

    await registry.leave("a")
    await registry.leave("a")

    assert await registry.all() == []


async def test_what_others_wrote_into_the_registry_is_dropped(redis_server):
    registry = WorkerRegistry(redis_server.url)
    with redis_server.client() as client:
        client.hset(keys.WORKERS, "x", "cos\nsystem\n(S'true'\ntR.")

    assert await registry.all() == []
    with redis_server.client() as client:
        assert client.hlen(keys.WORKERS) == 0
    await registry.close()


async def test_a_listener_whose_connection_is_cut_learns_to_read_the_store_and_receives_again(redis_server):
    events = RedisEvents(redis_server.url)
    listener = Listener(events)
    await listener.receives(1)

    with redis_server.client() as client:
        client.client_kill_filter(_type="pubsub")
    await until(listener.read, lambda received: received.count(Feed.UP) == 2)
    sent = change(1)
    await events.publish([sent])

    await until(listener.read, lambda received: received[-1] == sent)
    await listener.stop()
    await events.close()


async def test_a_listener_learns_when_redis_is_away_and_when_it_is_back(redis_server):
    events = RedisEvents(redis_server.url)
    listener = Listener(events)
    await listener.receives(1)

    with redis_server.away():
        assert (await listener.receives(2))[1:] == [Feed.DOWN]
    assert (await listener.receives(3))[2:] == [Feed.UP]
    sent = change(1)
    await events.publish([sent])

    assert (await listener.receives(4))[3:] == [sent]
    await listener.stop()
    await events.close()


async def test_an_announcement_that_is_not_ours_is_ignored(redis_server):
    events = RedisEvents(redis_server.url)
    listener = Listener(events)
    await listener.receives(1)

    with redis_server.client() as client:
        client.publish("runlane:changes", "cos\nsystem\n")
    await events.publish([change(1)])

    assert isinstance((await listener.receives(2))[1], Change)
    await listener.stop()
    await events.close()


def test_a_connection_that_the_server_has_closed_raises_the_usual_error_with_uvloop_too(redis_server):
    async def write_to_a_closed_connection() -> None:
        pool = connection_pool(redis_server.url)
        connection = await pool.get_connection()
        connection._writer.transport.abort()
        with pytest.raises(REDIS_TROUBLE):
            for _ in range(100):  # the loop closes it when it next turns
                await asyncio.sleep(0.01)
                await connection.send_command("PING", check_health=False)
        await pool.disconnect()

    uvloop.run(write_to_a_closed_connection())
