"""A worker's engine, writer, housekeeping and heartbeat together in this process, on a real Redis and database."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from runlane.background import end_tasks
from runlane.clock import utc_now
from runlane.composition import compose
from runlane.core.attempts import Start
from runlane.engine.engine import Engine
from runlane.engine.execution import Execution
from runlane.engine.heartbeat import Heartbeat, ProcessProbe
from runlane.engine.housekeeping import Housekeeping
from runlane.engine.plain.pool import PlainPool
from runlane.engine.resources import Resources
from runlane.engine.runner import Runner
from runlane.engine.threads import Threads
from runlane.engine.writer import Writer
from runlane.errors import Unavailable
from runlane.kinds.catalogue import Catalogue
from runlane.model.requests import QueueChange, Submission
from runlane.model.status import JobStatus
from runlane.queue import keys
from runlane.queue.change_feed import RedisEvents
from runlane.queue.claims import Claims
from runlane.queue.client import JobQueue
from runlane.queue.worker_registry import WorkerInfo, WorkerRegistry, WorkerState
from runlane.settings import read_settings
from testbed.waiting import PATIENCE_S, until
from tests.support.jobs import CountingStore, made_job

pytestmark = pytest.mark.databases

KIND = made_job(lambda params, job: None, max_attempts=1).kind


class Plant:
    """Everything a worker process is made of, for handlers and hooks that a test gives."""

    def __init__(self, url: str, database, config) -> None:
        self.url, self.config = url, config
        self.queue, self.events, self.registry = JobQueue(url), RedisEvents(url), WorkerRegistry(url)
        services = compose(database, self.queue, self.events, Catalogue([KIND]), config)
        self.store = CountingStore(database)
        self.services = replace(services, store=self.store)
        self.service, self.counts = services.jobs, services.counts
        self.beats = 0

    @asynccontextmanager
    async def working(self, handler: Callable[..., Awaitable[Any]], **hooks: Any) -> AsyncIterator[Engine]:
        claims = Claims(self.queue.redis, self.url, "plant", ["made"], self.config.lease_s)
        housekeeping = Housekeeping(self.url, self.services, self.queue, self.registry, claims, "plant")
        writer = Writer(self.store, self.services.follow_up)
        runner = Runner(
            writer,
            {"made": made_job(handler, max_attempts=1)},
            Execution(Resources(), PlainPool(["worker.tasks"], 1), Catalogue([]), self.config.max_result_bytes),
            self.store.saved,
            self.config,
        )
        engine = Engine(
            self.queue.redis,
            claims,
            runner,
            writer,
            ["made"],
            worker_id="plant",
            slots=5,
            concurrency=5,
            on_emptied=housekeeping.rebuild,
            on_refused=self.services.reconciler.put_back,
            **hooks,
        )
        probe = ProcessProbe(
            lambda: self._about(runner),
            lambda: engine.held,
            engine.restore_soon,
            runner.bounds,
            self.store.cancel_is_requested,
        )
        heartbeat = Heartbeat(self.url, self.config.lease_s, probe, asyncio.get_running_loop())
        heartbeat.start()
        writer.open()
        serving = asyncio.create_task(engine.serve(0))
        keeping = asyncio.create_task(housekeeping.run(engine, runner))
        self.held = lambda: engine.held
        try:
            yield engine
        finally:
            engine.stop()
            await serving
            await end_tasks(keeping)
            await asyncio.to_thread(heartbeat.stop)
            await writer.close()
            await claims.close()

    def _about(self, runner: Runner) -> WorkerInfo:
        self.beats += 1
        now = utc_now()
        return WorkerInfo(
            **{"id": "plant", "host": "here", "pid": 1, "started_at": now, "last_seen_at": now},
            **{"running": runner.running, "slots": 5, "state": WorkerState.RUNNING},
        )

    async def submit(self, **more: Any):
        job, _ = await self.service.submit(Submission(kind="made", **more))
        return job

    async def is_(self, job, *statuses: JobStatus):
        return await until(lambda: self.store.get(job.id), lambda found: found.status in statuses)

    async def close(self) -> None:
        for part in (self.queue, self.events, self.registry):
            await part.close()


@pytest.fixture
async def plant(redis_server, database, tmp_path) -> AsyncIterator[Plant]:
    config = read_settings(_env_file=None, data_dir=tmp_path, retry_base_s=0.01, cancel_grace_s=0.5, lease_s=1.0)
    made = Plant(redis_server.url, database, config)
    yield made
    await made.close()


async def done(params, job):
    return {"attempt": job.attempt}


async def test_the_hooks_of_arq_are_called_in_their_order_with_its_context(plant):
    written = []

    def hook(name):
        async def called(ctx):
            written.append((name, ctx.get("job_try"), ctx["worker_id"]))

        return called

    names = ("on_startup", "on_job_start", "on_job_end", "after_job_end", "on_shutdown")
    async with plant.working(done, **{name: hook(name) for name in names}):
        await plant.is_(await plant.submit(), JobStatus.COMPLETED)

    assert written == [
        ("on_startup", None, "plant"),
        *((name, 1, "plant") for name in names[1:4]),
        ("on_shutdown", None, "plant"),
    ]


@pytest.mark.parametrize("name", ["on_job_start", "on_job_end"])
async def test_a_hook_that_raises_fails_its_job_and_the_worker_goes_on(plant, name):
    broken = True

    async def hook(_ctx):
        if broken:
            raise RuntimeError("the hook is broken")

    async with plant.working(done, **{name: hook}):
        failed = await plant.is_(await plant.submit(), JobStatus.FAILED)
        assert (failed.error.type, failed.error.message) == ("RuntimeError", "the hook is broken")
        broken = False
        await plant.is_(await plant.submit(), JobStatus.COMPLETED)


async def test_a_hook_after_the_end_that_raises_changes_nothing_for_its_job(plant, caplog):
    async def hook(_ctx):
        raise RuntimeError("the hook is broken")

    async with plant.working(done, after_job_end=hook):
        for _ in range(2):
            await plant.is_(await plant.submit(), JobStatus.COMPLETED)

    assert "The hook after_job_end failed." in caplog.text


async def test_jobs_that_wait_for_a_slot_start_in_the_write_that_ends_those_before_them(plant):
    await plant.services.limits.change_queue(QueueChange(concurrency=1))
    jobs = await plant.service.submit_many([Submission(kind="made") for _ in range(20)])

    async with plant.working(done):
        await plant.is_(jobs[-1], JobStatus.COMPLETED)

    assert plant.store.transactions < 40, "each start and each end had its own"


async def test_a_reader_never_finds_more_running_than_the_limit_whatever_a_job_reports_as_it_ends(plant):
    await plant.services.limits.change_queue(QueueChange(concurrency=2))
    jobs = await plant.service.submit_many([Submission(kind="made") for _ in range(30)])

    async def handler(params, job):
        for done in range(5):
            await job.progress(done, 5)

    async with plant.working(handler):
        for job in jobs:
            await plant.is_(job, JobStatus.COMPLETED)

    assert plant.store.most_running == 2


async def test_a_job_whose_entry_is_not_ours_is_given_back_and_holds_no_slot(plant, redis_server):
    job = await plant.submit()
    with redis_server.client() as admin:
        admin.set(f"arq:job:{job.id}", b"\x80\x04 pickled, or so")

        async with plant.working(done):
            following = await plant.submit()
            await plant.is_(following, JobStatus.COMPLETED)

            async def owners():
                return admin.hlen("runlane:owners")

            await until(owners, lambda count: count == 0)


async def test_a_redis_that_lost_what_runs_is_given_it_again_and_the_job_runs_once(plant, redis_server):
    begun, go_on = asyncio.Event(), asyncio.Event()
    runs = 0

    async def handler(params, job):
        nonlocal runs
        runs += 1
        begun.set()
        await go_on.wait()

    async with plant.working(handler):
        job = await plant.submit()
        await begun.wait()
        with redis_server.client() as admin:
            admin.flushall()

            async def owner():
                return admin.hget("runlane:owners", str(job.id))

            await until(owner, lambda found: found is not None and "plant" in found)
        go_on.set()

        finished = await plant.is_(job, JobStatus.COMPLETED)

    assert (runs, finished.attempt) == (1, 1)


async def test_a_start_written_while_an_emptied_redis_is_rebuilt_takes_no_sixth_slot(plant, redis_server, monkeypatch):
    """Whoever rebuilds Redis cannot know of a claim whose start is not written yet; so it is refused."""
    read, let_go = plant.store.running, asyncio.Event()

    async def waits(params, job):
        await let_go.wait()

    async def running():
        """What runs, as read just before another worker writes the starts of what it had claimed."""
        found = await read()
        if claims := [claim.job_id for claim in claimed.claims]:
            claimed.claims.clear()
            [started] = await plant.store.record([Start(claims, "late", claimed.generation)])
            assert (len(claims), started) == (5, [])
        return found

    async with plant.working(done):
        await plant.is_(await plant.submit(), JobStatus.COMPLETED)
    jobs = [await plant.submit() for _ in range(10)]
    late = Claims(plant.queue.redis, plant.url, "late", ["made"], plant.config.lease_s)
    claimed = await late.claim([], 5)
    await late.close()
    with redis_server.client() as admin:
        admin.flushall()
    monkeypatch.setattr(plant.store, "running", running)

    async with plant.working(waits):
        await until(plant.counts.all, lambda counts: counts[JobStatus.RUNNING] >= 5)
        let_go.set()
        assert [(await plant.is_(job, JobStatus.COMPLETED)).attempt for job in jobs] == [1] * 10
    assert plant.store.most_running == 5


async def test_a_claim_taken_by_another_worker_interrupts_the_handler_and_writes_nothing(plant, redis_server, caplog):
    begun = asyncio.Event()

    async def handler(params, job):
        begun.set()
        await asyncio.Event().wait()

    async with plant.working(handler):
        job = await plant.submit()
        await begun.wait()
        before = await plant.store.get(job.id)
        with redis_server.client() as admin:
            admin.hset("runlane:owners", str(job.id), "made|another|1")

            async def interrupted():
                return "taken away from this worker" in caplog.text

            await until(interrupted)
            assert admin.hget("runlane:owners", str(job.id)) == "made|another|1"

        assert (await plant.store.get(job.id)).version == before.version


class Blocking:
    """A handler that waits in a thread, and writes down when each of its threads began and ended."""

    def __init__(self, leaves: bool = False) -> None:
        self.go_on = threading.Event()
        self.written: list[str] = []
        self._leaves = leaves

    def _work(self) -> None:
        self.written.append("begin")
        self.go_on.wait(PATIENCE_S)
        self.written.append("end")

    async def __call__(self, params, job):
        thread = asyncio.get_running_loop().run_in_executor(None, self._work)
        if self._leaves:
            raise RuntimeError("it leaves its thread behind")
        await thread


@pytest.fixture
async def counted_threads():
    asyncio.get_running_loop().set_default_executor(Threads(8))


async def test_no_attempt_begins_while_a_thread_of_a_cancelled_one_runs(plant, counted_threads):
    handler = Blocking()
    async with plant.working(handler):
        job = await plant.submit()
        await until(lambda: _value(handler.written), bool)
        await plant.service.cancel(job.id)
        found = await plant.is_(job, JobStatus.CANCELLED)
        await plant.service.retry(job.id)
        await plant.is_(await plant.submit(), JobStatus.RUNNING)  # whatever may start has started
        await until(lambda: _value(handler.written), lambda written: len(written) > 1)

        assert found.message == "Cancelled; a thread of it runs on."
        assert handler.written == ["begin", "begin"]
        assert (await plant.store.get(job.id)).status is JobStatus.QUEUED
        handler.go_on.set()
        await plant.is_(job, JobStatus.COMPLETED)

    assert handler.written.count("begin") == 3


async def test_no_attempt_begins_while_a_thread_of_a_failed_one_runs(plant, counted_threads):
    handler = Blocking(leaves=True)
    async with plant.working(handler):
        job = await plant.submit(max_attempts=2)
        await until(lambda: plant.store.get(job.id), lambda found: found.attempt == 2)
        await plant.is_(job, JobStatus.QUEUED)

        assert handler.written == ["begin"]
        assert len(plant.held()) == 1, "its slot stays taken"
        handler.go_on.set()
        await plant.is_(job, JobStatus.FAILED)

    await until(lambda: _value(handler.written), lambda written: written == ["begin", "end", "begin", "end"])


async def test_a_job_whose_thread_runs_on_keeps_its_slot_when_redis_forgets_it(plant, counted_threads, redis_server):
    handler = Blocking(leaves=True)
    other = Claims(plant.queue.redis, plant.url, "other", ["made"], plant.config.lease_s)
    async with plant.working(handler) as engine:
        job = await plant.submit(max_attempts=2)
        await until(lambda: plant.store.get(job.id), lambda found: found.attempt == 2)
        engine.set_quiet(True)
        await plant.is_(job, JobStatus.QUEUED)
        [held] = engine.held
        with redis_server.client() as admin:
            admin.flushall()
            await until(lambda: _value(admin.hget(keys.OWNERS, str(job.id))), lambda owner: owner == held.token)

        assert (await other.claim([], 5)).claims == []
        handler.go_on.set()
        engine.set_quiet(False)
        await plant.is_(job, JobStatus.FAILED)
    await other.close()
    assert handler.written == ["begin", "end", "begin", "end"]


async def test_an_emptied_redis_is_rebuilt_when_the_database_is_back(plant, monkeypatch):
    monkeypatch.setattr("runlane.engine.engine.MAX_PAUSE_S", 0.05)
    begin, refused = plant.store.begin_generation, []

    async def begin_generation():
        if len(refused) < 3:
            refused.append(1)
            raise Unavailable("The database is locked.")
        return await begin()

    monkeypatch.setattr(plant.store, "begin_generation", begin_generation)
    async with plant.working(done):
        await plant.is_(await plant.submit(), JobStatus.COMPLETED)

    assert len(refused) == 3


async def test_a_thread_that_ends_within_the_grace_time_is_waited_for(plant, counted_threads):
    handler = Blocking()
    plant.config = plant.config.model_copy(update={"cancel_grace_s": PATIENCE_S})
    async with plant.working(handler):
        job = await plant.submit()
        await until(lambda: _value(handler.written), bool)
        await plant.service.cancel(job.id)
        await until(lambda: plant.store.events(job.id), lambda events: "asked to stop" in events[-1].message)
        handler.go_on.set()

        assert (await plant.is_(job, JobStatus.CANCELLED)).message == "Cancelled while it ran."
        assert handler.written == ["begin", "end"]


async def _value(value):
    return value


async def test_the_heartbeat_of_a_worker_shows_what_it_runs(plant):
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def handler(params, job):
        begun.set()
        await go_on.wait()

    async with plant.working(handler):
        job = await plant.submit()
        await begun.wait()

        async def listed():
            return next(iter(await plant.registry.all()), None)

        found = await until(listed, lambda worker: worker is not None and worker.running)
        assert (found.id, found.running, found.state) == ("plant", [job.id], WorkerState.RUNNING)
        go_on.set()


async def test_a_quiet_engine_claims_nothing_and_a_stopped_one_leaves_nothing_claimed(plant, redis_server):
    async with plant.working(done) as engine:
        await plant.is_(await plant.submit(), JobStatus.COMPLETED)
        engine.set_quiet(True)
        waiting = await plant.submit()
        await plant.queue.ping()

        async def status():
            return (await plant.store.get(waiting.id)).status

        assert await status() is JobStatus.QUEUED
        engine.set_quiet(False)
        await plant.is_(waiting, JobStatus.COMPLETED)

    with redis_server.client() as admin:
        assert (admin.hlen("runlane:owners"), admin.zcard("runlane:leases")) == (0, 0)


async def test_what_wakes_a_quiet_engine_wakes_another_worker_instead(plant, redis_server):
    other = Claims(plant.queue.redis, plant.url, "other", ["made"], 1.0, idle_read_s=3600)
    async with plant.working(done) as engine:
        await plant.is_(await plant.submit(), JobStatus.COMPLETED)
        with redis_server.client() as admin:
            await until(lambda: blocked(admin), lambda count: count == 1)
            engine.set_quiet(True)
            waiting = asyncio.create_task(other.wait_for_work())
            await until(lambda: blocked(admin), lambda count: count == 2)

        await plant.submit()

        await asyncio.wait_for(waiting, PATIENCE_S)
    await other.close()


async def test_what_wakes_an_engine_that_stops_wakes_another_worker_instead(plant, redis_server):
    other = Claims(plant.queue.redis, plant.url, "other", ["made"], 1.0, idle_read_s=3600)
    async with plant.working(done) as engine:
        await plant.is_(await plant.submit(), JobStatus.COMPLETED)
        with redis_server.client() as admin:
            await until(lambda: blocked(admin), lambda count: count == 1)
            await until(lambda: held(admin), lambda count: count == 0)
            admin.zadd("runlane:queue:made", {str(uuid4()): 1})
            admin.zadd("runlane:wake:made", {"1": 0})
            engine.stop()  # it has not run since: its read has taken the marker, which it does not know yet

    await asyncio.wait_for(other.wait_for_work(), PATIENCE_S)
    await other.close()


async def blocked(admin):
    """How many workers wait for a marker."""
    return admin.info("clients")["blocked_clients"]


async def held(admin):
    """How many claims are held."""
    return admin.hlen("runlane:owners")
