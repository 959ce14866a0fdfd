"""What happens to jobs when the database is locked, away or full: it is waited for, and nothing is lost."""

import asyncio
import contextlib
import resource
import signal
import sqlite3
from types import SimpleNamespace

import pytest
from sqlalchemy import Engine, event

from runlane.db import schema
from runlane.errors import Unavailable
from runlane.model.status import JobStatus
from runlane.settings import read_settings
from testbed.postgres_server import PostgresServer
from testbed.waiting import until
from tests.support.farm import sees_lines

pytestmark = pytest.mark.databases

MAX_PAGES = 2**32 - 2


@contextlib.contextmanager
def full(worker, database_path):
    """The worker's disk takes nothing more; a limit on its files' size does what a full disk does."""
    no_limit = resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE)
    log_size = database_path.with_name(database_path.name + "-wal").stat().st_size
    resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE, (log_size, no_limit[1]))
    yield
    resource.prlimit(worker.process.pid, resource.RLIMIT_FSIZE, no_limit)


async def test_the_database_is_locked_for_a_moment_as_a_job_ends_and_its_result_is_kept(farm, locked):
    await farm.start()
    job = await farm.submit(hold=True)
    await farm.record.has("begin", job.id)

    with locked():
        farm.let_go()
        await farm.record.has("end", job.id)
        await asyncio.sleep(1)

    done = await farm.is_(job, "completed")
    assert (done.result, done.attempt) == ({"attempt": 1}, 1)


@pytest.mark.faults
async def test_the_database_stays_locked_and_workers_hold_claim_nothing_and_lose_nothing(farm, locked, redis_server):
    first, second = await farm.start(), await farm.start()
    running = [await farm.submit(hold=True), await farm.submit(hold=True, talks=True)]
    for job in running:
        await farm.record.has("begin", job.id)
    waiting = await farm.submit_many(20, hold=True)

    with locked():
        farm.let_go()
        await sees_lines(first, "The database takes no writes")
        with redis_server.client() as redis:
            held = redis.hlen("runlane:owners")
            assert 2 <= held <= 5
            await asyncio.sleep(3)
            assert redis.hlen("runlane:owners") == held, "the leases are kept, and no more jobs are claimed"

    await sees_lines(first, "The database takes writes again")
    await farm.all_are([*running, *waiting], "completed")
    assert farm.record.never_two_runs_of_one_job()
    assert len(farm.record.spans()) == 22
    assert [worker.process.returncode for worker in (first, second)] == [None, None]


async def test_the_database_is_away_and_every_refusal_says_so_and_work_goes_on_when_it_is_back(
    farm, api, database_away
):
    worker = await farm.start()
    running = await farm.submit(hold=True)
    await farm.record.has("begin", running.id)

    with database_away():
        farm.let_go()
        await farm.record.has("end", running.id)
        await sees_lines(worker, "The database takes no writes")
        reply = await api.post("/api/jobs", json={"kind": "noop"})
        assert reply.status_code == 503
        assert reply.json()["detail"] == "The database does not answer right now. Nothing was changed; try again."
        with pytest.raises(Unavailable):
            await farm.service.cancel(running.id)

    done = await farm.is_(running, "completed")
    assert (done.attempt, done.result) == (1, {"attempt": 1})
    await farm.is_(await farm.submit(), "completed")


async def test_the_workers_disk_is_full_and_no_line_of_its_jobs_is_lost(farm, database_path):
    worker = await farm.start()
    talking = await farm.submit(hold=True, talks=True)
    await until(lambda: farm.messages(talking), lambda lines: "line 20" in lines)

    with full(worker, database_path):
        await sees_lines(worker, "The database takes no writes")
        waiting = await farm.submit()
        farm.let_go()
        await farm.record.has("end", talking.id)
        assert (await farm.job(talking)).status is JobStatus.RUNNING

    await farm.is_(talking, "completed")
    await farm.is_(waiting, "completed")
    lines = [event.message for event in await farm.services.store.events(talking.id) if event.type == "log"]
    assert lines == [f"line {n}" for n in range(len(lines))]
    assert worker.process.returncode is None


async def test_a_worker_can_be_stopped_while_the_database_is_away(farm, database_away):
    worker = await farm.start()
    job = await farm.submit(seconds=60)
    await farm.record.has("begin", job.id)
    ended = await farm.submit(hold=True)
    await farm.record.has("begin", ended.id)

    with database_away():
        farm.let_go()
        await farm.record.has("end", ended.id)
        await sees_lines(worker, "The database takes no writes")
        worker.signal(signal.SIGTERM)
        await sees_lines(worker, "Stopping")
        worker.signal(signal.SIGTERM)

        assert await worker.ends() == 0
    assert any("2 jobs" in line and "leases" in line for line in worker.lines)
    assert not any("Traceback" in line for line in worker.lines)

    await farm.start()
    assert (await farm.is_(ended, "completed")).attempt == 2
    await farm.record.has("begin", job.id, 2)


