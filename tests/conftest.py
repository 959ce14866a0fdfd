"""What is run when, and the fixtures of all floors: a migrated store, a service on twins, a real Redis server."""

import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

# Reflex must not look for pages to compile when a test imports the app.
os.environ["__REFLEX_SKIP_COMPILE"] = "true"
os.environ["REFLEX_TELEMETRY_ENABLED"] = "false"
# A shell that starts this in the background has it ignore Ctrl-C, and so would every program that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

from runlane.audit import AuditLog
from runlane.bulk.service import Operations
from runlane.bulk.store import OperationStore
from runlane.composition import Services, compose
from runlane.core.counts import Counts
from runlane.core.deletion import Removal
from runlane.core.follow_up import FollowUp
from runlane.core.reconcile import Reconciler
from runlane.core.service import JobService
from runlane.core.store import Store
from runlane.db.database import Database
from runlane.db.engines import Use, connect
from runlane.db.schema import migrate
from runlane.kinds.catalogue import Catalogue, catalogue
from runlane.kinds.service import LimitsService
from runlane.kinds.settings_store import SettingsStore
from runlane.metrics.samples import Samples
from runlane.metrics.statistics import Statistics
from runlane.schedules.service import ScheduleService
from runlane.settings import Settings, read_settings
from testbed.browser import check_browser
from testbed.errors import CannotRun
from testbed.once import once
from testbed.postgres_server import GivenServer, PostgresServer, check_server, given_url
from testbed.redis_server import RedisServer
from testbed.run import Run
from tests.support.kinds import bundled
from tests.support.twins import MemoryEvents, MemoryQueue, MemoryRegistry

pytest_plugins = ["tests.support.processes", "tests.support.farm", "tests.support.tabs", "tests.support.places"]
REFUSED = 2


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--all", action="store_true", help="PostgreSQL where a database matters, and the long faults too")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput") and not config.option.collectonly:
        with refusing():
            config.pluginmanager.register(RunKeeper())


@contextlib.contextmanager
def refusing(config: pytest.Config | None = None) -> Iterator[None]:
    """A run that cannot be made says so in one sentence."""
    try:
        yield
    except CannotRun as exc:
        if not hasattr(config, "workerinput"):
            pytest.exit(str(exc), REFUSED)
        _refusal().write_text(str(exc))  # which the process that all others of the run come from reads


def _refusal() -> Path:
    """Where one of a run's processes writes why it cannot run: in the folder of the run."""
    return Path(tempfile.gettempdir()) / "refusal"


class RunKeeper:
    """Keeps this run's folder, in the one process that all others of the run come from."""

    def __init__(self) -> None:
        self._run = Run()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test that fails for lack of space says nothing about the product; neither would those after it."""
        if report.failed:
            with refusing():
                self._run.check_space()

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self) -> None:
        if _refusal().exists():
            pytest.exit(_refusal().read_text(), REFUSED)

    def pytest_unconfigure(self) -> None:
        self._run.end()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that needs a database runs on SQLite; on PostgreSQL too, or instead, if its marker says so."""
    if "database_kind" in metafunc.fixturenames:
        marked = metafunc.definition.get_closest_marker
        if marked("postgresql"):
            kinds = ["postgresql"]
        elif marked("databases") and "database_path" not in metafunc.fixturenames:
            kinds = ["sqlite", "postgresql"]
        else:
            kinds = ["sqlite"]
        metafunc.parametrize("database_kind", kinds)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--all"):
        left_out = {item for item in items if _needs_postgres(item) or item.get_closest_marker("faults")}
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]
    # or the run would wait at its end for one that lasts a minute
    items.sort(key=lambda item: item.get_closest_marker("faults") is None)
    with refusing(config):
        if any(map(_needs_postgres, items)):
            check_server()
        if any("open_page" in item.fixturenames for item in items):
            check_browser()


def _needs_postgres(item: pytest.Item) -> bool:
    chosen = item.callspec.params if hasattr(item, "callspec") else {}
    return "postgres_programs" in item.fixturenames or chosen.get("database_kind") == "postgresql"


@pytest.fixture(scope="session")
def postgres_programs() -> None:
    """Whoever starts a PostgreSQL server, or uses ours, asks for this: such a test is left out of ``make test``."""
    check_server()


@pytest.fixture(scope="session")
def session_postgres(postgres_programs: None) -> Iterator[GivenServer]:
    """The one server of this process's tests, ``DATABASE_URL``'s or our own."""
    if given := given_url():
        server = GivenServer(given)
        yield server
        return
    own = PostgresServer()
    own.start()
    yield own
    own.stop()


@pytest.fixture(scope="session")
def migrated_database(session_postgres: GivenServer) -> Iterator[str]:
    """The name of a database with our tables and nothing in them, to copy."""
    with session_postgres.scratch() as url:
        migrate(url)
        yield url.rpartition("/")[2]


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for what is made once for all processes of a run; see ``once``."""
    own = tmp_path_factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


@pytest.fixture(scope="session")
def migrated_file(run_folder: Path) -> Path:
    """A database with our tables and nothing in them, to copy."""
    return once(run_folder / "migrated.db", lambda path: migrate(f"sqlite:///{path}"))


@pytest.fixture
def empty_url(database_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a database in which nothing is."""
    if database_kind == "sqlite":
        yield f"sqlite:///{tmp_path / 'runlane.db'}"
    else:
        with request.getfixturevalue("session_postgres").scratch() as url:
            yield url


@pytest.fixture
def database_url(database_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a database with our tables and nothing in them."""
    if database_kind == "sqlite":
        path = tmp_path / "runlane.db"
        shutil.copy(request.getfixturevalue("migrated_file"), path)
        yield f"sqlite:///{path}"
    else:
        migrated = request.getfixturevalue("migrated_database")
        with request.getfixturevalue("session_postgres").scratch(migrated) as url:
            yield url


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
def removal(database: Database) -> Removal:
    return Removal(database)


@pytest.fixture
def counts(database: Database) -> Counts:
    return Counts(database)


@pytest.fixture
def audit(database: Database) -> AuditLog:
    return AuditLog(database)


@pytest.fixture
def statistics(database: Database) -> Statistics:
    return Statistics(database)


@pytest.fixture
def samples(database: Database) -> Samples:
    return Samples(database)


@pytest.fixture
def follow_up(world: "World") -> FollowUp:
    return world.services.follow_up


@pytest.fixture
def reconciler(world: "World") -> Reconciler:
    return world.services.reconciler


@pytest.fixture
def limits_service(world: "World") -> LimitsService:
    return world.services.limits


@pytest.fixture
def kind_settings(database: Database) -> SettingsStore:
    return SettingsStore(database)


@pytest.fixture
def config(tmp_path: Path) -> Settings:
    return read_settings(_env_file=None, data_dir=tmp_path, retry_base_s=0.01, cancel_grace_s=0.5)


@pytest.fixture(autouse=True)
def catalogued() -> Catalogue:
    """The catalogue of this process, with the bundled kinds; what a test before this one read is forgotten."""
    catalogue().replace(bundled())
    return catalogue()


@dataclass
class World:
    """A service, and everything it works with."""

    services: Services
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
    services = compose(database, queue, events, catalogue(), config)  # type: ignore[arg-type]
    return World(
        services,
        services.jobs,
        services.schedules,
        store,
        queue,
        events,
        MemoryRegistry(),
        config,
        Operations(OperationStore(database), services.jobs, store, services.removal),
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
