"""The kinds that workers have registered, in SQL: what can be submitted, though the app has no code of it.

A worker that starts brings its kinds. Of two workers that bring one kind in different versions the later counts. A kind
stays when its workers leave, so that its jobs can be submitted, and wait; a person may remove one that nobody has
brought for ``REMOVABLE_AFTER``.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection, Select, delete, insert, select, update

from runlane.audit import acting, note
from runlane.clock import utc_now
from runlane.db.database import Database
from runlane.db.tables import KindTable
from runlane.errors import KindInUse, KindNotFound
from runlane.kinds.validation import refusal
from runlane.model.kind import Kind
from runlane.model.limits import KindLimit, Rate

kind_table = KindTable.__table__  # type: ignore[attr-defined]

REMOVABLE_AFTER = timedelta(days=30)
# Names in one statement; far below SQLite's limit on variables.
BATCH = 500

log = logging.getLogger(__name__)

_kind: TypeAdapter[Kind] = TypeAdapter(Kind)


@dataclass(frozen=True)
class Standing:
    """How a kind is registered. ``digest``: which version, as of ``Kind.digest``.

    ``schema_version`` counts how often the schema of its parameters was another one. ``registered_at`` is when a
    worker first brought it; ``brought_by`` brought it last.
    """

    digest: str
    schema_version: int
    registered_at: datetime
    last_brought_at: datetime
    brought_by: str


@dataclass(frozen=True)
class RegisteredKind:
    """A kind, and how it is registered."""

    kind: Kind
    standing: Standing


_STANDING = [kind_table.c[name] for name in Standing.__dataclass_fields__]
_ALL = select(kind_table.c.name, kind_table.c.definition, *_STANDING)
_LIMITS = [kind_table.c[name] for name in ("max_running", "rate_count", "rate_s")]


class KindStore:
    """The kinds in one database. Every method raises ``Unavailable`` when that does not answer."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def all(self) -> list[RegisteredKind]:
        """Every kind, by name."""
        return await self._db.read(lambda db: _registered(db, _ALL.order_by(kind_table.c.name)))

    async def find(self, names: Sequence[str]) -> list[RegisteredKind]:
        """Those of the kinds that are registered."""

        def work(db: Connection) -> list[RegisteredKind]:
            parts = [kind_table.c.name.in_(names[begin : begin + BATCH]) for begin in range(0, len(names), BATCH)]
            return [each for part in parts for each in _registered(db, _ALL.where(part))]

        return await self._db.read(work) if names else []

    async def standings(self) -> dict[str, Standing]:
        """How each kind is registered, by its name."""
        rows = await self._db.read(lambda db: db.execute(select(kind_table.c.name, *_STANDING)).all())
        return {name: Standing(*standing) for name, *standing in rows}

    async def limits(self) -> dict[str, KindLimit]:
        """The limits that each kind itself defines, by its name."""
        rows = await self._db.read(lambda db: db.execute(select(kind_table.c.name, *_LIMITS)).all())
        return {
            name: KindLimit(max_running, None if count is None else Rate(count, rate_s))
            for name, max_running, count, rate_s in rows
        }

    async def register(self, kinds: Sequence[Kind], worker: str) -> dict[str, str]:
        """Register what a worker brings, all in one transaction; why, in a sentence, for each kind that is refused.

        From now on these versions count, whoever registered others before.
        """
        refused = {kind.name: why for kind in kinds if (why := refusal(kind))}
        accepted = {kind.name: kind for kind in kinds if kind.name not in refused}
        if accepted:
            await self._db.write(lambda db: _register(db, accepted, worker), alone=True)
        return refused

    async def brought(self, names: Iterable[str], worker: str) -> None:
        """Record that a worker still has these kinds; called daily."""
        chosen = list(names)

        def work(db: Connection) -> None:
            for begin in range(0, len(chosen), BATCH):
                of_worker = kind_table.c.name.in_(chosen[begin : begin + BATCH])
                db.execute(update(kind_table).where(of_worker).values(last_brought_at=utc_now(), brought_by=worker))

        await self._db.write(work, alone=True)

    async def remove(self, name: str) -> None:
        """Remove a kind that no worker has brought for ``REMOVABLE_AFTER``; its jobs stay. Written to the audit.

        Raises:
            KindNotFound: there is no such kind.
            KindInUse: a worker has brought it since.
        """
        who = acting()

        def work(db: Connection) -> None:
            row = db.execute(select(*_STANDING).where(kind_table.c.name == name)).first()
            if row is None:
                raise KindNotFound(name)
            standing = Standing(*row)
            if utc_now() - standing.last_brought_at < REMOVABLE_AFTER:
                raise KindInUse(
                    f"The kind {name!r} was last brought by the worker {standing.brought_by} on "
                    f"{standing.last_brought_at:%Y-%m-%d}. Stop the workers that have it; it can be removed when none "
                    f"has brought it for {REMOVABLE_AFTER.days} days."
                )
            db.execute(delete(kind_table).where(kind_table.c.name == name))
            note(db, who, "remove", "kind", [name], before={"last_brought_at": standing.last_brought_at.isoformat()})

        await self._db.write(work, alone=True)


def _register(db: Connection, kinds: Mapping[str, Kind], worker: str) -> None:
    now = utc_now()
    known = {}
    for name, definition, version in db.execute(
        select(kind_table.c.name, kind_table.c.definition, kind_table.c.schema_version)
    ):
        if name in kinds:
            known[name] = (definition["params_schema"], version)
    new: list[dict[str, Any]] = []
    for name, kind in kinds.items():
        values = {
            "definition": asdict(kind),
            "max_running": kind.max_running,
            "rate_count": kind.rate and kind.rate.count,
            "rate_s": kind.rate and kind.rate.seconds,
            "digest": kind.digest,
            "last_brought_at": now,
            "brought_by": worker,
        }
        if name not in known:
            new.append({"name": name, "schema_version": 1, "registered_at": now, **values})
            continue
        schema, version = known[name]
        values["schema_version"] = version + (schema != kind.params_schema)
        db.execute(update(kind_table).where(kind_table.c.name == name).values(values))
    if new:
        db.execute(insert(kind_table), new)


def _registered(db: Connection, query: Select[Any]) -> list[RegisteredKind]:
    """The kinds in these rows; one that this version cannot read keeps no other from being read."""
    found = []
    for name, definition, *standing in db.execute(query):
        try:
            found.append(RegisteredKind(_kind.validate_python(definition), Standing(*standing)))
        except ValidationError as exc:
            log.error("The kind %r is left out, since its definition cannot be read: %s", name, exc)
    return found
