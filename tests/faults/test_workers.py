"""What happens to jobs when workers are killed, stopped, frozen, blocked, or quiet."""

import asyncio
import signal
from datetime import timedelta
from itertools import pairwise

import pytest

from runlane.clock import utc_now
from runlane.errors import JobsError
from runlane.model.requests import QueueChange, Submission
from runlane.model.status import JobStatus
from runlane.queue.claims import IDLE_READ_S, Claims
from testbed.waiting import until
from tests.support.farm import LEASE_S, RATED_S, gather, sees_lines

pytestmark = pytest.mark.databases


async def test_a_killed_workers_job_runs_again_as_a_new_attempt(farm):
    first = await farm.start()
    job = await farm.submit(hold=True)
    await farm.record.has("begin", job.id)

    farm.kill(first)
    farm.let_go()
    await farm.start()

    done = await farm.is_(job, "completed")
    assert done.attempt == 2
    assert "Queued again: worker lost." in await farm.messages(job)


async def test_a_killed_workers_job_without_attempts_left_fails_and_says_why(farm):
    worker = await farm.start()
    job = await farm.submit(seconds=60, options={"max_attempts": 1})
    await farm.record.has("begin", job.id)

    farm.kill(worker)
    await farm.start()

    failed = await farm.is_(job, "failed")
    assert failed.error.type == "WorkerLost"
    assert failed.message == "Failed: worker lost, and no attempt is left."


async def test_a_job_whose_worker_was_killed_before_it_started_runs_once_and_loses_no_attempt(farm, active, config):
    job = await farm.submit()
    await active.queue.set_limits(farm.services.limits.current, generation=0)
    claims = Claims(active.queue.redis, config.resolved_redis_url, "killed", ["record"], LEASE_S)
    claimed = await claims.claim([], 1)
    assert [claim.job_id for claim in claimed.claims] == [job.id]
    await claims.close()

    await farm.start()

    done = await farm.is_(job, "completed")
    assert done.attempt == 1
    assert len(farm.record.spans()) == 1


async def test_a_job_whose_worker_was_killed_between_its_code_and_its_record_runs_again_with_one_result(farm, locked):
    worker = await farm.start()
    job = await farm.submit(hold=True)
    await farm.record.has("begin", job.id)
    with locked():
        farm.let_go()
        await farm.record.has("end", job.id)
        farm.kill(worker)

    await farm.start()

    assert (await farm.is_(job, "completed")).result == {"attempt": 2}


@pytest.mark.faults
async def test_six_stops_in_a_row_cost_a_job_no_attempt(farm):
    job = await farm.submit(hold=True, options={"max_attempts": 1})
    for stops in range(1, 7):
        worker = await farm.start()
        await farm.record.has("begin", job.id, stops)
        worker.signal(signal.SIGTERM)
        assert await worker.ends() == 0

    farm.let_go()
    await farm.start()

    assert (await farm.is_(job, "completed")).attempt == 1
    assert farm.record.never_two_runs_of_one_job()


async def test_a_stopping_worker_lets_a_job_end_within_the_grace_time_and_claims_no_other(farm):
    await farm.services.limits.change_queue(QueueChange(concurrency=1))
    worker = await farm.start(RUNLANE_STOP_GRACE_S="600")
    job = await farm.submit(hold=True)
    await farm.record.has("begin", job.id)
    other = await farm.submit()

    worker.signal(signal.SIGTERM)
    await sees_lines(worker, "Stopping; 1 job may go on")
    farm.let_go()

    assert await worker.ends() == 0
    assert (await farm.job(job)).status is JobStatus.COMPLETED
    assert (await farm.job(other)).status is JobStatus.QUEUED


async def test_a_second_signal_hands_jobs_back_at_once(farm):
    worker = await farm.start(RUNLANE_STOP_GRACE_S="600")
    job = await farm.submit(seconds=60)
    await farm.record.has("begin", job.id)

    worker.signal(signal.SIGTERM)
    await sees_lines(worker, "Stopping; 1 job may go on")
    worker.signal(signal.SIGINT)

    assert await worker.ends() == 0
    assert (await farm.job(job)).status is JobStatus.QUEUED
    assert not any("Traceback" in line for line in worker.lines)


