"""What happens to jobs when Redis is emptied, away, full, read-only, hung, or hard to reach."""

import asyncio
import contextlib
import os
import signal
import time

import httpx
import psutil
import pytest

from jobs_app import composition
from runlane.core.insertion import NewJob
from runlane.errors import WrongStatus
from runlane.model.requests import QueueChange, Submission
from runlane.model.snapshot import JobSnapshot
from runlane.model.status import JobStatus
from runlane.queue import keys
from testbed.waiting import until
from tests.support.cutting_proxy import cutting_proxy
from tests.support.farm import LEASE_S, Farm, sees_lines


@contextlib.contextmanager
def hung(redis_server):
    """The server answers nobody while the block lasts."""
    os.kill(redis_server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(redis_server.pid, signal.SIGCONT)


@contextlib.contextmanager
def settings_of(redis_server, **options):
    """The server has other settings while the block lasts."""
    with redis_server.client() as admin:
        before = {name: admin.config_get(name)[name] for name in options}
        for name, value in options.items():
            admin.config_set(name, value)
        try:
            yield
        finally:
            for name, value in before.items():
                admin.config_set(name, value)


async def submit_noop(api: httpx.AsyncClient) -> JobSnapshot:
    """A job submitted through the app, which catches up on what did not reach Redis."""
    reply = await api.post("/api/jobs", json={"kind": "noop"})
    assert reply.status_code == 201
    return JobSnapshot.model_validate(reply.json())


async def works_again(farm: Farm) -> None:
    """A job submitted now runs."""
    await farm.is_(await farm.submit(), "completed")


@pytest.mark.parametrize("count", [200, pytest.param(1000, marks=pytest.mark.faults)])
async def test_redis_is_emptied_in_the_middle_of_many_jobs_and_all_of_them_run(farm, redis_server, count):
    for _ in range(2):
        await farm.start()
    jobs = await farm.submit_many(count, seconds=0.01)
    later = await farm.submit(options={"delay_s": 2})

    for part in (4, 2):
        await until(farm.count_completed, lambda done, part=part: done > count // part)
        with redis_server.client() as admin:
            admin.flushall()

    await farm.all_are([*jobs, later], "completed")
    assert farm.record.most_at_once() <= 5
    assert farm.record.never_two_runs_of_one_job()
    assert len(farm.record.spans()) == count + 1


async def test_redis_is_emptied_while_nothing_happens_and_history_stays(farm, redis_server):
    await farm.start()
    done = [await farm.submit() for _ in range(3)]
    await farm.all_are(done, "completed")
    later = await farm.submit(options={"delay_s": 3600})
    with redis_server.client() as admin:
        admin.flushall()

    await works_again(farm)

    assert {job.id for job in (await farm.services.store.page()).jobs} >= {job.id for job in [*done, later]}

    with redis_server.client() as admin:

        async def awaited():
            return admin.zscore("runlane:scheduled", str(later.id))

        await until(awaited)


async def test_a_job_that_ends_while_redis_is_away_longer_than_its_lease_has_run_once(farm, redis_server):
    worker = await farm.start()
    job = await farm.submit(hold=True)
    await farm.record.has("begin", job.id)

    with redis_server.away():
        farm.let_go()
        done = await farm.is_(job, "completed")
        await asyncio.sleep(LEASE_S)

    await works_again(farm)
    assert done.attempt == 1
    assert (await farm.job(job)).version == done.version
    assert len([span for span in farm.record.spans() if span[2] == job.id]) == 1
    assert worker.process.returncode is None


@pytest.mark.parametrize("trouble", ["killed", pytest.param("hung", marks=pytest.mark.faults)])
async def test_a_job_that_outlives_an_outage_longer_than_its_lease_is_not_taken_from_its_worker(
    farm, redis_server, trouble
):
    for _ in range(3):
        await farm.start()
    jobs = await farm.submit_many(4, hold=True, talks=True)
    for job in jobs:
        await farm.record.has("begin", job.id)

    for _ in range(2):
        with redis_server.away() if trouble == "killed" else hung(redis_server):
            await asyncio.sleep(1.5 * LEASE_S)
        await works_again(farm)

    farm.let_go()
    await farm.all_are(jobs, "completed")
    assert [(await farm.job(job)).attempt for job in jobs] == [1] * 4
    assert farm.record.never_two_runs_of_one_job()


@pytest.mark.faults
async def test_an_outage_is_not_noisy_and_nothing_submitted_during_it_is_lost(farm, api, redis_server):
    worker = await farm.start()
    running = await farm.submit(hold=True)
    await farm.record.has("begin", running.id)
    lines_before = len(worker.lines)

    with redis_server.away():
        began_at = time.monotonic()
        ids = []
        for _ in range(10):
            reply = await api.post("/api/jobs", json={"kind": "noop"})
            assert reply.status_code == 201
            ids.append(reply.json()["id"])
            await asyncio.sleep(1)
        lasted_s = time.monotonic() - began_at

    assert len(worker.lines) - lines_before < 3 * lasted_s
    farm.let_go()
    for job_id in ids:
        await until(
            lambda job_id=job_id: api.get(f"/api/jobs/{job_id}"), lambda found: found.json()["status"] == "completed"
        )
    assert (await farm.is_(running, "completed")).attempt == 1


@pytest.mark.faults
async def test_a_minute_without_redis_keeps_nobody_busy(farm, api, redis_server):
    worker = await farm.start()
    running = await farm.submit(hold=True)
    await farm.record.has("begin", running.id)
    used = psutil.Process(worker.process.pid).cpu_times, psutil.Process().cpu_times
    before = [sum(times()[:2]) for times in used]
    lines_before = len(worker.lines)

    with redis_server.away():
        submitted = await submit_noop(api)
        await asyncio.sleep(60)
        after = [sum(times()[:2]) for times in used]
        farm.let_go()

    assert all(later - earlier < 6 for earlier, later in zip(before, after, strict=True)), "a tenth of a core"
    assert len(worker.lines) - lines_before < 100
    await farm.is_(submitted, "completed")
    assert (await farm.is_(running, "completed")).attempt == 1


async def test_all_connections_are_killed_and_cancels_and_wake_ups_still_arrive(farm, redis_server):
    worker = await farm.start()
    job = await farm.submit(seconds=60)
    await farm.record.has("begin", job.id)

    with redis_server.client() as admin:
        for kind in ("normal", "pubsub"):
            admin.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
    await farm.service.cancel(job.id)

    await farm.is_(job, "cancelled")
    await works_again(farm)
    assert worker.process.returncode is None


async def test_a_cancel_whose_message_was_lost_reaches_its_handler_all_the_same(farm):
    await farm.start()
    job = await farm.submit(seconds=60)
    await farm.record.has("begin", job.id)

    await farm.services.store.request_cancel(job.id)

    await farm.is_(job, "cancelled")
    await farm.record.has("end", job.id)


async def test_redis_is_full_and_what_is_submitted_runs_when_there_is_room(farm, api, redis_server):
    worker = await farm.start()
    running = await farm.submit(hold=True)
    await farm.record.has("begin", running.id)

    with settings_of(redis_server, maxmemory="1"):
        submitted = await submit_noop(api)
        farm.let_go()
        await farm.is_(running, "completed")
        assert (await farm.job(submitted)).status is JobStatus.QUEUED

    await farm.is_(submitted, "completed")
    assert worker.process.returncode is None


async def test_redis_becomes_a_replica_and_what_is_submitted_runs_when_it_leads_again(farm, api, redis_server):
    worker = await farm.start()
    running = await farm.submit(hold=True)
    await farm.record.has("begin", running.id)

    with redis_server.client() as admin:
        admin.execute_command("REPLICAOF", "127.0.0.1", "1")
        submitted = await submit_noop(api)
        farm.let_go()
        await farm.is_(running, "completed")
        admin.execute_command("REPLICAOF", "NO", "ONE")

    await farm.is_(submitted, "completed")
    assert worker.process.returncode is None
    assert (await farm.job(running)).attempt == 1


@pytest.mark.faults
async def test_redis_hangs_for_longer_than_a_lease_and_every_job_runs_once(farm, api, redis_server):
    workers = [await farm.start() for _ in range(2)]
    running = await farm.submit(hold=True)
    await farm.record.has("begin", running.id)

    with hung(redis_server):
        submitted = await submit_noop(api)
        farm.let_go()
        await farm.is_(running, "completed")
        await asyncio.sleep(LEASE_S)

    await farm.is_(submitted, "completed")
    assert farm.record.never_two_runs_of_one_job()
    assert len(farm.record.spans()) == 1
    assert [worker.process.returncode for worker in workers] == [None, None]


@pytest.mark.faults
# the proxy is cut while it accepts: a socket of its own, not of the product, is left to the garbage collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_workers_behind_a_connection_that_is_slow_and_cut_again_and_again_run_every_job(farm, redis_server):
    async with cutting_proxy(redis_server.port, delay_s=0.005) as proxy:
        for _ in range(2):
            await farm.start(REDIS_URL=proxy.url)
        jobs = await farm.submit_many(150, seconds=0.05)

        for _ in range(15):
            await asyncio.sleep(0.3)
            await proxy.cut()

        await farm.all_are(jobs, "completed")
    assert proxy.cuts > 50
    assert farm.record.never_two_runs_of_one_job()
    assert farm.record.most_at_once() <= 5


async def test_an_entry_without_a_job_is_dropped_and_holds_up_nobody(farm, redis_server):
    orphan = "0198c0de-0000-7000-8000-000000000000"
    with redis_server.client() as admin:
        admin.zadd(keys.QUEUE + "record", {orphan: -1e15})
        admin.sadd("runlane:kinds", "record")

        await farm.start()

        await works_again(farm)

        async def left():
            return admin.zscore(keys.QUEUE + "record", orphan), admin.hlen("runlane:owners")

        assert await until(left, lambda found: found == (None, 0)) == (None, 0)


async def test_entries_that_are_not_ours_are_dropped_with_a_warning_and_every_task_goes_on(farm, redis_server):
    with redis_server.client() as admin:
        admin.sadd("runlane:kinds", "record")
        for key in (keys.QUEUE + "record", "runlane:scheduled", "runlane:leases"):
            admin.zadd(key, {"of somebody else": 1, "schedule:of somebody else": 1})

        worker = await farm.start()

        await works_again(farm)
        later = await farm.submit(options={"delay_s": 0.5})
        await farm.is_(later, "completed")
        await sees_lines(worker, "'of somebody else'")

        async def left():
            return [*admin.zrange("runlane:scheduled", 0, -1), *admin.zrange("runlane:leases", 0, -1)]

        await until(left, lambda found: not found)
        assert (admin.hlen("runlane:owners"), admin.zcard(keys.QUEUE + "record")) == (0, 0)
    assert worker.process.returncode is None


@pytest.mark.faults
async def test_entries_that_were_taken_out_or_put_in_by_hand_are_fixed_within_half_a_minute(farm, redis_server):
    await farm.services.limits.change_queue(QueueChange(paused=True))
    old, later = await farm.submit(), await farm.submit(options={"delay_s": 3600})
    for _ in range(3):  # more than are compared when only the newest are
        await farm.submit_many(1000)
        await farm.service.submit_many([Submission(kind="noop", delay_s=3600)] * 1000)
    queue, orphan = keys.QUEUE + "record", "0198c0de-0000-7000-8000-000000000000"
    with redis_server.client() as admin:

        async def is_as_in_sql():
            ours = admin.zscore(queue, str(old.id)) and admin.zscore("runlane:scheduled", str(later.id))
            return ours and admin.zscore(queue, orphan) is None

        admin.zadd(queue, {orphan: 1})
        await farm.start()
        await until(is_as_in_sql)  # the reconciliation of its start is over

        admin.zrem(queue, str(old.id))
        admin.zrem("runlane:scheduled", str(later.id))
        admin.zadd(queue, {orphan: 1})

        await until(is_as_in_sql, every_s=0.5)


async def test_a_job_that_never_reached_redis_runs_when_the_app_starts_again(farm, config):
    await farm.start()
    await works_again(farm)  # the worker's own start has already checked for such jobs
    changes, _ = await farm.services.store.insert(
        [NewJob(kind="noop", params={}, priority=0, max_attempts=1, scheduled_for=None)]
    )
    job = changes[0].job

    async with composition.serving(config):
        await farm.is_(job, "completed")


async def test_a_worker_that_starts_before_redis_waits_for_it(farm, redis_server):
    with redis_server.away():
        worker = await farm.start()
        assert any("does not answer yet" in line for line in worker.lines)
        job = await farm.submit()

    await farm.is_(job, "completed")


async def test_a_worker_can_be_stopped_while_redis_is_away(farm, redis_server):
    worker = await farm.start()
    job = await farm.submit(seconds=60)
    await farm.record.has("begin", job.id)

    with redis_server.away():
        worker.signal(signal.SIGTERM)

        assert await worker.ends() == 0
        handed_back = await farm.job(job)

    assert (handed_back.status, handed_back.attempt) == (JobStatus.QUEUED, 1)


async def test_a_job_is_cancelled_retried_and_deleted_while_redis_is_away(farm, redis_server):
    await farm.start()
    waiting = await farm.submit(options={"delay_s": 60})
    kept = await farm.submit(options={"delay_s": 60})

    with redis_server.away():
        assert (await farm.service.cancel(waiting.id)).status is JobStatus.CANCELLED
        assert (await farm.service.cancel(kept.id)).status is JobStatus.CANCELLED
        assert (await farm.service.retry(kept.id)).status is JobStatus.QUEUED
        with pytest.raises(WrongStatus):
            await farm.service.retry(kept.id)
        await farm.service.delete(waiting.id)

    await farm.is_(kept, "completed")
    assert waiting.id not in {job.id for job in (await farm.services.store.page()).jobs}
