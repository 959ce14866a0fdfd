"""How this process talks to the database without ever blocking its event loop.

SQLAlchemy's synchronous engine runs in threads of our own: one for writes, a few for reads. Measured against
aiosqlite (``bench/store_driver.py``), which hops threads for each statement, one hop a transaction is 2 to 4 times
faster. How each kind of database is set up is in ``runlane.db.engines``.
"""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from runlane.db import engines
from runlane.db.engines import Use
from runlane.errors import Unavailable

T = TypeVar("T")

READERS = 4
# Of a transaction that the database gave up because another one stood in its way.
TRIES = 5

AWAY = "The database does not answer right now. Nothing was changed; try again."
FULL = "The disk of the database is full. Nothing was changed; free some of it, and try again."

log = logging.getLogger(__name__)


class Database:
    """Transactions on one database. Use from one event loop; ``close`` when done."""

    def __init__(self, url: str) -> None:
        self._writer = engines.connect(url, Use.WRITE)
        self._reader = engines.connect(url, Use.READ)
        self._write_thread = ThreadPoolExecutor(1, thread_name_prefix="sql-write")
        self._read_threads = ThreadPoolExecutor(READERS, thread_name_prefix="sql-read")

    async def write(self, work: Callable[[Connection], T], *, alone: bool = False) -> T:
        """What ``work`` returns, after its transaction is committed and on disk. It may be run more than once.

        ``alone``: no other process runs such a transaction at the same time; for what reads, decides, then writes.
        SQLite has one writer at a time anyway.

        Raises:
            Unavailable: the database is locked, full or away; nothing of ``work`` is kept.
        """

        def work_alone(db: Connection) -> T:
            engines.take_turn(db)
            return work(db)

        return await self._run(self._write_thread, self._writer, work_alone if alone else work)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """What ``work`` returns, from one consistent view of the database.

        Raises:
            Unavailable: the database does not answer.
        """
        return await self._run(self._read_threads, self._reader, work)

    def read_soon(self, work: Callable[[Connection], T]) -> Future[T]:
        """As ``read``, for code in a thread of its own that must not wait, however long the answer takes."""
        return self._read_threads.submit(_transaction, self._reader, work)

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
    tries = 0
    while True:
        tries += 1
        try:
            with engine.begin() as connection:
                return work(connection)
        except (DBAPIError, engine.dialect.loaded_dbapi.Error) as exc:
            cause = getattr(exc, "orig", exc)
            if tries < TRIES and engines.was_in_the_way(cause):
                continue
            if not engines.is_trouble(cause):
                raise
            log.warning("The database refused a statement: %s", engines.one_line(cause))
            raise Unavailable(FULL if engines.is_full(cause) else AWAY) from exc
