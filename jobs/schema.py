"""Bring a database's tables to this version of the product.

Alembic and SQLAlchemy take half a second to import, so they are imported only when there is something to migrate:
whether there is can be told from a file name and one row.
"""

import contextlib
import sqlite3
from pathlib import Path

from jobs.errors import StartRefused

MIGRATIONS = Path(__file__).parent / "migrations"
SQLITE = "sqlite:///"


def is_current(url: str) -> bool:
    """Whether a SQLite database has the newest tables; ``False`` when that cannot be told cheaply."""
    if not url.startswith(SQLITE) or not Path(path := url.removeprefix(SQLITE)).is_file():
        return False
    try:
        with contextlib.closing(sqlite3.connect(path)) as database:
            rows = database.execute("SELECT version_num FROM alembic_version").fetchall()
    except sqlite3.Error:
        return False
    return rows == [(newest_revision(),)]


def newest_revision() -> str:
    """The revision of the last migration."""
    return max(revisions())


def revisions() -> set[str]:
    """The revisions that this version knows; their files are named ``<revision>_<what>.py``, in order."""
    return {path.name.split("_")[0] for path in (MIGRATIONS / "versions").glob("[0-9]*_*.py")}


def migrate(url: str, revision: str = "head") -> None:
    """Bring the tables to this version of the product, creating them if there are none. Safe to call again.

    ``revision``: go no further than this one.

    Raises:
        StartRefused: the database cannot be opened, is not ours, or comes from a newer version of the product.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import DatabaseError

    from jobs.database import new_engine

    shown = make_url(url).render_as_string(hide_password=True)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    engine = new_engine(url, begin="BEGIN IMMEDIATE")
    try:
        with engine.begin() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
            if current is not None and current not in revisions():
                raise StartRefused(
                    f"The database {shown} was written by a newer version of this product (schema {current}). "
                    "Start that version, or point DATABASE_URL at another database."
                )
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
    except DatabaseError as exc:
        raise StartRefused(
            f"The database {shown} cannot be used: {exc.orig}. Check DATABASE_URL and JOBS_DATA_DIR."
        ) from exc
    finally:
        engine.dispose()
