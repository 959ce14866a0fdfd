"""The state of the system, sampled once a minute, for sparklines and for how fast the database grows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, delete, extract, func, insert, select, text
from sqlalchemy.exc import IntegrityError

from runlane.db.database import Database
from runlane.db.tables import SampleTable
from runlane.model.status import JobStatus

sample_table = SampleTable.__table__  # type: ignore[attr-defined]

# Of older samples, one an hour is kept.
MINUTES_KEPT = timedelta(days=2)
HOURS_KEPT = timedelta(days=400)
GROWTH_OVER = timedelta(days=7)
# Over less than this, growth means nothing.
MIN_GROWTH = timedelta(hours=1)


@dataclass(frozen=True)
class Sample:
    """The system at ``at``. ``workers``: how many took jobs, ``None`` if Redis did not answer. ``bytes``: on disk."""

    at: datetime
    scheduled: int
    queued: int
    running: int
    completed: int
    failed: int
    cancelled: int
    workers: int | None
    oldest_queued_s: float | None
    bytes: int


@dataclass(frozen=True)
class Growth:
    """How large the database is, how much it grows in a day, and how much room its disk has; ``None``: unknown."""

    bytes: int
    bytes_per_day: float | None
    free_bytes: int | None

    @property
    def days_left(self) -> float | None:
        """In how many days the disk is full at this rate; ``None`` if unknown, or never."""
        if self.free_bytes is None or self.bytes_per_day is None or self.bytes_per_day <= 0:
            return None
        return self.free_bytes / self.bytes_per_day


class Samples:
    """The samples in one database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def take(
        self, now: datetime, counts: Mapping[JobStatus, int], workers: int | None, oldest_queued_at: datetime | None
    ) -> bool:
        """Store the state as this minute's sample, unless there is one, and drop old ones; whether it was stored."""
        waited_s = None if oldest_queued_at is None else max(0.0, (now - oldest_queued_at).total_seconds())
        row: dict[str, Any] = {
            "at": now.replace(second=0, microsecond=0),
            **{status.value: counts[status] for status in JobStatus},
            "workers": workers,
            "oldest_queued_s": waited_s,
            "bytes": await self.size(),
        }
        at = sample_table.c.at
        is_between = extract("minute", at) != 0
        old = (at < now - HOURS_KEPT) | ((at < now - MINUTES_KEPT) & is_between)

        def work(db: Connection) -> None:
            db.execute(insert(sample_table).values(row))
            db.execute(delete(sample_table).where(old))

        try:
            await self._db.write(work)
        except IntegrityError:  # another server took it
            return False
        return True

    async def since(self, begin: datetime) -> list[Sample]:
        """The samples from ``begin`` on, oldest first."""
        query = select(sample_table).where(sample_table.c.at >= begin).order_by(sample_table.c.at)
        rows = await self._db.read(lambda db: db.execute(query).mappings().all())
        return [Sample(**row) for row in rows]

    async def size(self) -> int:
        """How many bytes the database takes on disk."""
        return await self._db.read(_size)

    async def growth(self, now: datetime) -> Growth:
        """How the database has grown in the last days."""
        query = select(sample_table.c.at, sample_table.c.bytes).where(sample_table.c.at >= now - GROWTH_OVER)
        first = await self._db.read(lambda db: db.execute(query.order_by(sample_table.c.at).limit(1)).first())
        size = await self.size()
        rate = None
        if first is not None and now - first.at >= MIN_GROWTH:
            rate = (size - first.bytes) / ((now - first.at) / timedelta(days=1))
        return Growth(size, rate, await self._db.read(_free))


def _size(db: Connection) -> int:
    if db.dialect.name == "postgresql":
        return int(db.execute(select(func.pg_database_size(func.current_database()))).scalar_one())
    return sum(path.stat().st_size for path in _files(db) if path.exists())


def _free(db: Connection) -> int | None:
    """The space left on the disk of the database's file; ``None`` if that is on another machine."""
    if db.dialect.name == "postgresql":
        return None
    import shutil

    return shutil.disk_usage(_files(db)[0].parent).free


def _files(db: Connection) -> list[Path]:
    name = Path(db.execute(text("PRAGMA database_list")).all()[0][2])
    return [name, name.with_name(name.name + "-wal")]