async def test_a_worker_ends_when_it_is_stopped_though_a_handler_never_does(farm):
    worker = await farm.start()
    job = await farm.submit(hold=True, stubborn=True)
    await farm.record.has("begin", job.id)

    worker.signal(signal.SIGTERM)

    assert await worker.ends() == 0
    assert (await farm.job(job)).status is JobStatus.QUEUED


@pytest.mark.faults
async def test_a_worker_stopped_while_it_claims_leaves_nothing_leased(farm, redis_server):
    for _ in range(5):
        worker = await farm.start()
        await farm.submit_many(20, seconds=0.02)
        worker.signal(signal.SIGTERM)
        assert await worker.ends() == 0
        with redis_server.client() as client:
            assert (client.hlen("runlane:owners"), client.zcard("runlane:leases")) == (0, 0)


@pytest.mark.parametrize("count", [120, pytest.param(600, marks=pytest.mark.faults)])
async def test_the_limit_holds_over_four_workers_and_each_job_runs_once(farm, count):
    for _ in range(4):
        await farm.start()
    jobs = await farm.submit_many(count, seconds=0.05)

    await farm.all_are(jobs, "completed")

    assert farm.record.most_at_once() == 5
    assert len(farm.record.spans()) == len(jobs)


async def test_a_killed_workers_slots_are_free_again_after_the_lease(farm):
    worker = await farm.start()
    stuck = await farm.submit_many(5, seconds=60)
    for job in stuck:
        await farm.record.has("begin", job.id)
    farm.kill(worker)
    for job in stuck:
        await farm.service.cancel(job.id)

    await farm.start()

    await farm.is_(await farm.submit(), "completed")


@pytest.mark.parametrize(
    "fault", ["killed", *(pytest.param(name, marks=pytest.mark.faults) for name in ("stopped", "quiet"))]
)
async def test_slots_that_a_worker_leaves_are_taken_at_once_by_one_that_is_busy_itself(farm, api, fault):
    """Its lease has to be over first."""
    busy = await farm.start()
    its_own = await farm.submit(seconds=600)
    await farm.record.has("begin", its_own.id)
    await command(api, busy, "quiet")
    leaving = await farm.start()
    others = await farm.submit_many(4, hold=True)
    for job in others:
        await farm.record.has("begin", job.id)
    waiting = await farm.submit_many(4, seconds=0.1)
    await command(api, busy, "resume")

    if fault == "killed":
        farm.kill(leaving)
    elif fault == "stopped":
        leaving.signal(signal.SIGTERM)
    else:
        await command(api, leaving, "quiet")
    farm.let_go()

    await farm.all_are([*others, *waiting], "completed")
    assert {line.pid for line in farm.record.lines() if line.job_id in {job.id for job in waiting}} == {
        busy.process.pid
    }


async def command(api, worker, command):
    """Have a worker go quiet or on, and wait until it does."""

    async def states():
        return {listed["pid"]: listed for listed in (await api.get("/api/workers")).json()}

    found = await until(states, lambda workers: worker.process.pid in workers)
    reply = await api.post(f"/api/workers/{found[worker.process.pid]['id']}/{command}")
    assert reply.status_code == 202
    await until(states, lambda workers: (workers[worker.process.pid]["state"] == "quiet") is (command == "quiet"))


@pytest.mark.faults
async def test_a_cancelled_job_that_does_not_stop_keeps_its_slot(farm):
    await farm.services.limits.change_queue(QueueChange(concurrency=1))
    await farm.start()
    stubborn = await farm.submit(hold=True, stubborn=True)
    await farm.record.has("begin", stubborn.id)
    following = await farm.submit()

    await farm.service.cancel(stubborn.id)

    given_up = await farm.is_(stubborn, "cancelled")
    assert "did not stop in time" in given_up.message
    assert (await farm.job(following)).status is JobStatus.QUEUED
    farm.let_go()
    await farm.is_(following, "completed")
    assert farm.record.most_at_once() == 1


