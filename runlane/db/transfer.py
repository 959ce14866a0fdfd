"""All rows of one database brought into another, of either kind: to move to PostgreSQL, or to restore a backup.

Both sides are walked in the order of their keys, some rows at a time: what the target lacks is inserted, what differs
is changed, what the source lacks is removed. So it may be cut off at any row and run again. Then both are walked once
more and every row is compared.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Engine, String, Table, delete, insert, literal, select, text, tuple_, update
from sqlalchemy.exc import DBAPIError

from runlane.addresses import shown
from runlane.db import engines, schema
from runlane.db.engines import Use
from runlane.db.tables import JobTable
from runlane.errors import StartRefused

# Rows a transaction; of artifacts fewer, since they may be large.
BATCH, BATCH_OF_FILES = 1000, 20
KEPT_BY_TRIGGERS = "job_count"

_NEXT_NUMBER = text(
    "SELECT setval(pg_get_serial_sequence('stat_entry', 'id'), max(id)) FROM stat_entry HAVING max(id) > 0"
)
Key = tuple[Any, ...]
Rows = dict[Key, dict[str, Any]]


@dataclass
class Moved:
    """What was done about one table. ``rows``: how many the source has, each of them found alike in the target."""

    table: str
    rows: int = 0
    inserted: int = 0
    changed: int = 0
    removed: int = 0


def tables() -> list[Table]:
    """Every table with rows of its own, those that others refer to first."""
    return [table for table in JobTable.metadata.sorted_tables if table.name != KEPT_BY_TRIGGERS]


def transfer(source_url: str, target_url: str, report: Callable[[Moved], None] = lambda moved: None) -> list[Moved]:
    """Make the target hold exactly what the source holds; ``report`` is called after each table.

    Nothing else should write to either until it is done. May be run again after it was cut off.

    Raises:
        StartRefused: one of them cannot be used or fails half way, the target holds jobs of another history, or rows
            differ at the end.
    """
    check_current(source_url)
    schema.migrate(target_url)
    source, target = engines.connect(source_url, Use.READ), engines.connect(target_url, Use.WRITE)
    try:
        with source.begin() as from_db:
            _refuse_other_history(from_db, target)
            found = [_bring(table, from_db, target, report) for table in tables()]
            for moved, table in zip(found, tables(), strict=True):
                moved.rows = _compare(table, from_db, target)
        return found
    except DBAPIError as exc:
        raise StartRefused(
            f"A database failed half way: {engines.one_line(exc.orig or exc)}. Fix it. Run it again; what is there "
            "already is kept."
        ) from exc
    finally:
        source.dispose()
        target.dispose()


def check_current(url: str) -> None:
    """Nothing, when the database has the tables of this version.

    Raises:
        StartRefused: it has not, or does not answer.
    """
    if not schema.is_current(url):
        raise StartRefused(
            f"The database {shown(url)} lacks the tables of this version, or does not answer. "
            "Run python -m runlane migrate for it first."
        )


def empty(url: str) -> None:
    """Remove every row."""
    engine = engines.connect(url, Use.WRITE)
    try:
        with engine.begin() as db:
            for table in reversed(tables()):
                db.execute(delete(table))
    finally:
        engine.dispose()


def count_jobs(url: str) -> int:
    """How many jobs a database holds."""
    engine = engines.connect(url, Use.READ)
    try:
        with engine.begin() as db:
            return int(db.execute(text("SELECT count(*) FROM job")).scalar_one())
    finally:
        engine.dispose()


def _refuse_other_history(from_db: Connection, target: Engine) -> None:
    """A target with jobs that the source lacks belongs to another history."""
    jobs = JobTable.__table__  # type: ignore[attr-defined]
    with target.begin() as to_db:
        last: Any = None
        while True:
            query = select(jobs.c.id).order_by(jobs.c.id).limit(BATCH)
            ids = list(to_db.execute(query if last is None else query.where(jobs.c.id > last)).scalars())
            if not ids:
                return
            known = set(from_db.execute(select(jobs.c.id).where(jobs.c.id.in_(ids))).scalars())
            if unknown := [str(job_id) for job_id in ids if job_id not in known]:
                raise StartRefused(
                    f"The target holds jobs that the source lacks, such as {unknown[0]}. It belongs to another "
                    "history; name an empty database."
                )
            last = ids[-1]


def _bring(table: Table, from_db: Connection, target: Engine, report: Callable[[Moved], None]) -> Moved:
    moved = Moved(table.name)
    for expected, begin, end in _batches(table, from_db):
        with target.begin() as to_db:
            there = _between(table, to_db, begin, end)
            missing = [row for key, row in expected.items() if key not in there]
            if missing:
                to_db.execute(insert(table), missing)
            for key, row in expected.items():
                if key in there and there[key] != row:
                    to_db.execute(update(table).where(_is(table, key)).values(row))
                    moved.changed += 1
            for key in there.keys() - expected.keys():
                to_db.execute(delete(table).where(_is(table, key)))
                moved.removed += 1
            moved.inserted += len(missing)
            moved.rows += len(expected)
    with target.begin() as to_db:
        if to_db.dialect.name == "postgresql" and table.name == "stat_entry":
            to_db.execute(_NEXT_NUMBER)
    report(moved)
    return moved


def _compare(table: Table, from_db: Connection, target: Engine) -> int:
    """How many rows there are, when they are the same on both sides."""
    rows = 0
    for expected, begin, end in _batches(table, from_db):
        with target.begin() as to_db:
            there = _between(table, to_db, begin, end)
        if expected != there:
            key = next(key for key in expected.keys() | there.keys() if expected.get(key) != there.get(key))
            raise StartRefused(f"A row of {table.name} differs, with the key {key}. Stop what writes to it; run again.")
        rows += len(expected)
    return rows


def _batches(table: Table, db: Connection) -> Iterator[tuple[Rows, Key | None, Key | None]]:
    """The rows of a table in the order of their keys, in parts that reach from one key (left out) to another.

    ``None``: from the first, or to the last. An empty table is one empty part.
    """
    size = BATCH_OF_FILES if table.name == "artifact" else BATCH
    begin: Key | None = None
    while True:
        rows = _between(table, db, begin, None, size)
        end = list(rows)[-1] if len(rows) == size else None
        yield rows, begin, end
        if end is None:
            return
        begin = end


def _between(table: Table, db: Connection, begin: Key | None, end: Key | None, limit: int | None = None) -> Rows:
    columns = _key(table)
    ordered = [_sorted_alike(column, db) for column in columns]
    query = select(table).order_by(*ordered)
    if begin is not None:
        query = query.where(tuple_(*ordered) > _literal(columns, begin))
    if end is not None:
        query = query.where(tuple_(*ordered) <= _literal(columns, end))
    rows = db.execute(query if limit is None else query.limit(limit)).mappings()
    return {tuple(row[column.name] for column in columns): dict(row) for row in rows}


def _key(table: Table) -> Sequence[Column[Any]]:
    return list(table.primary_key.columns)


def _sorted_alike(column: Column[Any], db: Connection) -> Any:
    """Texts sort by their bytes on both kinds of database, whatever the language of the server is."""
    if isinstance(column.type, String) and db.dialect.name == "postgresql":
        return column.collate("C")
    return column


def _literal(columns: Sequence[Column[Any]], key: Key) -> Any:
    return tuple_(*(literal(value, column.type) for value, column in zip(key, columns, strict=True)))


def _is(table: Table, key: Key) -> Any:
    return tuple_(*_key(table)) == _literal(_key(table), key)
