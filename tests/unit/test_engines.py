"""What the databases' errors mean, and how writers keep out of each other's way."""

import asyncio
import contextlib
import sqlite3
import threading

import psycopg
import pytest
from sqlalchemy import text

from runlane.core.deletion import Removal
from runlane.core.insertion import NewJob
from runlane.db import engines, schema
from runlane.db.database import Database
from runlane.db.engines import Use, connect
from runlane.errors import StartRefused, Unavailable
from runlane.kinds.settings_store import SettingsStore
from testbed.ports import free_port

pytestmark = pytest.mark.databases


@pytest.mark.parametrize(
    "error",
    [
        sqlite3.OperationalError("disk I/O error"),
        psycopg.OperationalError("connection lost"),
        psycopg.errors.DiskFull("could not extend file"),
        psycopg.errors.AdminShutdown("terminating connection"),
        psycopg.errors.CannotConnectNow("the database system is starting up"),
        psycopg.errors.TooManyConnections("sorry, too many clients already"),
        psycopg.errors.LockNotAvailable("canceling statement due to lock timeout"),
        psycopg.errors.ReadOnlySqlTransaction("cannot execute UPDATE in a read-only transaction"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_database_that_is_not_able_is_waited_for(error):
    assert engines.is_trouble(error)


@pytest.mark.parametrize(
    "error",
    [
        sqlite3.IntegrityError("UNIQUE constraint failed"),
        psycopg.errors.UniqueViolation("duplicate key"),
        psycopg.errors.RaiseException("no"),
        psycopg.errors.SyntaxError("at end of input"),
        ValueError("x"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_asked_for_something_wrong_is_not(error):
    assert not engines.is_trouble(error)


@pytest.mark.postgresql
async def test_a_server_whose_disk_is_full_is_told_from_one_that_is_away(database):
    full = "DO $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$"

    with pytest.raises(Unavailable, match="The disk of the database is full"):
        await database.write(lambda db: db.execute(text(full)))


async def test_writers_that_stand_in_each_others_way_both_get_there(database_url, store, plain_sql, database_kind):
    """Two transactions lock the same two rows in opposite orders: one of them is given up, and run again."""
    changes, _ = await store.insert([NewJob(kind="noop", params={}, max_attempts=1) for _ in range(2)])
    first, second = (change.job.id for change in changes)
    other = Database(database_url)
    meeting = threading.Barrier(2)

    def lock_both(one, two):
        def work(db):
            for place, job_id in enumerate((one, two)):
                shown = job_id.hex if database_kind == "sqlite" else job_id
                db.execute(text("UPDATE job SET priority = priority + 1 WHERE id = :id"), {"id": shown})
                if place == 0 and database_kind == "postgresql":
                    with contextlib.suppress(threading.BrokenBarrierError):
                        meeting.wait(2)

        return work

    mine = Database(database_url)
    await asyncio.gather(mine.write(lock_both(first, second)), other.write(lock_both(second, first)))

    assert {row[0] for row in plain_sql("SELECT priority FROM job")} == {2}
    for each in (mine, other):
        await each.close()


async def test_changes_of_a_setting_from_many_servers_are_each_made(database_url):
    databases = [Database(database_url) for _ in range(5)]

    await asyncio.gather(*(SettingsStore(databases[n % 5]).change_queue({"concurrency": n + 1}) for n in range(20)))

    assert (await SettingsStore(databases[0]).queue()).version == 20
    for each in databases:
        await each.close()


async def test_what_is_restored_while_it_is_purged_stays_or_goes_whole(database_url, store, service, removal):
    databases = [Database(database_url) for _ in range(2)]
    removals = [Removal(db) for db in databases]
    changes, _ = await store.insert([NewJob(kind="noop", params={}, max_attempts=1) for _ in range(50)])
    ids = [change.job.id for change in changes]
    await removal.delete(ids)
    [at] = {change.job.created_at.replace(year=change.job.created_at.year + 1) for change in changes[:1]}

    restored, purged = await asyncio.gather(removals[0].restore(ids), removals[1].purge(at))

    assert len(restored) + purged == 50
    assert len(await store.get_many(ids)) == len(restored)
    for each in databases:
        await each.close()


class TestAddressesThatAreWrong:
    """Said in one sentence, without the password."""

    @pytest.fixture
    def server(self, session_postgres):
        with session_postgres.scratch() as url:
            yield url

    def test_a_wrong_password_is_refused(self, server):
        user, _, place = server.removeprefix("postgresql://").partition("@")
        name = user.split(":")[0]

        with pytest.raises(StartRefused, match=r"refuses us: .*password authentication failed") as refusal:
            schema.check_or_wait_for(f"postgresql://{name}:hunter2@{place}")

        assert "hunter2" not in refusal.value.message
        assert "\n" not in refusal.value.message

    def test_a_database_that_is_not_there_is_refused(self, server):
        with pytest.raises(StartRefused, match='database "jobs_nowhere" does not exist'):
            schema.migrate(server.rpartition("/")[0] + "/jobs_nowhere")

    def test_a_server_that_does_not_answer_is_waited_for_with_a_sentence(self, caplog):
        looks = schema.until_it_answers(f"postgresql://runlane:hunter2@127.0.0.1:{free_port()}/runlane")

        assert [next(looks), next(looks)] == [schema.RETRY_EVERY_S] * 2

        assert caplog.text.count("Waiting for it.") == 1, "not at each look"
        assert "hunter2" not in caplog.text


@pytest.mark.postgresql
async def test_a_server_that_ended_our_connections_is_connected_to_again_at_once(store, plain_sql, counts):
    await counts.all()
    plain_sql(
        "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    assert await counts.all()
    await store.insert([NewJob(kind="noop", params={}, max_attempts=1)])


async def test_a_write_that_waits_too_long_for_another_gives_up_and_says_so(database, database_url, monkeypatch):
    monkeypatch.setattr(engines, "BUSY_TIMEOUT_S", 0.2)
    blocker, mine = connect(database_url, Use.WRITE), Database(database_url)
    with blocker.begin() as db:
        engines.take_turn(db)

        with pytest.raises(Unavailable, match="Nothing was changed"):
            await mine.write(lambda _: None, alone=True)

    await mine.write(lambda _: None, alone=True)
    await mine.close()
    blocker.dispose()
