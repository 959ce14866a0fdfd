"""Maintenance of the database: its size, its indexes, a check whether it is sound, compacting it, downloading a backup.

Only SQLite is maintained from here. PostgreSQL has tools of its own for that, which the error names.
"""

import asyncio
import contextlib
import os
import re
import sqlite3
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from sqlalchemy import Connection, Select, func, select, text

from runlane.audit import AuditLog
from runlane.clock import utc_now
from runlane.core.transitions import event_table, job_table
from runlane.db.backup import BUSY_TIMEOUT_S, copy_file
from runlane.db.database import Database
from runlane.errors import NotHere, Unavailable
from runlane.model.status import JobStatus
from runlane.private_files import make_folder
from runlane.search.matching import JobFilter, matches, unusual
from runlane.search.query import parse

MAX_FAULTS = 20
CHUNK_BYTES = 1 << 20
SHARED_FOR_S = 60.0


def _unusual(text: str) -> Select[Any]:
    [term] = parse(text).terms
    query = unusual(term)
    assert query is not None
    return query


_NEWEST = (job_table.c.created_at.desc(), job_table.c.id.desc())
_FAILED, _OF_KIND = JobFilter(statuses=(JobStatus.FAILED,)), JobFilter(kinds=("noop",))
# What pages ask for all the time; each has to be answered from an index.
QUESTIONS: dict[str, Callable[[Connection], Select[Any]]] = {
    "the newest jobs": lambda db: select(job_table.c.id).order_by(*_NEWEST),
    "the newest failed jobs": lambda db: select(job_table.c.id).where(matches(db, _FAILED)).order_by(*_NEWEST),
    "the newest jobs of a kind": lambda db: select(job_table.c.id).where(matches(db, _OF_KIND)).order_by(*_NEWEST),
    "jobs by priority": lambda db: select(job_table.c.id).order_by(job_table.c.priority.desc(), job_table.c.id.desc()),
    "jobs that were tried often": lambda _: _unusual("attempt:>50"),
    "jobs that took long": lambda _: _unusual("slow:>10h"),
    "jobs that ended lately": lambda db: select(job_table.c.id).where(job_table.c.finished_at > utc_now()),
    "a job's timeline": lambda db: select(event_table.c.version).where(event_table.c.job_id == UUID(int=0)),
}


@dataclass(frozen=True)
class IndexUse:
    """A question that pages ask, and the index that answers it; empty: it reads the whole table, which is wrong."""

    question: str
    index: str


@dataclass(frozen=True)
class DatabaseInfo:
    """``free_bytes``: in pages that hold nothing and are used again. ``wal_bytes``: not yet in the file itself."""

    system: str
    version: str
    bytes: int
    wal_bytes: int
    free_bytes: int
    indexes: list[IndexUse]


@dataclass(frozen=True)
class Check:
    """``faults``: what is wrong, in the database's own words; none when it is sound."""

    faults: list[str]
    took_s: float


@dataclass(frozen=True)
class Vacuumed:
    bytes_before: int
    bytes_after: int
    took_s: float