@pytest.mark.faults
async def test_a_cancelled_job_is_retried_only_when_its_old_code_has_ended(farm):
    for _ in range(2):
        await farm.start()
    job = await farm.submit(hold=True, stubborn=True)
    await farm.record.has("begin", job.id)
    await farm.service.cancel(job.id)
    await farm.is_(job, "cancelled")

    await farm.service.retry(job.id)
    farm.let_go()

    await farm.record.has("begin", job.id, 2)
    await farm.is_(job, "completed")
    assert farm.record.never_two_runs_of_one_job()


async def test_a_limit_that_is_lowered_holds_for_every_later_start(farm):
    for _ in range(2):
        await farm.start()
    jobs = await farm.submit_many(5, seconds=0.5)
    for job in jobs:
        await farm.record.has("begin", job.id)

    await farm.services.limits.change_queue(QueueChange(concurrency=2))
    later = await farm.submit_many(10, seconds=0.1)

    await farm.all_are(later, "completed")
    ids = {job.id for job in later}
    assert farm.record.most_at_once(spans=[span for span in farm.record.spans() if span[2] in ids]) == 2


async def test_a_paused_queue_starts_nothing_until_it_is_resumed(farm):
    await farm.start()
    running = await farm.submit(seconds=0.3)
    await farm.record.has("begin", running.id)

    await farm.services.limits.change_queue(QueueChange(paused=True))
    waiting = await farm.submit()

    await farm.is_(running, "completed")
    assert (await farm.job(waiting)).status is JobStatus.QUEUED
    await farm.services.limits.change_queue(QueueChange(paused=False))
    await farm.is_(waiting, "completed")


async def test_a_kinds_own_limit_holds_over_all_workers_and_holds_up_no_other_kind(farm):
    for _ in range(2):
        await farm.start()
    limited = await farm.submit_many(12, "limited", hold=True)
    free = await farm.submit_many(3)

    await farm.all_are(free, "completed")
    assert (await farm.job(limited[-1])).status is JobStatus.QUEUED
    for job in limited[:2]:
        await farm.record.has("begin", job.id)
    farm.let_go()
    await farm.all_are(limited, "completed")

    ids = {job.id for job in limited}
    assert farm.record.most_at_once(spans=[span for span in farm.record.spans() if span[2] in ids]) == 2


@pytest.mark.faults
async def test_a_kinds_rate_is_never_exceeded_and_its_jobs_start_when_it_allows(farm):
    for _ in range(2):
        await farm.start()

    jobs = await farm.submit_many(8, "rated")

    await farm.all_are(jobs, "completed")
    began = sorted(line.at for line in farm.record.lines() if line.what == "begin")
    assert all(fourth - first > RATED_S / 2 for first, fourth in zip(began, began[3:], strict=False))


async def test_a_running_job_is_cancelled_while_all_slots_are_busy(farm):
    await farm.services.limits.change_queue(QueueChange(concurrency=1))
    await farm.start()
    job = await farm.submit(seconds=60)
    await farm.record.has("begin", job.id)

    await farm.service.cancel(job.id)

    await farm.is_(job, "cancelled")
    await farm.record.has("end", job.id)


@pytest.mark.parametrize("count", [60, pytest.param(300, marks=pytest.mark.faults)])
async def test_a_job_that_is_cancelled_just_as_it_ends_is_one_or_the_other(farm, count):
    await farm.start()
    for n in range(count):
        job = await farm.submit(seconds=0.002 * (n % 10))
        if n % 3:
            await farm.record.has("begin", job.id)
        try:
            cancelled = await farm.service.cancel(job.id)
        except JobsError:
            cancelled = None

        ended = await farm.is_(job, "completed", "cancelled")

        assert cancelled is not None or ended.status is JobStatus.COMPLETED
        assert (ended.result is None) is (ended.status is JobStatus.CANCELLED)
        statuses = [e.status for e in await farm.services.store.events(job.id)]
        assert sum(status.is_terminal for status in statuses) == 1


