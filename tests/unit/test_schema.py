"""Tables come from migrations, forward only, and never from a newer version."""

import contextlib
import sqlite3

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine
from sqlmodel import SQLModel

from jobs import schema
from jobs.errors import StartRefused


def test_the_migrations_make_exactly_the_tables_of_the_models(database_url):
    with create_engine(database_url).connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), SQLModel.metadata)

    assert differences == []


def test_migrating_twice_changes_nothing(tmp_path):
    url = f"sqlite:///{tmp_path / 'jobs.db'}"
    assert not schema.is_current(url)

    schema.migrate(url)
    schema.migrate(url)

    assert schema.is_current(url)


def test_a_database_of_a_newer_version_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "jobs.db"
    schema.migrate(f"sqlite:///{path}")
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(StartRefused, match=r"newer version.*schema 9999"):
        schema.migrate(f"sqlite:///{path}")

    with contextlib.closing(sqlite3.connect(path)) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchall() == [("9999",)]


def test_a_file_that_is_no_database_is_refused(tmp_path):
    path = tmp_path / "jobs.db"
    path.write_text("not a database, but long enough to be looked at" * 100)

    with pytest.raises(StartRefused, match="cannot be used"):
        schema.migrate(f"sqlite:///{path}")


async def test_a_history_from_before_counts_were_kept_is_counted_when_it_is_migrated(tmp_path):
    path = tmp_path / "jobs.db"
    schema.migrate(f"sqlite:///{path}", "0003")
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        for number, status in enumerate(["completed", "completed", "queued"]):
            database.execute(
                "INSERT INTO job (id, kind, params, status, progress, message, attempt, max_attempts, priority,"
                " created_at, version) VALUES (?, 'noop', '{}', ?, 0, '', 1, 1, 0, '2026-01-01', 1)",
                (f"{number:032}", status),
            )

    schema.migrate(f"sqlite:///{path}")

    with contextlib.closing(sqlite3.connect(path)) as database:
        counts = dict(database.execute("SELECT status, count FROM job_count WHERE count > 0").fetchall())
    assert counts == {"completed": 2, "queued": 1}
