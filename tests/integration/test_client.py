"""Client and SyncClient against a server and a worker as people start them, and against what is none."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from pydantic import BaseModel

from runlane import (
    Client,
    JobCancelled,
    JobFailed,
    NotFound,
    Refused,
    SyncClient,
    Unreachable,
    job,
)
from runlane.client.errors import WrongResult
from runlane.clock import utc_now
from runlane.model.status import JobStatus
from testbed import ROOT
from testbed.ports import free_port
from testbed.waiting import PATIENCE_S, until
from tests.support.cutting_proxy import cutting_proxy
from tests.support.places import Place
from tests.support.processes import running_app


class Tries(BaseModel):
    failures: int
    attempts: int


@job
async def tried(failures: int = 2) -> Tries: ...


@job
async def misread(failures: int = 2) -> list[str]: ...


# The server knows it under this name; nobody runs these functions, they have its parameters and its result.
tried.name = misread.name = "flaky"


@pytest.fixture
async def client(place: Place) -> AsyncIterator[Client]:
    async with Client(place.url) as opened:
        yield opened


async def test_a_submitted_function_gives_its_result_as_its_type(client):
    run = await client.submit(tried, failures=1)

    assert await run.result(timeout=PATIENCE_S) == Tries(failures=1, attempts=2)
    assert run.snapshot.status is JobStatus.COMPLETED
    assert await client.run(run.id, tried).result() == Tries(failures=1, attempts=2)
    assert await client.run(str(run.id)).result() == {"failures": 1, "attempts": 2}


async def test_following_a_run_shows_its_whole_timeline_up_to_its_end(client):
    run = await client.submit("noisy", lines=20)
    await run.result()

    seen = [event async for event in run]

    assert [event.version for event in seen] == [*range(1, len(seen) + 1)]
    assert [event.message for event in seen if event.type == "log"] == [f"Line {n} of 20" for n in range(1, 21)]
    assert (seen[0].status, seen[-1].status, seen[-1].progress) == ("queued", "completed", 100)
    assert [event async for event in run.events(after=5)] == seen[5:]


async def test_a_failed_job_raises_its_error_and_a_cancelled_one_that(client):
    failing = await client.submit("always_fails", message="no such shop")
    with pytest.raises(JobFailed, match=r"failed in attempt \d: .*no such shop") as failure:
        await failing.result()
    assert failure.value.message == "no such shop"
    assert failure.value.type
    assert "Traceback" in failure.value.traceback

    long = await client.submit("slow", seconds=600)
    assert (await long.cancel()).cancel_requested_at or long.snapshot.status is JobStatus.CANCELLED
    with pytest.raises(JobCancelled, match="was cancelled"):
        await long.result()
    with pytest.raises(Refused, match="already") as refusal:
        await long.cancel()
    assert refusal.value.status == 409


async def test_a_result_that_does_not_come_in_time_is_a_timeout_and_the_job_goes_on(client):
    run = await client.submit("slow", seconds=600)

    with pytest.raises(TimeoutError, match=r"has not ended within 0\.2 s; it goes on"):
        await run.result(timeout=0.2)

    assert not (await run.get()).status.is_terminal
    await run.cancel()


async def test_a_result_of_another_type_than_the_function_says_is_refused(client):
    run = await client.submit(misread, failures=0)

    with pytest.raises(WrongResult, match="returned something else than its function says: result: "):
        await run.result()


async def test_what_types_do_not_take_is_refused_before_it_is_sent(client):
    nowhere = Client("http://127.0.0.1:1")

    with pytest.raises(Refused, match=r"Nothing was sent: params\.failures: input should be a valid integer") as bad:
        await nowhere.submit(tried, failures="many")
    assert [error.field for error in bad.value.errors] == ["params.failures"]
    with pytest.raises(TypeError, match="has no parameter 'failure'"):
        await nowhere.submit(tried, failure=1)
    with pytest.raises(Refused, match=r"params\.a: is not a number that can be kept"):
        await nowhere.submit("noop", a=float("nan"))
    with pytest.raises(Refused, match="priority: "):
        await nowhere.with_options(priority=10**6).submit(tried)
    with pytest.raises(Refused, match=r"jobs\.1\.params\.failures: .*; jobs\.2\.params: ") as several:
        await nowhere.submit_many(tried, [{"failures": 1}, {"failures": "x"}, {"other": 1}])
    assert [error.field for error in several.value.errors] == ["jobs.1.params.failures", "jobs.2.params"]


async def test_what_the_server_does_not_take_is_its_sentence(client):
    with pytest.raises(Refused, match="kind: ") as unknown:
        await client.submit("web_agnt")
    assert (unknown.value.status, [error.field for error in unknown.value.errors]) == (422, ["kind"])
    with pytest.raises(Refused, match=r"jobs\.1\.params"):
        await client.submit_many("slow", [{"seconds": 1}, {"seconds": -1}])
    with pytest.raises(NotFound, match=r"There is no job .*deleted"):
        await client.get("00000000-0000-0000-0000-000000000000")
    with pytest.raises(NotFound, match="'abc' is no id of a job"):
        await client.get("abc")


async def test_options_are_those_of_the_copy_alone(client):
    at = utc_now() + timedelta(hours=1)
    urgent = client.with_options(priority=7, scheduled_for=at, max_attempts=9)

    scheduled, plain = await urgent.submit("noop"), await client.submit("noop")

    snapshot = scheduled.snapshot
    assert (snapshot.priority, snapshot.scheduled_for, snapshot.max_attempts) == (7, at, 9)
    assert (plain.snapshot.priority, plain.snapshot.scheduled_for) == (0, None)
    keyed = client.with_options(idempotency_key="order-18", delay_s=3600)
    assert (await keyed.submit("noop")).id == (await keyed.submit("noop")).id
    await scheduled.delete()
    with pytest.raises(NotFound):
        await scheduled.get()


async def test_many_are_submitted_in_order_and_listed_by_any_filter(client):
    later = client.with_options(delay_s=3600)
    runs = await later.submit_many("slow", [{"seconds": n} for n in range(1, 451)])

    assert [run.snapshot.params["seconds"] for run in runs] == [*range(1, 451)]
    wanted = {"kind": "slow", "status": ["scheduled"]}
    assert [each.id async for each in client.list(**wanted)] == [run.id for run in reversed(runs)]
    assert len([each async for each in client.list(**wanted, limit=203)]) == 203
    assert [each.id async for each in client.list(ids=[runs[3].id], fields=["params"])] == [runs[3].id]
    assert [each async for each in client.list(**wanted, created_after=utc_now())] == []
    assert [each.id async for each in client.list(**wanted, sort="created_at", limit=1)] == [runs[0].id]
    assert await client.submit_many(tried, []) == []


async def test_a_retried_job_and_its_files(client):
    failing = await client.submit("always_fails")
    with pytest.raises(JobFailed):
        await failing.result()
    assert (await failing.retry()).status is JobStatus.QUEUED

    written = await client.submit("noisy", lines=3)
    await written.result()
    [lines] = await written.artifacts()
    assert (
        await written.artifact("lines.txt")
        == await client.artifact(written.id, lines.id)
        == b"".join(b"Line %d of 3\n" % n for n in (1, 2, 3))
    )
    with pytest.raises(NotFound, match=r"has no file 'other\.txt'"):
        await written.artifact("other.txt")


async def test_the_queue_its_workers_and_what_they_run(client):
    assert (await client.pause()).paused
    assert (await client.queue()).paused
    assert not (await client.resume()).paused

    [worker] = await until(client.workers)
    kinds = {kind.name: kind for kind in await client.kinds()}
    assert worker.state == "running"
    assert "seconds" in kinds["slow"].params_schema["properties"]


async def test_a_deleted_job_ends_the_following_of_it(client):
    run = await client.with_options(delay_s=3600).submit("noop")
    following = asyncio.create_task(run.result())
    events = run.events()
    await anext(events)

    await run.delete()

    with pytest.raises(NotFound, match="deleted"):
        await following
    with pytest.raises(NotFound, match="deleted"):
        await anext(events)


async def test_following_goes_on_through_a_server_that_is_killed_and_started_again(place, tmp_path):
    port, seen = free_port(), []

    async def follow(run):
        async for event in run:
            seen.append(event)

    async def heard(count):
        async def so_far():
            return len(seen)

        await until(so_far, lambda found: found >= count)

    async with Client(f"http://127.0.0.1:{port}") as client:
        async with running_app(tmp_path / "app", place.redis_url, place.database_url, port) as app:
            run = await client.submit("slow", seconds=600)
            following, waiting = asyncio.create_task(follow(run)), asyncio.create_task(run.result())
            await heard(3)
            os.killpg(app.process.pid, signal.SIGKILL)
            await app.process.wait()
        async with running_app(tmp_path / "app", place.redis_url, place.database_url, port):
            await heard(len(seen) + 1)
            await run.cancel()
            await following
            with pytest.raises(JobCancelled):
                await waiting

    assert [event.version for event in seen] == [*range(1, len(seen) + 1)]
    assert seen[-1].status is JobStatus.CANCELLED


async def test_a_lost_answer_makes_no_second_job(place, client):
    before = sum((await client.queue()).counts.values())
    async with cutting_proxy(int(place.url.rpartition(":")[2]), 0) as proxy, Client(proxy.http_url) as cut:
        proxy.answers_to_lose = 2
        one = await cut.submit("noop")
        proxy.answers_to_lose = 2
        many = await cut.with_options(delay_s=3600).submit_many("noop", [{}] * 50)
        assert proxy.answers_to_lose == 0

    async def count():
        return sum((await client.queue()).counts.values())

    assert len({one.id, *(run.id for run in many)}) == 51
    await until(count, lambda found: found == before + 51)


async def test_a_lost_answer_to_a_cancel_or_a_delete_is_found_out(place):
    async with cutting_proxy(int(place.url.rpartition(":")[2]), 0) as proxy, Client(proxy.http_url) as cut:
        run = await cut.with_options(delay_s=3600).submit("noop")
        proxy.answers_to_lose = 1
        assert (await run.cancel()).status is JobStatus.CANCELLED
        proxy.answers_to_lose = 1
        await run.delete()
        with pytest.raises(NotFound):
            await run.delete()


async def test_a_retry_whose_answer_is_lost_is_not_sent_again(place):
    async with cutting_proxy(int(place.url.rpartition(":")[2]), 0) as proxy, Client(proxy.http_url) as cut:
        run = await cut.with_options(delay_s=3600).submit("noop")
        await run.cancel()
        proxy.answers_to_lose = 1
        with pytest.raises(Unreachable, match=r"Nobody knows whether job .* was queued again; look before"):
            await run.retry()
        assert (await run.get()).attempt == 2


async def test_a_stream_that_is_cut_again_and_again_loses_and_doubles_nothing(place):
    async with cutting_proxy(int(place.url.rpartition(":")[2]), 0.002) as proxy, Client(proxy.http_url) as cut:
        run = await cut.submit("web_agent", steps=20, step_seconds=0.1)
        seen = []
        async for event in run:
            seen.append(event.version)
            if len(seen) in (5, 10, 15):  # it runs on for half a second at least
                await proxy.cut()
        assert proxy.cuts >= 3

    assert seen == [*range(1, len(seen) + 1)]
    assert len(seen) >= 22


# Without asyncio


def test_a_sync_client_does_the_same(place):
    with SyncClient(place.url) as client:
        run = client.submit(tried, failures=1)
        assert run.result(timeout=PATIENCE_S) == Tries(failures=1, attempts=2)
        assert [event.version for event in run] == [*range(1, run.snapshot.version + 1)]
        for event in run:
            assert event.version == 1
            break
        assert [each.id for each in client.list(ids=[run.id])] == [run.id]
        assert client.get(run.id).status is JobStatus.COMPLETED
        with pytest.raises(TimeoutError, match="it goes on"):
            client.submit("slow", seconds=600).result(timeout=0.1)
        with pytest.raises(JobFailed):
            client.submit("always_fails").result()
        assert [each.snapshot.priority for each in client.with_options(priority=3).submit_many("noop", [{}] * 2)] == [
            3,
            3,
        ]
        assert client.queue().paused is False


async def test_a_sync_client_works_in_a_running_loop_and_in_threads(place):
    with SyncClient(place.url) as client:
        here = client.submit("noop")

        async def submitted():
            return await asyncio.to_thread(lambda: client.submit("noop").result())

        await asyncio.gather(*(submitted() for _ in range(5)))
        assert here.result() is None


def test_a_sync_client_works_in_a_process_that_was_forked_and_needs_no_closing(place):
    script = """
        import os, sys, warnings
        from runlane import SyncClient
        warnings.simplefilter("ignore")
        client = SyncClient(sys.argv[1])
        client.submit("noop").result()
        child = os.fork()
        print(client.submit("noop").result(), flush=True)
        if child:
            sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    ran = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), place.url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (ran.returncode, ran.stdout.split(), ran.stderr) == (0, ["None"] * 2, "")
