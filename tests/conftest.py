"""Fixtures of all floors: a migrated store, a service on twins, a real Redis server."""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

# Reflex must not look for pages to compile when a test imports the app.
os.environ["__REFLEX_SKIP_COMPILE"] = "true"
os.environ["REFLEX_TELEMETRY_ENABLED"] = "false"

from jobs.database import Database
from jobs.kinds import catalogue
from jobs.operation_store import OperationStore
from jobs.operations import Operations
from jobs.schedule_store import ScheduleStore
from jobs.schedules import ScheduleService
from jobs.schema import migrate
from jobs.service import JobService
from jobs.settings import Settings, read_settings
from jobs.store import Store
from tests.support import RedisServer
from tests.twins import MemoryEvents, MemoryQueue, MemoryRegistry


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with our tables and nothing in them, to copy."""
    path = tmp_path_factory.mktemp("migrated") / "jobs.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def database_url(migrated_file: Path, tmp_path: Path) -> str:
    path = tmp_path / "jobs.db"
    shutil.copy(migrated_file, path)
    return f"sqlite:///{path}"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url)
    yield opened
    await opened.close()


@pytest.fixture
def database_away(database_url: str) -> Callable[[], contextlib.AbstractContextManager[None]]:
    """For as long as a block lasts, every statement about jobs is refused by the database."""

    def rename(old: str, new: str) -> None:
        with contextlib.closing(sqlite3.connect(database_url.removeprefix("sqlite:///"))) as connection:
            connection.execute(f"ALTER TABLE {old} RENAME TO {new}")

    @contextlib.contextmanager
    def away() -> Iterator[None]:
        rename("job", "job_away")
        yield
        rename("job_away", "job")

    return away


@pytest.fixture
def store(database: Database) -> Store:
    return Store(database)


@pytest.fixture
def config(tmp_path: Path) -> Settings:
    return read_settings(_env_file=None, data_dir=tmp_path, retry_base_s=0.01, cancel_grace_s=0.5)


@dataclass
class World:
    """A service, and everything it works with."""

    service: JobService
    schedules: ScheduleService
    store: Store
    queue: MemoryQueue
    events: MemoryEvents
    registry: MemoryRegistry
    config: Settings
    operations: Operations
    database: Database


@pytest.fixture
def world(database: Database, store: Store, config: Settings) -> World:
    queue, events = MemoryQueue(), MemoryEvents()
    service = JobService(store, queue, events, catalogue(), config)  # type: ignore[arg-type]
    schedules = ScheduleService(ScheduleStore(database), service)
    return World(
        service,
        schedules,
        store,
        queue,
        events,
        MemoryRegistry(),
        config,
        Operations(OperationStore(database), service),
        database,
    )


@pytest.fixture
def service(world: World) -> JobService:
    return world.service


@pytest.fixture(scope="session")
def session_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_server(session_redis: RedisServer) -> RedisServer:
    """A running server with nothing in it."""
    with session_redis.client() as client:
        client.flushall()
    return session_redis