async def test_a_job_that_is_cancelled_before_its_next_attempt_never_runs_again(farm, redis_server):
    await farm.start(RUNLANE_RETRY_BASE_S="600")
    job = await farm.submit(fails=True)
    await farm.is_(job, "scheduled")

    await farm.service.cancel(job.id)

    with redis_server.client() as admin:

        async def is_expected():
            return admin.zscore("runlane:scheduled", str(job.id))

        await until(is_expected, lambda score: score is None)
    await farm.is_(await farm.submit(), "completed")
    assert (await farm.job(job)).status is JobStatus.CANCELLED
    assert sum(line.what == "begin" and line.job_id == job.id for line in farm.record.lines()) == 1


async def test_jobs_deleted_in_every_state_leave_nothing_behind(farm, redis_server):
    await farm.services.limits.change_queue(QueueChange(paused=True))
    queued, later = await farm.submit(), await farm.submit(options={"delay_s": 60})
    await farm.service.delete(queued.id)
    await farm.service.delete(later.id)
    await farm.services.limits.change_queue(QueueChange(paused=False))
    await farm.start()
    running = await farm.submit(seconds=60)
    await farm.record.has("begin", running.id)

    [refused] = await gather(farm.service.delete(running.id))

    assert isinstance(refused, JobsError)
    await farm.service.cancel(running.id)
    await farm.is_(running, "cancelled")
    await farm.service.delete(running.id)

    async def leftover():
        return left_behind(redis_server)

    assert await until(leftover, lambda left: not left) == set()
    assert (await farm.services.store.page()).jobs == []


def left_behind(redis_server):
    """The keys that only jobs could have left."""
    with redis_server.client() as client:
        return set(client.keys("*")) - {
            "runlane:limits",
            "runlane:limits:changes",
            "runlane:kinds",
            "runlane:running",
            "runlane:workers",
            "runlane:reconciler",
            "runlane:reconciler:thorough",
        }


async def test_a_running_job_deleted_by_hand_in_redis_that_wants_arqs_retry_does_not_come_back(farm, redis_server):
    await farm.start()
    job = await farm.submit(hold=True, wants_retry=True, options={"max_attempts": 1})
    await farm.record.has("begin", job.id)

    with redis_server.client() as admin:
        for key in ("runlane:owners", "runlane:ending"):
            admin.hdel(key, str(job.id))
        admin.zrem("runlane:leases", str(job.id))
        admin.delete(f"arq:job:{job.id}")

        async def is_claimed_again():
            return admin.hexists("runlane:owners", str(job.id))

        await until(is_claimed_again)
    farm.let_go()

    failed = await farm.is_(job, "failed")
    assert failed.error.type == "Retry"
    following = await farm.submit(seconds=0.5, options={"delay_s": 1})
    await farm.is_(following, "completed")

    async def leftover():
        return left_behind(redis_server)

    assert await until(leftover, lambda left: not left) == set()
    assert (await farm.job(job)).version == failed.version
    assert sum(line.what == "begin" and line.job_id == job.id for line in farm.record.lines()) == 1


@pytest.mark.faults
async def test_a_worker_that_was_frozen_beyond_its_lease_writes_nothing_more(farm):
    frozen = await farm.start()
    job = await farm.submit(hold=True)
    await farm.record.has("begin", job.id)
    frozen.signal(signal.SIGSTOP)
    await farm.start()
    await farm.record.has("begin", job.id, 2)

    frozen.signal(signal.SIGCONT)
    await sees_lines(frozen, "was taken away from this worker")
    farm.let_go()

    done = await farm.is_(job, "completed")
    assert done.result == {"attempt": 2}
    assert (await farm.job(job)).version == done.version


