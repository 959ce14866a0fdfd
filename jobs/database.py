"""How this process talks to the database without ever blocking its event loop.

SQLAlchemy's synchronous engine runs in threads of our own: one for writes, a few for reads. Measured against
aiosqlite (``bench/store_driver.py``), which hops threads for each statement, one hop a transaction is 2 to 4 times
faster. One writer is also what SQLite wants; ``BEGIN IMMEDIATE`` takes its lock at the start, so that a transaction
cannot fail half way because another process wrote first.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from jobs import plain_json
from jobs.errors import Unavailable

T = TypeVar("T")

BUSY_TIMEOUT_S = 5.0
LOOK_AGAIN_S = 0.001
"""While another process writes. SQLite itself looks again after up to 100 ms, and misses the turns in between."""
READERS = 4
WRITES, READS = "BEGIN IMMEDIATE", "BEGIN"

log = logging.getLogger(__name__)


class Database:
    """Transactions on one database. Use from one event loop; ``close`` when done."""

    def __init__(self, url: str) -> None:
        self._writer = new_engine(url, begin=WRITES)
        self._reader = new_engine(url, begin=READS)
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
    except (OperationalError, engine.dialect.loaded_dbapi.OperationalError) as exc:
        log.warning("The database refused a statement: %s", getattr(exc, "orig", exc))
        raise Unavailable("The database does not answer right now. Nothing was changed; try again.") from exc


def is_busy(exc: OperationalError) -> bool:
    """Whether another process writes to a SQLite database just now."""
    return getattr(exc.orig, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY


def shown_url(url: str) -> str:
    """The address without its password."""
    return make_url(url).render_as_string(hide_password=True)


def new_engine(url: str, begin: str) -> Engine:
    """An engine set up as this product needs it; ``begin`` is the statement that opens each transaction."""
    engine = create_engine(
        url,
        json_serializer=plain_json.dumps,
        connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_S},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # the driver's own BEGIN would come too late; see `_begin`
        waits = "" if begin == READS else "busy_timeout=0"  # `_begin` waits instead
        for pragma in filter(None, ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", waits)):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        give_up_at = time.monotonic() + BUSY_TIMEOUT_S
        while True:
            try:
                connection.exec_driver_sql(begin)
                return
            except OperationalError as exc:
                if not is_busy(exc) or time.monotonic() > give_up_at:
                    raise
                time.sleep(LOOK_AGAIN_S)

    return engine
