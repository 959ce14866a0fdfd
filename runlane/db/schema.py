"""Bring a database's tables to this version of the product, or report that they are not.

Alembic and SQLAlchemy take half a second to import, so they are imported only when there is something to migrate:
a file name and one row show whether there is.
"""

import contextlib
import logging
import sqlite3
import time
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

from runlane.addresses import shown
from runlane.errors import StartRefused
from runlane.private_files import make_file

MIGRATIONS = Path(__file__).parent / "migrations"
SQLITE = "sqlite:///"
RETRY_EVERY_S = 1.0
LOG_EVERY_S = 10.0

log = logging.getLogger(__name__)


class Fit(Enum):
    """How a database's tables are to this version of the product."""

    CURRENT = "current"
    OLDER = "older"
    """Or there are none yet."""
    NEWER = "newer"


class Away(Exception):
    """The database server does not answer; it may yet."""


def check_or_wait_for(url: str) -> None:
    """Nothing, once the database answers and has exactly our tables.

    Raises:
        StartRefused: it refuses us, or its tables are of another version of the product.
    """
    match _once_it_answers(url):
        case Fit.OLDER:
            raise StartRefused(
                f"The database {shown(url)} does not have the tables of this version of the product yet. "
                "Run: python -m runlane migrate"
            )
        case Fit.NEWER:
            raise _newer(url)


def is_current(url: str) -> bool:
    """Whether the database has the newest tables; ``False`` when that cannot be found out cheaply."""
    try:
        return _fit(url) is Fit.CURRENT
    except (Away, StartRefused):
        return False


def is_ours(url: str) -> bool:
    """Whether the database has the tables of any version of this product."""
    return _revision(url) is not None


def newest_revision() -> str:
    """The revision of the last migration."""
    return max(revisions())


def revisions() -> set[str]:
    """The revisions that this version knows; their files are named ``<revision>_<what>.py``, in order."""
    return {path.name.split("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*_*.py")}


def migrate(url: str, revision: str = "head") -> None:
    """Bring the tables to this version of the product, creating them if there are none. Safe to call again.

    Waits for a database server that does not answer yet, and for another process that migrates.
    ``revision``: go no further than this one.

    Raises:
        StartRefused: the database cannot be opened, is not ours, or comes from a newer version of the product.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy.exc import DatabaseError

    from runlane.db import engines

    if _once_it_answers(url) is Fit.NEWER:
        raise _newer(url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    if engines.is_sqlite(url):
        _make_file(url)
    engine = engines.connect(url, engines.Use.WRITE)

    def upgrade() -> None:
        with engine.begin() as connection:
            engines.take_turn(connection, engines.MIGRATION)
            current = MigrationContext.configure(connection).get_current_revision()
            if current is not None and current not in revisions():
                raise _newer(url)
            config.attributes["connection"] = connection
            command.upgrade(config, revision)

    try:
        while True:
            try:
                return upgrade()
            except DatabaseError as exc:
                if not engines.is_busy(exc.orig):
                    raise
                log.warning("The database %s is busy, perhaps with another's migration. Waiting for it.", shown(url))
    except DatabaseError as exc:
        raise StartRefused(
            f"The database {shown(url)} cannot be used: {engines.one_line(exc.orig or exc)}. "
            "Check DATABASE_URL and RUNLANE_DATA_DIR."
        ) from exc
    finally:
        engine.dispose()


def _newer(url: str) -> StartRefused:
    return StartRefused(
        f"The database {shown(url)} was written by a newer version of this product (schema {_revision(url)}). "
        "Start that version, or point DATABASE_URL at another database."
    )


def until_it_answers(url: str) -> Iterator[float]:
    """Tries the database at each step, and ends when it answers; returns how many seconds to wait before the next.

    Logs now and then that it waits. Raises ``StartRefused`` when the database refuses us.
    """
    logged_at = -LOG_EVERY_S
    while True:
        try:
            _revision(url)
            return
        except Away as exc:
            if time.monotonic() - logged_at >= LOG_EVERY_S:
                log.warning("The database %s does not answer (%s). Waiting for it.", shown(url), exc)
                logged_at = time.monotonic()
            yield RETRY_EVERY_S


def _once_it_answers(url: str) -> Fit:
    for pause_s in until_it_answers(url):
        time.sleep(pause_s)
    return _fit(url)


def _fit(url: str) -> Fit:
    revision = _revision(url)
    if revision == newest_revision():
        return Fit.CURRENT
    return Fit.OLDER if revision is None or revision in revisions() else Fit.NEWER


def _revision(url: str) -> str | None:
    """The revision of the tables; ``None`` if there are none.

    Raises:
        Away: the server does not answer.
        StartRefused: the server refuses us.
    """
    return _revision_of_file(url.removeprefix(SQLITE)) if url.startswith(SQLITE) else _revision_of_server(url)


def _revision_of_file(path: str) -> str | None:
    if not Path(path).is_file():
        return None
    try:
        with contextlib.closing(sqlite3.connect(path)) as database:
            rows = database.execute("SELECT version_num FROM alembic_version").fetchall()
    except sqlite3.Error:
        return None
    return str(rows[0][0]) if len(rows) == 1 else None


def _revision_of_server(url: str) -> str | None:
    import psycopg

    from runlane.db.engines import CONNECT_TIMEOUT_S, one_line

    try:
        with psycopg.connect(
            "postgresql://" + url.partition("://")[2], connect_timeout=CONNECT_TIMEOUT_S, application_name="runlane"
        ) as database:
            rows = database.execute("SELECT version_num FROM alembic_version").fetchall()
    except psycopg.errors.UndefinedTable:
        return None
    except psycopg.ProgrammingError as exc:
        raise StartRefused(f"DATABASE_URL is no address of a database: {one_line(exc)}. Correct it.") from exc
    except psycopg.Error as exc:
        if _refuses_us(exc):
            raise StartRefused(
                f"The database {shown(url)} refuses us: {one_line(exc)}. Check the name, user and password in "
                "DATABASE_URL."
            ) from exc
        raise Away(one_line(exc)) from exc
    return str(rows[0][0]) if len(rows) == 1 else None


_PASSING = ("starting up", "shutting down", "not yet accepting", "recovery", "too many", "remaining connection slots")


def _refuses_us(exc: Exception) -> bool:
    """Whether a server answered, and not merely because it is not ready; a failed connection has no code to show it."""
    message = str(exc)
    return "FATAL" in message and not any(words in message for words in _PASSING)


def _make_file(url: str) -> None:
    """Have SQLite find a file that nobody else may read; those that it puts beside it are as that one."""
    with contextlib.suppress(OSError):  # SQLite's own error is the better one
        make_file(Path(url.removeprefix(SQLITE)))
