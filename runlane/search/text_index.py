"""Which jobs may contain a word: an index of trigrams on PostgreSQL, updated outside of the workers' transactions.

Triggers of the database add an entry for each job whose words changed, in the transaction that changed them;
``TextIndex.catch_up`` takes those entries and writes the words of the jobs again, for the extension pg_trgm to index.
A job that has an entry, runs, or is too long to be indexed whole is unsure: it may contain any word. So a search that
reads only the jobs the index finds and the unsure ones misses nothing, however far behind the index is.

Only rare words are looked up: the newest jobs with a common one are found faster by reading the newest jobs. Where
there is no index, on SQLite and where the extension is missing, every word is searched by reading. ``docs/decisions``
explains why SQLite's own index of trigrams is not used.
"""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    Select,
    Text,
    Uuid,
    cast,
    column,
    delete,
    func,
    insert,
    not_,
    select,
    table,
    text,
)

from runlane.core.transitions import job_table
from runlane.db.database import Database
from runlane.model.status import DELETED, JobStatus

_ENTRIES = table("text_entry", column("id", BigInteger), column("job_id", Uuid))
_INDEXED = table("job_text", column("job_id", Uuid), column("words", Text), column("whole", Boolean))
_HAS_INDEX = text("SELECT to_regclass('ix_job_text_words')")

# Entries per transaction.
BATCH = 500
# Characters of a job that are indexed; one that has more is read in each search.
MAX_TEXT_LENGTH = 20_000
# A word in more jobs than this is searched without the index.
RARE = 2000
# The shortest word that an index of trigrams can find.
MIN_LENGTH = 3

_COLUMNS = ("kind", "title", "message", "params", "error", "result", "worker")


class TextIndex:
    """The index of one database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def catch_up(self) -> int:
        """Index the jobs that have entries; how many entries there were, 0 where there is no index."""
        indexed = 0
        while await self._db.read(_is_behind):
            indexed += await self._db.write(_catch_up, alone=True)
        return indexed


def candidates(db: Connection, terms: Sequence[Sequence[str]]) -> set[UUID] | None:
    """Jobs among which are all that contain, for each term, one of its words; ``None`` if the index cannot tell."""
    if not terms or not _has_index(db):
        return None
    found: set[UUID] | None = None
    for words in terms:
        holding = _union(_holding(db, word) for word in words)
        if holding is not None:
            found = holding if found is None else found & holding
    unsure = None if found is None else _unsure(db)
    return None if found is None or unsure is None else found | unsure


def few(db: Connection, query: Select[Any]) -> set[UUID] | None:
    """The ids that a query gives; ``None`` if they are more than ``RARE``."""
    ids = list(db.execute(query.limit(RARE + 1)).scalars())
    return set(ids) if len(ids) <= RARE else None


def _has_index(db: Connection) -> bool:
    return db.dialect.name == "postgresql" and db.execute(_HAS_INDEX).scalar() is not None


def _holding(db: Connection, word: str) -> set[UUID] | None:
    """The jobs whose indexed text contains this word; ``None`` if they are many."""
    if len(word) < MIN_LENGTH:
        return None
    return few(db, select(_INDEXED.c.job_id).where(_INDEXED.c.words.icontains(word, autoescape=True)))


def _unsure(db: Connection) -> set[UUID] | None:
    """The jobs whose words are not in the index, outdated there, or not all there; ``None`` if they are many."""
    return _union(
        few(db, query)
        for query in (
            select(job_table.c.id).where(job_table.c.status == JobStatus.RUNNING),
            select(_ENTRIES.c.job_id),
            select(_INDEXED.c.job_id).where(not_(_INDEXED.c.whole)),
        )
    )


def _union(parts: Iterable[set[UUID] | None]) -> set[UUID] | None:
    """All of them together; ``None`` if one is."""
    found: set[UUID] = set()
    for part in parts:
        if part is None:
            return None
        found |= part
    return found


def _is_behind(db: Connection) -> bool:
    return _has_index(db) and db.execute(select(_ENTRIES.c.id).limit(1)).first() is not None


def _catch_up(db: Connection) -> int:
    """Index the jobs of the oldest entries; how many entries."""
    oldest = select(_ENTRIES.c.id).order_by(_ENTRIES.c.id).limit(BATCH)
    entries = list(db.execute(delete(_ENTRIES).where(_ENTRIES.c.id.in_(oldest)).returning(_ENTRIES.c.job_id)).scalars())
    ids = set(entries)
    db.execute(delete(_INDEXED).where(_INDEXED.c.job_id.in_(ids)))
    if rows := [_row(job_id, "\n".join(words)) for job_id, *words in db.execute(_texts(ids))]:
        db.execute(insert(_INDEXED), rows)
    return len(entries)


def _texts(ids: set[UUID]) -> Select[Any]:
    """Those of the jobs that still exist, and their words; running ones, too, since they may run for long."""
    words = (func.coalesce(cast(job_table.c[name], Text), "") for name in _COLUMNS)
    hexadecimal = func.replace(cast(job_table.c.id, Text), "-", "")
    return select(job_table.c.id, hexadecimal, *words).where(job_table.c.id.in_(ids), job_table.c.status != DELETED)


def _row(job_id: UUID, words: str) -> dict[str, object]:
    return {"job_id": job_id, "words": words[:MAX_TEXT_LENGTH], "whole": len(words) <= MAX_TEXT_LENGTH}