async def test_a_handler_that_blocks_the_loop_keeps_its_lease_and_is_named_in_the_log(farm, api):
    """It blocks for three leases and a half."""
    blocked = await farm.start()
    job = await farm.submit(block_s=3 * LEASE_S + 0.5)
    await farm.record.has("begin", job.id)
    await farm.start()

    line = await sees_lines(blocked, "has blocked the event loop")

    assert f"record:{job.short_id}" in line
    assert any("time.sleep(params.block_s)" in line for line in blocked.lines)
    states = {worker["pid"]: worker["state"] for worker in (await api.get("/api/workers")).json()}
    assert states[blocked.process.pid] == "running"
    done = await farm.is_(job, "completed")
    assert (done.attempt, len(farm.record.spans())) == (1, 1)


@pytest.mark.faults
async def test_a_worker_whose_loop_is_blocked_beyond_the_jobs_time_limit_ends_and_the_job_is_reclaimed(farm):
    worker = await farm.start()
    job = await farm.submit("brief", block_s=60, options={"max_attempts": 1})
    await farm.record.has("begin", job.id)

    assert await worker.ends() == 70

    await farm.start()
    assert (await farm.is_(job, "failed")).error.type == "WorkerLost"


async def test_a_worker_whose_loop_is_blocked_by_a_cancelled_job_ends_after_the_grace_time(farm):
    """A loop counts as blocked after two seconds, and then the grace time passes."""
    worker = await farm.start()
    job = await farm.submit(block_s=60)
    await farm.record.has("begin", job.id)
    await sees_lines(worker, "has blocked the event loop")

    await farm.service.cancel(job.id)

    assert await worker.ends() == 70
    assert any("was cancelled" in line and f"record:{job.short_id}" in line for line in worker.lines)
    await farm.start()
    assert (await farm.is_(job, "cancelled")).message == "Cancelled; its worker was lost."
    assert len(farm.record.lines()) == 1


async def test_three_hundred_jobs_of_one_call_start_in_their_order(farm):
    await farm.services.limits.change_queue(QueueChange(concurrency=1))
    await farm.start()

    jobs = await farm.submit_many(300)

    await farm.all_are(jobs, "completed")
    began = [line.job_id for line in farm.record.lines() if line.what == "begin"]
    assert began == [job.id for job in jobs]


async def test_a_kind_that_a_worker_does_not_know_is_left_for_one_that_does(farm, start_worker, redis_server):
    old = await start_worker()
    job = await farm.submit()
    calls_before = claims(redis_server)

    plain, _ = await farm.service.submit(Submission(kind="noop"))
    await farm.is_(plain, "completed")

    assert (await farm.job(job)).status is JobStatus.QUEUED
    assert claims(redis_server) - calls_before < 30, "a worker that does not know a kind must not spin on it"
    assert old.process.returncode is None
    await farm.start()
    await farm.is_(job, "completed")


def claims(redis_server):
    """How many scripts the server has run."""
    with redis_server.client() as client:
        return client.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"]


@pytest.mark.parametrize("count", [60, pytest.param(300, marks=pytest.mark.faults)])
async def test_no_wake_up_is_lost_between_two_workers(farm, count):
    await asyncio.gather(farm.start(), farm.start())
    waited_s = []

    for n in range(count):
        job = await farm.submit()
        await asyncio.sleep(0.001 * (n * 7 % 20))
        done = await farm.is_(job, "completed")
        waited_s.append((done.started_at - done.created_at).total_seconds())

    assert max(waited_s) < IDLE_READ_S, "a lost one is caught up on when an idle worker has waited for so long"


async def test_a_quiet_worker_claims_nothing_until_it_is_resumed(farm, api):
    worker = await farm.start()

    async def the_worker():
        return next(iter((await api.get("/api/workers")).json()), None)

    listed = await until(the_worker)
    assert listed["version"]
    running = await farm.submit(seconds=0.5)
    await farm.record.has("begin", running.id)

    reply = await api.post(f"/api/workers/{listed['id']}/quiet")

    assert reply.status_code == 202
    await until(the_worker, lambda listed: listed["state"] == "quiet")
    waiting = await farm.submit()
    await farm.is_(running, "completed")
    assert (await farm.job(waiting)).status is JobStatus.QUEUED

    await api.post(f"/api/workers/{listed['id']}/resume")

    await farm.is_(waiting, "completed")
    await api.post(f"/api/workers/{listed['id']}/stop")
    assert await worker.ends() == 0


