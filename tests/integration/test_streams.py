"""Event streams: complete, in order, resumable, and nothing left when the client goes."""

import asyncio
import json
from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest

from jobs_app import runtime
from jobs_app.api.streams import stream_all, stream_job
from runlane.core.attempts import HandlerMessage, Report, cancelled, completed
from runlane.model.status import EventType
from testbed.attempts import end_attempt, report_attempt, start_attempt
from testbed.waiting import PATIENCE_S, until


class Stream:
    """The messages of one stream, as they come."""

    def __init__(self, generator: AsyncIterator) -> None:
        self._generator = generator

    async def next(self):
        return await asyncio.wait_for(anext(self._generator), PATIENCE_S)

    async def rest(self) -> list:
        found = []
        while True:
            try:
                found.append(await self.next())
            except StopAsyncIteration:
                return found

    async def close(self) -> None:
        await self._generator.aclose()


async def open_stream(job_id: str, last_event_id: str | None = None) -> Stream:
    job = await runtime.current().reader.get(UUID(job_id))
    return Stream(stream_job(job, last_event_id))


async def follow(job_id: str) -> tuple[Stream, asyncio.Task[list]]:
    """A stream that has sent its past and now waits for news of the running job (version 4), and its further reading.

    A stream reads the store before it waits, so whatever happens before its reader is here would be read there.
    """
    stream = await open_stream(job_id)
    await stream.next()
    service, job = runtime.jobs(), UUID(job_id)
    await start_attempt(service, job, "worker-1")
    assert (await stream.next()).id == "2"
    for version in ("3", "4"):
        reading = asyncio.create_task(stream.next())
        await runtime.current().reader.get(job)
        await report_attempt(service, job, 1, [HandlerMessage(EventType.LOG, log_message="warming up")])
        assert (await reading).id == version
    return stream, asyncio.create_task(stream.rest())


async def work(job_id: str, lines: int) -> None:
    """Run the job to its end, as a worker would."""
    service, job = runtime.jobs(), UUID(job_id)
    await start_attempt(service, job, "worker-1")
    for n in range(lines):
        await report_attempt(service, job, 1, [HandlerMessage(EventType.LOG, log_message=str(n))])
    await end_attempt(service, completed(job, 1, {"lines": lines}))


@pytest.fixture
async def listening(api, active):
    async def feed():
        return active.hub.feed.value

    await until(feed, lambda seen: seen == "up")


async def test_a_stream_tells_the_job_then_every_change_in_order_then_the_end(client, listening):
    job_id = await client.submit("noop")
    stream = await open_stream(job_id)
    first = await stream.next()

    await work(job_id, 5)
    messages = await stream.rest()

    assert (first.event, first.id, first.retry) == ("job", "1", 2000)
    assert json.loads(first.raw_data)["id"] == job_id
    assert [m.id for m in messages] == ["2", "3", "4", "5", "6", "7", "8", None]
    assert [m.event for m in messages] == ["status", *["log"] * 5, "status", "end"]
    assert [json.loads(m.raw_data) for m in messages[:-1]] == (await client.events(job_id))[1:]


async def test_a_stream_of_a_finished_job_ends_at_once(client, listening):
    job_id = await client.submit("noop")
    await work(job_id, 0)

    messages = await (await open_stream(job_id)).rest()

    assert [(m.event, m.id) for m in messages] == [("job", "3"), ("end", None)]
    assert json.loads(messages[1].raw_data) == {"status": "completed"}


@pytest.mark.parametrize("seen", range(0, 9))
async def test_a_resumed_stream_goes_on_right_after_what_was_seen(client, listening, seen):
    job_id = await client.submit("noop")
    await work(job_id, 5)

    messages = await (await open_stream(job_id, str(seen))).rest()

    assert messages[0].event == "job"
    assert [m.id for m in messages[1:-1]] == [str(n) for n in range(seen + 1, 9)]
    assert messages[-1].event == "end"


@pytest.mark.parametrize("nonsense", ["", "abc", "-1", "1.5", "9" * 400, "٣"])
async def test_a_last_event_id_that_this_stream_never_gave_begins_afresh(client, listening, nonsense):
    job_id = await client.submit("noop")
    await work(job_id, 1)

    messages = await (await open_stream(job_id, nonsense)).rest()

    assert [(m.event, m.id) for m in messages] == [("job", "4"), ("end", None)]


