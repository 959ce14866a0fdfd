"""How many jobs of each kind are in each status: kept by triggers in the transaction of each change, never counted."""

from collections import defaultdict

from sqlalchemy import Connection, func, select, text

from runlane.db.database import Database
from runlane.db.tables import JobCountTable
from runlane.model.status import JobStatus

count_table = JobCountTable.__table__  # type: ignore[attr-defined]

_SUMS = select(count_table.c.status, func.sum(count_table.c.count)).group_by(count_table.c.status)
_SUMS_BY_KIND = _SUMS.add_columns(count_table.c.kind).group_by(count_table.c.kind)
_FOLD = text(
    """
    WITH ended AS (
        DELETE FROM job_count WHERE slot <> 0 AND slot NOT IN (SELECT pid FROM pg_stat_activity)
        RETURNING kind, status, count
    )
    INSERT INTO job_count (kind, status, slot, count)
    SELECT kind, status, 0, sum(count) FROM ended GROUP BY kind, status
    ON CONFLICT (kind, status, slot) DO UPDATE SET count = job_count.count + excluded.count
    """
)


class Counts:
    """The counts in one database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def all(self) -> dict[JobStatus, int]:
        """How many jobs there are in each status; every status is a key."""
        rows = await self._db.read(lambda db: db.execute(_SUMS).all())
        return {status: 0 for status in JobStatus} | {JobStatus(status): int(number) for status, number in rows}

    async def by_kind(self) -> dict[str, dict[JobStatus, int]]:
        """The same for each kind that has ever had a job."""
        rows = await self._db.read(lambda db: db.execute(_SUMS_BY_KIND).all())
        found: dict[str, dict[JobStatus, int]] = defaultdict(lambda: dict.fromkeys(JobStatus, 0))
        for status, number, kind in rows:
            found[kind][JobStatus(status)] = int(number)
        return dict(sorted(found.items()))

    async def fold(self) -> None:
        """Merge the counts of PostgreSQL connections that have ended; SQLite has nothing to fold."""
        await self._db.write(_fold)


def _fold(db: Connection) -> None:
    if db.dialect.name == "postgresql":
        db.execute(_FOLD)