async def test_a_schedule_that_a_worker_cannot_read_is_logged_and_its_other_tasks_go_on(farm, api, plain_sql):
    timing = {"name": "odd", "kind": "noop", "cron": "* * * * *"}
    assert (await api.post("/api/schedules", json=timing)).status_code == 201
    plain_sql("UPDATE schedule SET timezone = 'Of/Another', next_at = created_at")
    first = await farm.start()
    lost = await farm.submit(hold=True)
    await farm.record.has("begin", lost.id)
    survivor = await farm.start()

    farm.kill(first)
    farm.let_go()

    await sees_lines(survivor, "Of/Another")
    await farm.is_(lost, "completed")
    later = await farm.submit(options={"delay_s": 0.5})
    await farm.is_(later, "completed")


async def test_a_worker_whose_housekeeping_has_ended_gives_its_jobs_back_and_ends_with_an_error(farm):
    worker = await farm.start()
    other = await farm.submit(seconds=60, options={"max_attempts": 1})
    await farm.record.has("begin", other.id)

    await farm.submit(ends_housekeeping=True)

    assert await worker.ends() == 1
    assert any("housekeeping" in line for line in worker.lines)
    assert (await farm.job(other)).status is JobStatus.QUEUED


async def test_a_deferred_job_starts_at_its_time_on_an_idle_worker(farm):
    await farm.start()

    job = await farm.submit(options={"delay_s": 0.7})

    done = await farm.is_(job, "completed")
    assert done.started_at >= done.scheduled_for
    assert [event.status for event in await farm.services.store.events(job.id)] == [
        *("scheduled", "queued", "running", "completed")
    ]


async def test_jobs_due_together_start_in_the_order_of_their_times(farm):
    base = utc_now() + timedelta(seconds=0.5)
    times = [base - timedelta(milliseconds=20 * n) for n in range(10)]
    jobs = await farm.service.submit_many([farm.submission(options={"scheduled_for": at}) for at in times])

    await farm.services.limits.change_queue(QueueChange(concurrency=1))
    await farm.start()

    await farm.all_are(jobs, "completed")

    began = {line.job_id: line.at for line in farm.record.lines() if line.what == "begin"}
    due = sorted(jobs, key=lambda job: job.scheduled_for)
    assert all(began[earlier.id] < began[later.id] for earlier, later in pairwise(due))


@pytest.mark.faults
async def test_a_thousand_jobs_survive_twenty_killed_workers_and_three_killed_redis(farm, redis_server):
    workers = [await farm.start() for _ in range(3)]
    jobs = await farm.submit_many(1000, seconds=0.15)

    for n in range(20):
        farm.kill(workers[n % 3])
        workers[n % 3] = await farm.start()
        if n % 6 == 5:
            with redis_server.away():
                await asyncio.sleep(0.5)

    assert await farm.count_completed() < len(jobs), "all of the faults have met jobs that run"
    await farm.all_are(jobs, "completed")
    assert farm.record.never_two_runs_of_one_job()
    assert farm.record.most_at_once() <= 5

    async def leftover():
        return left_behind(redis_server)

    assert await until(leftover, lambda left: not left) == set()
    with redis_server.client() as client:
        assert set(client.hgetall("runlane:running").values()) == {"0"}


async def test_a_job_that_is_cancelled_in_a_thread_runs_again_when_the_thread_has_ended(farm):
    for _ in range(2):
        await farm.start()
    job = await farm.submit(hold=True, in_thread=True)
    await farm.record.has("begin", job.id)

    await farm.service.cancel(job.id)
    assert (await farm.is_(job, "cancelled")).message == "Cancelled; a thread of it runs on."
    await farm.service.retry(job.id)
    for other in await farm.submit_many(10, seconds=0.01):
        await farm.is_(other, "completed")
    assert (await farm.services.store.get(job.id)).status == "queued"
    farm.let_go()

    await farm.is_(job, "completed")
    assert farm.record.never_two_runs_of_one_job()