async def test_a_client_that_breaks_off_again_and_again_misses_and_doubles_nothing(client, listening):
    job_id = await client.submit("noop")
    seen, worker = [1], asyncio.create_task(work(job_id, 60))
    ended = False
    while not ended:
        stream = await open_stream(job_id, str(seen[-1]))
        for _ in range(7):
            message = await stream.next()
            ended = message.event == "end"
            if ended:
                break
            if message.event != "job":
                seen.append(int(message.id))
        await stream.close()
    await worker

    assert seen == list(range(1, 64))


async def test_what_was_missed_while_redis_was_away_is_sent_when_it_is_back(client, listening, redis_server):
    job_id = await client.submit("noop")
    _, reading = await follow(job_id)

    with redis_server.away():
        for n in range(50):
            await report_attempt(runtime.jobs(), UUID(job_id), 1, [HandlerMessage(EventType.LOG, log_message=str(n))])
        await end_attempt(runtime.jobs(), completed(UUID(job_id), 1, None))

    assert [m.id for m in await reading] == [*(str(n) for n in range(5, 56)), None]


async def test_a_change_that_was_never_announced_comes_in_its_place(client, listening):
    job_id = await client.submit("noop")
    _, reading = await follow(job_id)

    await runtime.current().reader.record(
        [Report(UUID(job_id), 1, [HandlerMessage(EventType.LOG, log_message="unannounced")])]
    )
    await end_attempt(runtime.jobs(), completed(UUID(job_id), 1, None))

    assert [m.id for m in await reading] == ["5", "6", None]


async def test_a_job_that_is_deleted_ends_its_stream(client, listening, api):
    job_id = await client.submit("noop")
    stream = await open_stream(job_id)
    await stream.next()

    await api.delete(f"/api/jobs/{job_id}")

    [end] = await stream.rest()
    assert (end.event, json.loads(end.raw_data)) == ("end", {"reason": "deleted"})


async def test_a_client_that_goes_away_frees_what_it_held(client, listening, active):
    before = active.hub.listeners
    job_id = await client.submit("noop")
    streams = [await open_stream(job_id) for _ in range(20)]
    for stream in streams:
        await stream.next()
    assert active.hub.listeners == before + 20

    for stream in streams:
        await stream.close()

    assert active.hub.listeners == before


async def test_the_stream_of_all_jobs_tells_every_change_and_every_deletion(client, listening, api):
    stream = Stream(stream_all())
    await stream.next()

    job_id = await client.submit("noop")
    await api.post(f"/api/jobs/{job_id}/cancel")
    await api.delete(f"/api/jobs/{job_id}")
    messages = [await stream.next() for _ in range(3)]

    assert [m.event for m in messages] == ["job", "job", "deleted"]
    assert json.loads(messages[1].raw_data)["status"] == "cancelled"
    await stream.close()


async def test_the_stream_of_all_jobs_tells_that_something_may_have_been_missed(client, listening, redis_server):
    stream = Stream(stream_all())
    await stream.next()

    with redis_server.client() as admin:
        admin.client_kill_filter(_type="pubsub")

    assert (await stream.next()).event == "gap"
    await stream.close()


async def test_a_job_that_was_deleted_while_redis_was_away_ends_its_stream(client, listening, api, redis_server):
    job_id = await client.submit("noop")
    _, reading = await follow(job_id)

    with redis_server.away():
        await end_attempt(runtime.jobs(), cancelled(UUID(job_id), 1, "Cancelled while it ran."))
        await api.delete(f"/api/jobs/{job_id}")

    [end] = await reading
    assert (end.event, json.loads(end.raw_data)) == ("end", {"reason": "deleted"})


async def test_a_stream_goes_on_over_a_change_too_large_to_announce(client, listening):
    job_id = await client.submit("noop")
    stream = await open_stream(job_id)
    await stream.next()
    job = UUID(job_id)
    large = "x" * 100_000

    await start_attempt(runtime.jobs(), job, "worker-1")
    await report_attempt(runtime.jobs(), job, 1, [HandlerMessage(EventType.LOG, log_message=large)])
    await end_attempt(runtime.jobs(), completed(job, 1, None))
    messages = await stream.rest()

    assert [m.id for m in messages] == ["2", "3", "4", None]
    assert json.loads(messages[1].raw_data)["message"] == large


async def test_a_finished_stream_reads_as_event_stream_over_http(client, listening, api):
    job_id = await client.submit("noop")
    await work(job_id, 1)

    async with httpx.AsyncClient(transport=api._transport, base_url="http://localhost:8000") as reader:
        reply = await reader.get(f"/api/jobs/{job_id}/stream", headers={"Last-Event-ID": "2"})

    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.text.count("event: ") == 4
    assert "id: 3\n" in reply.text
