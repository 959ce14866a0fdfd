"""Tables come from migrations, forward only, and never from a newer version."""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import delete, insert, inspect, select, text
from sqlmodel import SQLModel

from runlane.core.counts import Counts
from runlane.core.insertion import NewJob
from runlane.core.store import Store
from runlane.db import engines, schema, transfer
from runlane.db.database import Database
from runlane.db.engines import Use, connect
from runlane.errors import StartRefused
from runlane.search.matching import JobFilter
from runlane.search.text_index import TextIndex
from testbed import ROOT
from testbed.waiting import PATIENCE_S

pytestmark = pytest.mark.databases

IN_NO_MODEL = ("slot", "text_entry", "job_text", "ix_job_text", "ix_job_took")
"""What is written in each database's own words: where connections count, the index of words, of what took long."""


# SQLAlchemy cannot read back from SQLite what an index of an expression is of; no model names that index either
@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index ix_job_took")
def test_the_migrations_make_exactly_the_tables_of_the_models(database_url):
    engine = connect(database_url, Use.READ)
    with engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), SQLModel.metadata)
    engine.dispose()

    assert [each for each in differences if not each[-1].name.startswith(IN_NO_MODEL)] == []


def test_migrating_twice_changes_nothing(empty_url):
    assert not schema.is_current(empty_url)

    schema.migrate(empty_url)
    schema.migrate(empty_url)

    assert schema.is_current(empty_url)


def test_five_that_migrate_at_once_leave_one_set_of_tables(empty_url):
    """In five processes."""
    with ThreadPoolExecutor(5) as threads:
        list(threads.map(_migrate_in_a_process, [empty_url] * 5))

    assert schema.is_current(empty_url)


def test_who_migrates_waits_for_who_is_at_it_however_long_that_takes(empty_url, monkeypatch, caplog):
    schema.migrate(empty_url, "0005")
    monkeypatch.setattr(engines, "BUSY_TIMEOUT_S", 0.1)
    other = connect(empty_url, Use.WRITE)
    with ThreadPoolExecutor(1) as threads:
        with other.begin() as db:
            engines.take_turn(db, engines.MIGRATION)
            waiting = threads.submit(schema.migrate, empty_url)
            ends_at = time.monotonic() + PATIENCE_S
            while "Waiting for it." not in caplog.text:
                assert time.monotonic() < ends_at
                time.sleep(0.01)
        waiting.result(PATIENCE_S)
    other.dispose()

    assert schema.is_current(empty_url)


