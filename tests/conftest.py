"""Fixtures of all floors: a migrated store, a service on twins, a real Redis server."""

import contextlib
import os
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

# Reflex must not look for pages to compile when a test imports the app.
os.environ["__REFLEX_SKIP_COMPILE"] = "true"
os.environ["REFLEX_TELEMETRY_ENABLED"] = "false"

from jobs.database import Database
from jobs.engines import Use, connect
from jobs.kinds import catalogue
from jobs.operation_store import OperationStore
from jobs.operations import Operations
from jobs.schedule_store import ScheduleStore
from jobs.schedules import ScheduleService
from jobs.schema import migrate
from jobs.service import JobService
from jobs.settings import Settings, read_settings
from jobs.store import Store
from tests.postgres import GivenServer, PostgresServer
from tests.support import RedisServer
from tests.twins import MemoryEvents, MemoryQueue, MemoryRegistry

MIGRATED = "jobs_migrated"
DATABASES = ("sqlite", "postgresql")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--database", choices=DATABASES, help="run the tests that need a database on this one only")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test that needs a database runs on each of them."""
    if "database_kind" in metafunc.fixturenames:
        only = metafunc.config.getoption("--database")
        kinds = [only] if only else DATABASES
        about = [kind for kind in DATABASES if metafunc.definition.get_closest_marker(kind)]
        if "database_path" in metafunc.fixturenames:
            about = ["sqlite"]
        metafunc.parametrize("database_kind", about or kinds)


@pytest.fixture(scope="session")
def session_postgres() -> Iterator[GivenServer]:
    """The one server of all tests, ``DATABASE_URL``'s or our own, with a database to copy."""
    given = os.environ.get("DATABASE_URL", "")
    if given.startswith("postgres"):
        server = GivenServer(given)
        migrate(server.create(MIGRATED))
        yield server
        server.drop(MIGRATED)
        return
    own = PostgresServer()
    own.start()
    migrate(own.create(MIGRATED))
    yield own
    own.stop()


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with our tables and nothing in them, to copy."""
    path = tmp_path_factory.mktemp("migrated") / "jobs.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def empty_url(database_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a database in which nothing is."""
    if database_kind == "sqlite":
        yield f"sqlite:///{tmp_path / 'jobs.db'}"
    else:
        yield from _on_server(request.getfixturevalue("session_postgres"), "template0")


@pytest.fixture
def database_url(database_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a database with our tables and nothing in them."""
    if database_kind == "sqlite":
        path = tmp_path / "jobs.db"
        shutil.copy(request.getfixturevalue("migrated_file"), path)
        yield f"sqlite:///{path}"
    else:
        yield from _on_server(request.getfixturevalue("session_postgres"), MIGRATED)


def _on_server(server: GivenServer, template: str) -> Iterator[str]:
    name = f"test_{secrets.token_hex(8)}"
    yield server.create(name, template)
    server.drop(name)


@pytest.fixture
def database_path(database_url: str) -> Path:
    """The file of a SQLite database; who asks for it is about SQLite alone."""
    return Path(database_url.removeprefix("sqlite:///"))


@pytest.fixture
def plain_sql(database_url: str) -> Iterator[Callable[..., list[Any]]]:
    """Runs a statement beside the product, in a transaction of its own; the rows it gives."""
    engine = connect(database_url, Use.WRITE)

    def run(statement: str, **values: Any) -> list[Any]:
        with engine.begin() as db:
            result = db.execute(text(statement), values)
            return list(result) if result.returns_rows else []

    yield run
    engine.dispose()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = Database(database_url)
    yield opened
    await opened.close()


@pytest.fixture
def database_away(plain_sql: Callable[..., list[Any]]) -> Callable[[], contextlib.AbstractContextManager[None]]:
    """For as long as a block lasts, every statement about jobs is refused by the database."""

    @contextlib.contextmanager
    def away() -> Iterator[None]:
        plain_sql("ALTER TABLE job RENAME TO job_away")
        yield
        plain_sql("ALTER TABLE job_away RENAME TO job")

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
