"""Which jobs may hold a word: an index of trigrams on PostgreSQL, which is kept up behind the workers' backs.

Triggers of the database note each job whose words changed, in the transaction that changed them; ``TextIndex.catch_up``
takes those notes and writes the words of the jobs anew, for the extension pg_trgm to index. What is noted, what runs,
and what is too long to be indexed whole is unsure: it may hold any word. So a search that looks only at what the index
names and at what is unsure misses nothing, however far behind the index is.

Only rare words are looked up: the newest jobs with a common one are found sooner by reading the newest jobs. Where
there is no index, every word is looked for by reading: on SQLite, and where the extension is missing. Why SQLite's own
index of trigrams is not used is told in ``docs/decisions``.
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

_NOTED = table("text_entry", column("id", BigInteger), column("job_id", Uuid))
_INDEXED = table("job_text", column("job_id", Uuid), column("words", Text), column("whole", Boolean))
_HAS_INDEX = text("SELECT to_regclass('ix_job_text_words')")

# Notes a transaction.
BATCH = 500
# Characters of a job that are indexed; one that has more is looked at in each search.
MAX_TEXT_LENGTH = 20_000
# Jobs. A word that more of them hold is looked for without the index.
RARE = 2000
# Characters of a word that an index of trigrams can know.
MIN_LENGTH = 3

_WORDS = ("kind", "message", "params", "error", "result", "worker")


class TextIndex:
    """The index of one database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def catch_up(self) -> int:
        """Index what was noted since; how many notes there were. Nothing to be done where there is no index."""
        taken = 0
        while await self._db.read(_is_behind):
            taken += await self._db.write(_catch_up, alone=True)
        return taken


def candidates(db: Connection, terms: Sequence[Sequence[str]]) -> set[UUID] | None:
    """Jobs among which are all that hold, for each term, one of its words; ``None`` if it takes reading to know."""
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
    """The jobs whose indexed words have this one; ``None`` if they are many."""
    if len(word) < MIN_LENGTH:
        return None
    return few(db, select(_INDEXED.c.job_id).where(_INDEXED.c.words.icontains(word, autoescape=True)))


def _unsure(db: Connection) -> set[UUID] | None:
    """The jobs of whose words the index knows nothing, not the last, or not all; ``None`` if they are many."""
    return _union(
        few(db, query)
        for query in (
            select(job_table.c.id).where(job_table.c.status == JobStatus.RUNNING),
            select(_NOTED.c.job_id),
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
    return _has_index(db) and db.execute(select(_NOTED.c.id).limit(1)).first() is not None


def _catch_up(db: Connection) -> int:
    """Index the jobs of the oldest notes; how many notes."""
    oldest = select(_NOTED.c.id).order_by(_NOTED.c.id).limit(BATCH)
    notes = list(db.execute(delete(_NOTED).where(_NOTED.c.id.in_(oldest)).returning(_NOTED.c.job_id)).scalars())
    ids = set(notes)
    db.execute(delete(_INDEXED).where(_INDEXED.c.job_id.in_(ids)))
    if rows := [_row(job_id, "\n".join(words)) for job_id, *words in db.execute(_texts(ids))]:
        db.execute(insert(_INDEXED), rows)
    return len(notes)


def _texts(ids: set[UUID]) -> Select[Any]:
    """Those of the jobs that still exist, and their words; running ones too, in case it takes long until they end."""
    words = (func.coalesce(cast(job_table.c[name], Text), "") for name in _WORDS)
    hexadecimal = func.replace(cast(job_table.c.id, Text), "-", "")
    return select(job_table.c.id, hexadecimal, *words).where(job_table.c.id.in_(ids), job_table.c.status != DELETED)


def _row(job_id: UUID, words: str) -> dict[str, object]:
    return {"job_id": job_id, "words": words[:MAX_TEXT_LENGTH], "whole": len(words) <= MAX_TEXT_LENGTH}
