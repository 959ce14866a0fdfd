"""Backups: all of a database in one SQLite file, as of one moment, while it is used; and bringing one back.

SQLite writes the copy of a SQLite database itself; a PostgreSQL database is brought over row by row. Either way the
file is a database of ours, so that restoring is migrating a copy of it and a transfer.
"""

import contextlib
import shutil
import sqlite3
import time
from pathlib import Path

from runlane.addresses import shown
from runlane.db import engines, schema
from runlane.db.engines import Use
from runlane.db.transfer import check_current, count_jobs, empty, transfer
from runlane.errors import StartRefused
from runlane.private_files import make_file
from runlane.text import counted

BUSY_TIMEOUT_S = 30.0


def back_up(url: str, path: Path) -> int:
    """Write all of a database to a SQLite file, as of one moment, while it is used; how many jobs are in it.

    Raises:
        StartRefused: the file is there already, or the database cannot be used.
        OSError: the file cannot be written.
    """
    if path.exists():
        raise StartRefused(f"The file {path} is there already; name another one, or move it away.")
    part = path.with_name(path.name + ".part")
    try:
        _remove(part)  # of one that was cut off
        make_file(part)  # fails with the reason where no file can be
        check_current(url)
        if engines.is_sqlite(url):
            _copy(url, part)
        else:
            transfer(url, _url(part))
        jobs = count_jobs(_url(part))
        _put_in_one_file(part)
        part.rename(path)
    finally:
        _remove(part)
    return jobs


def copy_file(source: Path, target: Path) -> None:
    """Write all of a SQLite database to a new file, or an empty one, as of one moment, while it is used.

    Raises:
        sqlite3.OperationalError: the database is locked, or a disk is full; there is no copy.
        sqlite3.DatabaseError: the database is damaged; there is no copy.
    """
    with contextlib.closing(sqlite3.connect(source, isolation_level=None, timeout=BUSY_TIMEOUT_S)) as db:
        db.execute("VACUUM INTO ?", (str(target),)).close()


def restore(path: Path, url: str, *, replace: bool = False) -> int:
    """Bring back what a backup holds; how many jobs. The tables of an older version are migrated in a copy.

    Raises:
        StartRefused: there is no such file, it is no backup, or the database holds jobs and ``replace`` is not set.
    """
    if not path.is_file():
        raise StartRefused(f"There is no file {path}; name a backup.")
    if not schema.is_ours(_url(path)):
        raise StartRefused(f"The file {path} is no backup of this product. Nothing was changed; name a backup.")
    schema.migrate(url)
    there = count_jobs(url)
    if there and not replace:
        raise StartRefused(
            f"The database {shown(url)} holds {counted(there, 'job')}. Restore into an empty one, or add --replace to "
            "remove them first."
        )
    copy = path.with_name(f"{path.name}.{time.time_ns()}.restoring")
    try:
        make_file(copy)
        shutil.copyfile(path, copy)
        schema.migrate(_url(copy))
        if there:
            empty(url)
        transfer(_url(copy), url)
    finally:
        _remove(copy)
    return count_jobs(_url(path))


def _copy(url: str, target: Path) -> None:
    try:
        copy_file(Path(url.removeprefix(engines.SQLITE)), target)
    except sqlite3.Error as exc:
        raise StartRefused(f"The database {shown(url)} cannot be copied: {exc}. Fix that, then run it again.") from exc


def _put_in_one_file(file: Path) -> None:
    """Nothing of the database is left in the files that SQLite keeps beside it."""
    engine = engines.connect(_url(file), Use.WRITE)
    with engine.connect() as db:
        db.exec_driver_sql("COMMIT")  # no transaction may be open for this
        db.exec_driver_sql("PRAGMA journal_mode=DELETE")
    engine.dispose()


def _remove(file: Path) -> None:
    """A SQLite file and what SQLite keeps beside it, if they are there."""
    for suffix in ("", "-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)


def _url(file: Path) -> str:
    return f"{engines.SQLITE}{file.absolute()}"
