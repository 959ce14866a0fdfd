"""How this process talks to the database without ever blocking its event loop.

SQLAlchemy's synchronous engine runs in threads of our own: one for writes, a few for reads. Measured against
aiosqlite (``bench/store_driver.py``), which hops threads for each statement, one hop a transaction is 2 to 4 times
faster. One writer is also what SQLite wants; ``BEGIN IMMEDIATE`` takes its lock at the start, so that a transaction
cannot fail half way because another process wrote first.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError, OperationalError

from jobs import plain_json
from jobs.errors import StartRefused, Unavailable

T = TypeVar("T")

BUSY_TIMEOUT_S = 10.0
READERS = 4

log = logging.getLogger(__name__)


class Database:
    """Transactions on one database. Use from one event loop; ``close`` when done."""

    def __init__(self, url: str) -> None:
        self._writer = _engine(url, begin="BEGIN IMMEDIATE")
        self._reader = _engine(url, begin="BEGIN")
        self._write_thread = ThreadPoolExecutor(1, thread_name_prefix="sql-write")
        self._read_threads = ThreadPoolExecutor(READERS, thread_name_prefix="sql-read")

    async def write(self, work: Callable[[Connection], T]) -> T:
        """What ``work`` returns, after its transaction is committed and on disk.

        Raises:
            Unavailable: the database is locked, full or away; nothing of ``work`` is kept.
        """
        return await self._run(self._write_thread, self._writer, work)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """What ``work`` returns, from one consistent view of the database.

        Raises:
            Unavailable: the database does not answer.
        """
        return await self._run(self._read_threads, self._reader, work)

    async def close(self) -> None:
        await asyncio.to_thread(self._shut_down)

    def _shut_down(self) -> None:
        for threads in (self._write_thread, self._read_threads):
            threads.shutdown(wait=True)
        self._writer.dispose()
        self._reader.dispose()

    async def _run(self, threads: ThreadPoolExecutor, engine: Engine, work: Callable[[Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(threads, _transaction, engine, work)


def _transaction(engine: Engine, work: Callable[[Connection], T]) -> T:
    try:
        with engine.begin() as connection:
            return work(connection)
    except OperationalError as exc:
        log.warning("The database refused a statement: %s", exc.orig)
        raise Unavailable("The database does not answer right now. Nothing was changed; try again.") from exc


def _engine(url: str, begin: str) -> Engine:
    engine = create_engine(
        url,
        json_serializer=plain_json.dumps,
        connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_S},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # the driver's own BEGIN would come too late; see `_begin`
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def migrate(url: str) -> None:
    """Bring the tables to this version of the product, creating them if there are none. Safe to call again.

    Raises:
        StartRefused: the database cannot be opened, is not ours, or comes from a newer version of the product.
    """
    shown = make_url(url).render_as_string(hide_password=True)
    engine = _engine(url, begin="BEGIN IMMEDIATE")
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    try:
        with engine.begin() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
            if current is not None and not _known(config, current):
                raise StartRefused(
                    f"The database {shown} was written by a newer version of this product (schema {current}). "
                    "Start that version, or point DATABASE_URL at another database."
                )
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except DatabaseError as exc:
        raise StartRefused(
            f"The database {shown} cannot be used: {exc.orig}. Check DATABASE_URL and JOBS_DATA_DIR."
        ) from exc
    finally:
        engine.dispose()


def _known(config: Config, revision: str) -> bool:
    try:
        return ScriptDirectory.from_config(config).get_revision(revision) is not None
    except CommandError:
        return False