class Copy:
    """A copy of the database that any number of readers share; deleted when the last one has closed it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._made_at = time.monotonic()
        self.size_bytes = os.fstat(file.fileno()).st_size
        self.readers = 0

    @property
    def age_s(self) -> float:
        return time.monotonic() - self._made_at

    async def read(self) -> AsyncIterator[bytes]:
        """All of it."""
        at = 0
        while chunk := await asyncio.to_thread(os.pread, self._file.fileno(), CHUNK_BYTES, at):
            yield chunk
            at += len(chunk)

    def close(self) -> None:
        self.readers -= 1
        if not self.readers:
            self._file.close()


class Maintenance:
    """Maintenance of one database. Everything but ``info`` raises ``NotHere`` where the database is no SQLite file."""

    def __init__(self, database: Database, audit: AuditLog, url: str, folder: Path) -> None:
        self._db = database
        self._audit = audit
        self._folder = folder
        self._copy: Copy | None = None
        self._one_copy = asyncio.Lock()
        prefix = "sqlite:///"
        self._path = Path(url.removeprefix(prefix)) if url.startswith(prefix) else None

    async def info(self) -> DatabaseInfo:
        """What there is to know at a glance. Raises ``Unavailable``."""
        return await self._db.read(lambda db: _info(db, self._path))

    async def check(self) -> Check:
        """Read all of it and check whether it is sound, while workers go on. A gigabyte takes some seconds.

        Who had it checked, and what was found, is audited; ``vacuum`` too.
        """
        began = time.monotonic()
        faults = await asyncio.to_thread(_faults, self._file())
        found = Check(faults, time.monotonic() - began)
        await self._audit.note("check", "database", "database", None, {"faults": len(faults)})
        return found

    async def vacuum(self) -> Vacuumed:
        """Compact: rewrite it without free pages. Nothing can be written until then; workers wait and lose nothing."""
        path, began = self._file(), time.monotonic()
        before = path.stat().st_size
        await asyncio.to_thread(_rewriting, _execute, path, "VACUUM")
        await asyncio.to_thread(_execute, path, "PRAGMA wal_checkpoint(TRUNCATE)")
        found = Vacuumed(before, path.stat().st_size, time.monotonic() - began)
        sizes = ({"bytes": found.bytes_before}, {"bytes": found.bytes_after})
        await self._audit.note("vacuum", "database", "database", *sizes)
        return found

    async def backup(self) -> Copy:
        """A copy in which everything fits together, for one reader, who closes it. Workers go on while it is made.

        There is one at a time: a request while it is written, or soon after, gets the same.

        Raises:
            Unavailable: no copy could be made, for the disk may be full; or an older one is still being read.
        """
        path = self._file()
        async with self._one_copy:
            if self._copy is None or not self._copy.readers:
                self._copy = Copy(await self._copied(path))
            elif self._copy.age_s > SHARED_FOR_S:
                raise Unavailable(
                    f"A backup that was begun {self._copy.age_s:.0f} s ago is still being downloaded, and there is "
                    "room for one. Wait until it is done, or end that download."
                )
            self._copy.readers += 1
            return self._copy

    async def _copied(self, path: Path) -> BinaryIO:
        """A new copy, opened. It has no name in its folder any more: nothing is left of it once it is closed."""
        try:
            make_folder(self._folder)
            with tempfile.TemporaryDirectory(dir=self._folder, prefix="backup-") as folder:
                copy = Path(folder) / "runlane.db"
                await asyncio.to_thread(_rewriting, copy_file, path, copy)
                return copy.open("rb")
        except OSError as exc:
            raise Unavailable(f"No copy could be made in {self._folder}: {exc.strerror}. Nothing was changed.") from exc

    def _file(self) -> Path:
        if self._path is None:
            raise NotHere(
                "The database is a server of its own, which this page does not maintain. Its own tools do: "
                "pg_dump makes a backup, VACUUM compacts, and pg_amcheck checks."
            )
        return self._path


def _info(db: Connection, path: Path | None) -> DatabaseInfo:
    indexes = [IndexUse(question, _index(db, query(db))) for question, query in QUESTIONS.items()]
    if path is None:
        version = db.execute(text("SHOW server_version")).scalar_one()
        size = db.execute(select(func.pg_database_size(func.current_database()))).scalar_one()
        return DatabaseInfo("PostgreSQL", str(version), int(size), 0, 0, indexes)
    free, page_bytes = (db.execute(text(f"PRAGMA {name}")).scalar_one() for name in ("freelist_count", "page_size"))
    wal = path.with_name(path.name + "-wal")
    wal_bytes = wal.stat().st_size if wal.exists() else 0
    size = path.stat().st_size
    return DatabaseInfo("SQLite", sqlite3.sqlite_version, size, wal_bytes, free * page_bytes, indexes)


def _index(db: Connection, query: Any) -> str:
    """The index that the database would use; empty if it would read the whole table."""
    if db.dialect.name == "postgresql":
        db.execute(text("SET LOCAL enable_seqscan = off"))  # which a small table is read with, index or not
    sql = str(query.limit(50).compile(db, compile_kwargs={"literal_binds": True}))
    plan = " ".join(
        str(row[-1]) for row in db.execute(text(f"EXPLAIN {_PLAN[db.dialect.name]}{sql}".replace(":", r"\:")))
    )
    if found := _INDEX.search(plan):
        return found[1]
    return "primary key" if "USING PRIMARY KEY" in plan else ""


_INDEX = re.compile(
    r"(?:USING (?:COVERING )?INDEX|(?:Index|Index Only) Scan(?: Backward)? using|Bitmap Index Scan on) (\S+)"
)
_PLAN = {"sqlite": "QUERY PLAN ", "postgresql": ""}


def _faults(path: Path) -> list[str]:
    try:
        rows = _execute(path, f"PRAGMA integrity_check({MAX_FAULTS})") + _execute(path, "PRAGMA foreign_key_check")
    except sqlite3.DatabaseError as exc:  # too broken to be read to the end
        return [str(exc)]
    return [str(row[0]) for row in rows if row[0] != "ok"][:MAX_FAULTS]


def _rewriting(work: Callable[..., object], *arguments: object) -> None:
    """Do what reads all of a database in order to write it again."""
    try:
        work(*arguments)
    except sqlite3.OperationalError as exc:
        raise _refused(exc) from exc
    except sqlite3.DatabaseError as exc:
        raise Unavailable(f"The database is damaged: {exc}. Check it; nothing was changed.") from exc


def _execute(path: Path, statement: str) -> list[tuple[Any, ...]]:
    """Run a statement that no transaction may hold, on a connection of its own."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_S)) as db:
        try:
            return db.execute(statement).fetchall()
        except sqlite3.OperationalError as exc:
            raise _refused(exc) from exc


def _refused(exc: sqlite3.OperationalError) -> Unavailable:
    return Unavailable(f"The database refused: {exc}. Nothing was changed; try again.")