@pytest.fixture
def disk():
    """What there is room for, in pages: beyond its limit SQLite raises the same error as on a full disk."""
    room = SimpleNamespace(pages=MAX_PAGES)

    def limit(db):
        db.exec_driver_sql(f"PRAGMA max_page_count = {room.pages}")

    event.listen(Engine, "begin", limit)
    yield room
    event.remove(Engine, "begin", limit)


async def test_the_servers_disk_is_full_and_submissions_are_refused_until_there_is_room(disk, api, database_path):
    batch = {"jobs": [{"kind": "noop"}] * 1000}

    disk.pages = 1
    refused = await api.post("/api/jobs/batch", json=batch)
    listed = await api.get("/api/jobs")
    disk.pages = MAX_PAGES
    accepted = await api.post("/api/jobs/batch", json=batch)

    assert refused.status_code == 503
    assert refused.json()["detail"] == (
        "The disk of the database is full. Nothing was changed; free some of it, and try again."
    )
    assert (listed.status_code, listed.json()["items"]) == (200, [])
    assert accepted.status_code == 201


@pytest.mark.faults
async def test_a_worker_that_is_killed_while_the_database_is_locked_gives_its_jobs_to_another(farm, locked):
    worker = await farm.start()
    job = await farm.submit(hold=True)
    await farm.record.has("begin", job.id)
    await farm.start()

    with locked():
        farm.let_go()
        await farm.record.has("end", job.id)
        farm.kill(worker)
        await asyncio.sleep(7)

    assert (await farm.is_(job, "completed")).attempt == 2


async def test_a_change_that_was_answered_is_on_disk_when_the_process_is_killed(farm, api, database_path):
    """Read through a connection of its own, before anything could be written later."""
    reply = await api.post("/api/jobs", json={"kind": "noop"})

    with contextlib.closing(sqlite3.connect(database_path)) as other:
        found = other.execute("SELECT status FROM job").fetchall()
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)

    assert (reply.status_code, found) == (201, [("queued",)])


async def test_a_job_that_waits_for_the_database_may_still_be_cancelled(farm, locked):
    await farm.start()
    job = await farm.submit(seconds=60)
    await farm.record.has("begin", job.id)

    with locked():
        cancelling = asyncio.create_task(farm.service.cancel(job.id))
        await asyncio.sleep(0.5)
        assert not cancelling.done()

    assert (await cancelling).cancel_requested_at is not None
    await until(lambda: farm.job(job), lambda found: found.status is JobStatus.CANCELLED)


@pytest.fixture
def own_postgres(postgres_programs):
    """A PostgreSQL server for one test alone, which may be mistreated."""
    server = PostgresServer()
    server.start()
    yield server
    server.stop()


class TestAServerThatIsKilled:
    """PostgreSQL ends in the middle of everything, and comes back."""

    @pytest.fixture
    def config(self, own_postgres, tmp_path, redis_server):
        url = own_postgres.create("jobs")
        schema.migrate(url)
        return read_settings(
            _env_file=None, data_dir=tmp_path, redis_url=redis_server.url, database_url=url, retry_base_s=0.05
        )

    async def test_every_refusal_says_so_and_work_goes_on_when_it_is_back(self, farm, api, own_postgres):
        worker = await farm.start()
        running = await farm.submit(hold=True, talks=True)
        waiting = await farm.submit_many(50)
        await farm.record.has("begin", running.id)

        with own_postgres.away():
            await sees_lines(worker, "The database takes no writes")
            for reply in (await api.post("/api/jobs", json={"kind": "noop"}), await api.get("/api/jobs")):
                assert reply.status_code == 503
                assert reply.json()["detail"].startswith("The database does not answer right now.")

        farm.let_go()
        await farm.all_are([running, *waiting], "completed")
        assert (await farm.job(running)).attempt == 1
        lines = [event.message for event in await farm.services.store.events(running.id) if event.type == "log"]
        assert lines == [f"line {n}" for n in range(len(lines))]
        assert (await api.get("/api/jobs")).status_code == 200

    async def test_who_starts_while_it_is_away_waits_with_a_sentence_and_then_goes_on(self, farm, own_postgres):
        with own_postgres.away():
            worker = await farm.start(ready=False)
            assert "does not answer" in await sees_lines(worker, "Waiting for it.")
            assert not any("is ready" in line for line in worker.lines)

        await sees_lines(worker, "is ready")
        await farm.is_(await farm.submit(), "completed")
