"""Engines for the databases we support, set up as this product needs them, and what their errors mean.

SQLite: one writer, whose ``BEGIN IMMEDIATE`` takes the lock at the start, so that a transaction cannot fail half way
because another process wrote first. PostgreSQL: writers see what others committed (``READ COMMITTED``), since every
change is one conditional statement; readers have one view for a whole transaction.
"""

import select
import sqlite3
import time
from enum import Enum
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DisconnectionError, OperationalError

from runlane import plain_json

# A transaction waits no longer for another one's lock; the caller may try again.
BUSY_TIMEOUT_S = 5.0
# While another process writes. SQLite itself tries again after up to 100 ms, and misses the turns in between.
RETRY_EVERY_S = 0.001
CONNECT_TIMEOUT_S = 5
SQLITE = "sqlite:///"
# The numbers of our advisory locks in PostgreSQL: for writing alone, migrating, and rebuilding Redis.
TURN, MIGRATION, GENERATION = 0x6A6F6273, 0x6A6F6274, 0x6A6F6275

LOCK_NOT_AVAILABLE, DISK_FULL = "55P03", "53100"
# PostgreSQL gave up a transaction for another's sake: serialization failure, deadlock.
_IN_THE_WAY = frozenset({"40001", "40P01"})


class Use(Enum):
    """What an engine's transactions do."""

    READ = "BEGIN"
    WRITE = "BEGIN IMMEDIATE"


def is_sqlite(url: str) -> bool:
    return url.startswith(SQLITE)


def connect(url: str, use: Use) -> Engine:
    """An engine for transactions of one use. It connects when it is first needed."""
    return _sqlite(url, use) if is_sqlite(url) else _postgresql(url, use)


def take_turn(db: Connection, lock: int = TURN, *, shared: bool = False) -> None:
    """Wait until no other transaction has the turn, and keep it to this one's end; ``shared``: with others alike."""
    if db.dialect.name == "postgresql":
        db.execute(text(f"SELECT pg_advisory_xact_lock{'_shared' if shared else ''}({lock})"))


def is_trouble(exc: BaseException) -> bool:
    """Whether the database is away, busy, full or otherwise not able, rather than given a wrong statement."""
    name = type(exc).__module__.partition(".")[0]
    if name == "sqlite3":
        return isinstance(exc, sqlite3.OperationalError)
    if name == "psycopg":
        import psycopg

        # away, not able, or not what we were connected to: a table is missing, the server is read-only now
        return isinstance(exc, psycopg.OperationalError | psycopg.InterfaceError | psycopg.errors.UndefinedTable) or (
            getattr(exc, "sqlstate", None) or ""
        ).startswith(("25006", "53", "57", "58", "XX"))
    return False


def is_busy(exc: BaseException | None) -> bool:
    """Whether another transaction has what this one waited for."""
    if getattr(exc, "sqlstate", None) == LOCK_NOT_AVAILABLE:
        return True
    return _sqlite_code(exc) == sqlite3.SQLITE_BUSY


def is_full(exc: BaseException) -> bool:
    """Whether there is no room for more on the database's disk."""
    return getattr(exc, "sqlstate", None) == DISK_FULL or _sqlite_code(exc) == sqlite3.SQLITE_FULL


def was_in_the_way(exc: BaseException) -> bool:
    """Whether the same transaction may succeed if it is simply run again."""
    return getattr(exc, "sqlstate", None) in _IN_THE_WAY


def one_line(exc: BaseException) -> str:
    """The message of an error, without line breaks."""
    return " ".join(str(exc).split())


def _sqlite_code(exc: BaseException | None) -> int:
    """SQLite's code without what it extends it by; 0 for what is no error of SQLite."""
    return int(getattr(exc, "sqlite_errorcode", 0)) & 0xFF


def _sqlite(url: str, use: Use) -> Engine:
    engine = create_engine(
        url,
        json_serializer=plain_json.dumps,
        connect_args={"check_same_thread": False, "timeout": BUSY_TIMEOUT_S},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # the driver's own BEGIN would come too late; `_begin` does it
        waits = "" if use is Use.READ else "busy_timeout=0"  # `_begin` waits instead
        for pragma in filter(None, ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", waits)):
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        give_up_at = time.monotonic() + BUSY_TIMEOUT_S
        while True:
            try:
                connection.exec_driver_sql(use.value)
                return
            except OperationalError as exc:
                if not is_busy(exc.orig) or time.monotonic() > give_up_at:
                    raise
                time.sleep(RETRY_EVERY_S)

    return engine


def postgresql_url(url: str) -> str:
    """The address with our driver's name in it, as SQLAlchemy expects it."""
    return "postgresql+psycopg://" + url.partition("://")[2]


def _postgresql(url: str, use: Use) -> Engine:
    engine = create_engine(
        postgresql_url(url),
        paramstyle="format",  # by position, as ``runlane.db.prepared`` gives them
        json_serializer=plain_json.dumps,
        json_deserializer=plain_json.loads,
        isolation_level="REPEATABLE READ" if use is Use.READ else "READ COMMITTED",
        connect_args={
            "connect_timeout": CONNECT_TIMEOUT_S,
            "options": f"-c timezone=UTC -c lock_timeout={int(BUSY_TIMEOUT_S * 1000)}",
            "application_name": "runlane",
            # a connection whose other end vanished silently is detected within half a minute
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
        },
    )

    @event.listens_for(engine, "checkout")
    def _check_alive(connection: Any, _record: Any, _proxy: Any) -> None:
        """A server that ended the connection has sent an error or closed it: either way there is something to read."""
        readable, _, _ = select.select([connection.fileno()], [], [], 0)
        if readable:
            raise DisconnectionError("the server has ended the connection")

    return engine