def _migrate_in_a_process(url: str) -> None:
    command = [sys.executable, "-m", "runlane", "migrate"]
    subprocess.run(command, env=os.environ | {"DATABASE_URL": url}, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def test_a_database_of_a_newer_version_is_refused_and_left_alone(database_url, plain_sql):
    plain_sql("UPDATE alembic_version SET version_num = '9999'")

    for start in (schema.migrate, schema.check_or_wait_for):
        with pytest.raises(StartRefused, match=r"newer version.*schema 9999"):
            start(database_url)

    assert plain_sql("SELECT version_num FROM alembic_version") == [("9999",)]


def test_who_starts_before_the_tables_are_migrated_is_told_how(empty_url):
    schema.migrate(empty_url, "0005")

    with pytest.raises(StartRefused, match=r"does not have the tables.*python -m runlane migrate"):
        schema.check_or_wait_for(empty_url)


@pytest.mark.postgresql
async def test_where_the_index_of_words_cannot_be_made_it_is_said_and_words_are_still_found(empty_url, caplog):
    engine = connect(empty_url, Use.WRITE)
    with engine.begin() as db:  # in the way of what the extension brings
        db.execute(text("CREATE FUNCTION similarity(text, text) RETURNS real LANGUAGE sql AS 'SELECT 0.0::real'"))
    engine.dispose()

    schema.migrate(empty_url)

    database = Database(empty_url)
    store = Store(database)
    await store.insert([NewJob(kind="noop", params={"text": "walrus"}, max_attempts=1)])
    assert await TextIndex(database).catch_up() == 0
    assert await store.count(JobFilter(text="walrus")) == 1
    await database.close()
    assert "Rare words will be found slowly, without an index: " in caplog.text
    assert schema.is_current(empty_url)


def test_a_file_that_is_no_database_is_refused(tmp_path):
    path = tmp_path / "runlane.db"
    path.write_text("not a database, but long enough to be looked at" * 100)

    with pytest.raises(StartRefused, match="cannot be used"):
        schema.migrate(f"sqlite:///{path}")


JOB = (
    "INSERT INTO job (id, kind, params, status, progress, message, error, attempt, max_attempts, priority, created_at,"
    " version) VALUES (:id, 'noop', '{\"n\"\\: 1}', :status, 0, 'Said.', :error, 1, 1, 0, '2026-01-01 00:00:00', 2)"
)
EVENT = (
    "INSERT INTO job_event (job_id, version, at, type, status, attempt, progress, message) "
    "VALUES (:id, :version, '2026-01-01 00:00:00', 'status', 'queued', 1, 0, 'Said.')"
)
ERROR = '{"type": "ValueError", "message": "no", "traceback": ""}'
EVERY_REVISION = sorted(schema.revisions())


@pytest.mark.parametrize("revision", EVERY_REVISION)
async def test_a_filled_database_of_every_earlier_version_is_brought_forward_whole(revision, empty_url):
    schema.migrate(empty_url, revision)
    ids = [uuid4() for _ in range(4)]
    engine = connect(empty_url, Use.WRITE)
    as_kept = (lambda job_id: job_id.hex) if empty_url.startswith("sqlite") else str
    with engine.begin() as db:
        for job_id, status in zip(ids, ["completed", "failed", "failed", "queued"], strict=True):
            error = ERROR if status == "failed" else None
            db.execute(text(JOB), {"id": as_kept(job_id), "status": status, "error": error})
            for version in (1, 2):
                db.execute(text(EVENT), {"id": as_kept(job_id), "version": version})
    engine.dispose()

    schema.migrate(empty_url)

    database = Database(empty_url)
    store = Store(database)
    counts = {status: count for status, count in (await Counts(database).all()).items() if count}
    jobs = {job.id: job for job in (await store.page()).jobs}
    timelines = [[event.version for event in await store.events(job_id)] for job_id in ids]
    await database.close()
    assert counts == {"completed": 1, "failed": 2, "queued": 1}
    assert jobs.keys() == set(ids)
    assert all(job.params == {"n": 1} and job.version == 2 for job in jobs.values())
    assert timelines == [[1, 2]] * 4


AT = datetime(2026, 1, 1, 12, 30, 15, 123456, tzinfo=UTC)
A_JOB, A_FILE, A_SCHEDULE, A_RULE, AN_ALERT, A_DELIVERY, AN_OPERATION, AN_ACT = (UUID(int=n) for n in range(1, 9))
JSON = {"größe": [1, 2.5, None], "big": 12345678901234567890123}
A_ROW_OF_EACH: dict[str, dict[str, Any]] = {
    "job": {
        **{"id": A_JOB, "kind": "noop", "params": JSON, "status": "deleted", "progress": 12.5, "message": "Said."},
        **{"result": JSON, "error": JSON, "attempt": 2, "max_attempts": 3, "priority": -7, "created_at": AT},
        **{"scheduled_for": AT, "queued_at": AT, "started_at": AT, "finished_at": AT, "cancel_requested_at": AT},
        **{
            "worker": "w-1",
            "version": 9,
            "idempotency_key": "key",
            "idempotency_digest": "d" * 64,
            "fingerprint": "f" * 16,
            "deleted_at": AT,
        },
        **{"deleted_status": "completed", "deleted_by": AN_OPERATION, "title": "Größe", "saved": JSON},
    },
    "job_event": {
        **{"job_id": A_JOB, "version": 9, "at": AT, "type": "log", "status": "completed", "attempt": 2},
        **{"progress": 12.5, "message": "Größe", "data": JSON},
    },
    "artifact": {
        **{"id": A_FILE, "job_id": A_JOB, "version": 8, "name": "a.bin", "media_type": "x/y", "size_bytes": 256},
        **{"content": bytes(range(256)), "created_at": AT},
    },
    "rerun": {"job_id": A_JOB, "rerun_of": A_FILE},
    "stat_entry": {"id": 1, "at": AT, "kind": "noop", "outcome": "failed", "queued_at": AT, "started_at": AT},
    "stat": {"step": "day", "at": AT, "kind": "noop", "outcome": "failed", "count": 3, "wait": {"-7": 3}, "run": {}},
    "sample": {
        **{"at": AT, "scheduled": 1, "queued": 2, "running": 3, "completed": 4, "failed": 5, "cancelled": 6},
        **{"workers": 7, "oldest_queued_s": 8.5, "bytes": 2**40},
    },
    "filling": {"id": 1, "number": 3},
    "queue_setting": {"id": 1, "paused": True, "concurrency": 8, "version": 3, "updated_at": AT},
    "kind": {
        **{"name": "noop", "definition": JSON, "max_running": 2, "rate_count": 10, "rate_s": 60.0, "digest": "d" * 16},
        **{"schema_version": 2, "registered_at": AT, "last_brought_at": AT, "brought_by": "w-1"},
    },
    "kind_setting": {
        **{"kind": "noop", "paused": True, "max_running": 2, "rate_count": 10, "rate_s": 60.0, "version": 3},
        **{"updated_at": AT},
    },
    "audit": {
        **{"id": AN_ACT, "at": AT, "who": "Zoë", "action": "pause", "target": "queue", "name": "queue"},
        **{"before": JSON, "after": JSON},
    },
    "operation": {
        **{"id": AN_OPERATION, "action": "delete", "filter": JSON, "who": "Zoë", "state": "done", "total": 9},
        **{"done": 8, "left_alone": 1, "reasons": [{"reason": "It runs.", "id": "1"}], "cursor": A_JOB},
        **{"taken_by": "s-1", "seen_at": AT, "started_at": AT, "ended_at": AT, "undoes": A_FILE},
    },
    "alert_rule": {
        **{"id": A_RULE, "name": "often", "condition": "failure_rate", "threshold": 0.25, "kind": "noop"},
        **{"webhook_url": "https://example.com", "secret": "s", "paused": True, "created_at": AT, "version": 4},
    },
    "alert": {
        **{"id": AN_ALERT, "rule_id": A_RULE, "cause": "noop", "text": "It fails.", "fired_at": AT, "cleared_at": AT},
    },
    "alert_delivery": {
        **{"id": A_DELIVERY, "rule_id": A_RULE, "url": "https://example.com", "what": "fired", "body": JSON},
        **{"state": "given_up", "attempts": 6, "next_at": AT, "status": 500, "trouble": "500", "created_at": AT},
    },
    "occurrence": {"job_id": A_JOB, "schedule_id": A_SCHEDULE},
    "schedule": {
        **{"id": A_SCHEDULE, "name": "nightly", "kind": "noop", "params": JSON, "cron": "30 2 * * *"},
        **{"interval_s": 60.5, "timezone": "Europe/Berlin", "priority": 5, "max_attempts": 2, "paused": True},
        **{"catch_up": "once", "next_at": AT, "last_at": AT, "last_job_id": A_JOB, "created_at": AT},
        **{"updated_at": AT, "version": 6},
    },
}


def test_a_row_of_each_table_fills_all_of_it():
    columns = {table.name: {column.name for column in table.columns} for table in transfer.tables()}

    assert {name: set(row) for name, row in A_ROW_OF_EACH.items()} == columns


@pytest.mark.parametrize("revision", EVERY_REVISION)
def test_rows_of_every_table_of_every_earlier_version_come_through_whole(revision, empty_url):
    schema.migrate(empty_url, revision)
    known = _columns(empty_url)
    _fill(empty_url, known)

    schema.migrate(empty_url)

    for table, rows in _rows(empty_url, known).items():
        assert {name: A_ROW_OF_EACH[table][name] for name in known[table]} in rows, table


def _columns(url: str) -> dict[str, list[str]]:
    """The columns that each of our tables has in this database."""
    engine = connect(url, Use.READ)
    there = inspect(engine)
    names = [name for name in A_ROW_OF_EACH if there.has_table(name)]
    found = {name: [column["name"] for column in there.get_columns(name)] for name in names}
    engine.dispose()
    return found


def _fill(url: str, known: dict[str, list[str]]) -> None:
    engine = connect(url, Use.WRITE)
    with engine.begin() as db:
        for table in transfer.tables():
            if columns := known.get(table.name):
                row = A_ROW_OF_EACH[table.name]
                db.execute(delete(table))  # what triggers made of the rows before
                db.execute(insert(table).values({name: row[name] for name in columns}))
    engine.dispose()


def _rows(url: str, known: dict[str, list[str]]) -> dict[str, list[dict[str, Any]]]:
    engine = connect(url, Use.READ)
    found = {}
    with engine.begin() as db:
        for table in transfer.tables():
            if columns := known.get(table.name):
                query = select(*(table.c[name] for name in columns))
                found[table.name] = [dict(row) for row in db.execute(query).mappings()]
    engine.dispose()
    return found
