"""What people have set while the system runs, in SQL: for the whole queue, and for the jobs of one kind."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, insert, select, update

from runlane.audit import acting, changed, check_version, note
from runlane.clock import utc_now
from runlane.db.database import Database
from runlane.db.tables import KindSettingTable, QueueSettingTable

queue_table = QueueSettingTable.__table__  # type: ignore[attr-defined]
kind_table = KindSettingTable.__table__  # type: ignore[attr-defined]
QUEUE_ID = 1


@dataclass(frozen=True)
class QueueSetting:
    """The setting of the whole queue; ``concurrency`` of ``None``: the environment's. ``version``: 0 if unset."""

    paused: bool = False
    concurrency: int | None = None
    version: int = 0


@dataclass(frozen=True)
class KindSetting:
    """The setting of one kind's jobs; ``None``: the kind's own default. At most ``rate_count`` in ``rate_s``."""

    paused: bool = False
    max_running: int | None = None
    rate_count: int | None = None
    rate_s: float | None = None
    version: int = 0


class SettingsStore:
    """Settings in one database. A change that names a version is refused when that is no longer the current one."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def queue(self) -> QueueSetting:
        return await self._db.read(_queue)

    async def change_queue(self, changes: Mapping[str, Any], version: int | None = None) -> QueueSetting:
        """Set what is named; the setting as it is now.

        Raises:
            Conflict: it is not at ``version`` any more.
        """
        who = acting()

        def work(db: Connection) -> QueueSetting:
            old = _queue(db)
            check_version("the queue", version, old.version, _named(old))
            if _named(old) == {**_named(old), **changes}:
                return old
            values = {**_named(old), **changes, "version": old.version + 1, "updated_at": utc_now()}
            if old.version:
                db.execute(update(queue_table).values(values))
            else:
                db.execute(insert(queue_table).values(id=QUEUE_ID, **values))
            new = _queue(db)
            _write_audit(db, who, "queue", "queue", old, new)
            return new

        return await self._db.write(work, alone=True)

    async def kinds(self) -> dict[str, KindSetting]:
        """By kind; those without a setting are left out."""
        return await self._db.read(_kinds)

    async def change_kind(self, kind: str, changes: Mapping[str, Any], version: int | None = None) -> KindSetting:
        """Set what is named for the jobs of ``kind``; the setting as it is now. Raises as ``change_queue``."""
        who = acting()

        def work(db: Connection) -> KindSetting:
            old = _kinds(db).get(kind, KindSetting())
            check_version(f"the kind {kind}", version, old.version, _named(old))
            if _named(old) == {**_named(old), **changes}:
                return old
            values = {**_named(old), **changes, "version": old.version + 1, "updated_at": utc_now()}
            if old.version:
                db.execute(update(kind_table).where(kind_table.c.kind == kind).values(values))
            else:
                db.execute(insert(kind_table).values(kind=kind, **values))
            new = _kinds(db)[kind]
            _write_audit(db, who, "kind", kind, old, new)
            return new

        return await self._db.write(work, alone=True)


def _queue(db: Connection) -> QueueSetting:
    row = db.execute(select(queue_table)).mappings().first()
    return QueueSetting() if row is None else QueueSetting(row["paused"], row["concurrency"], row["version"])


def _kinds(db: Connection) -> dict[str, KindSetting]:
    columns = [kind_table.c[name] for name in KindSetting.__dataclass_fields__]
    return {kind: KindSetting(*row) for kind, *row in db.execute(select(kind_table.c.kind, *columns))}


def _write_audit(
    db: Connection, who: str, target: str, name: str, old: QueueSetting | KindSetting, new: QueueSetting | KindSetting
) -> None:
    before, after = changed(_named(old), _named(new))
    if after:
        note(db, who, "change", target, [name], before, after)


def _named(setting: QueueSetting | KindSetting) -> dict[str, Any]:
    return {name: value for name, value in asdict(setting).items() if name != "version"}
