"""Who did what to which job or setting, and its state before: rows written in the transaction of the change itself.

Code that acts for a person does so inside ``acting_as``; outside of it, the system acts. A change reads the name while
it is prepared, since its transaction runs in a thread of its own.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic_core import to_jsonable_python
from sqlalchemy import Connection, Text, cast, insert, or_, select
from uuid_utils.compat import uuid7

from runlane.addresses import shown
from runlane.clock import utc_now
from runlane.db.database import Database
from runlane.db.tables import AuditTable
from runlane.errors import Conflict

audit_table = AuditTable.__table__  # type: ignore[attr-defined]

# The name of the system, when it acts by itself.
SYSTEM = ""
PAGE = 100

_who: ContextVar[str] = ContextVar("who", default=SYSTEM)


@dataclass(frozen=True)
class Action:
    """One action. ``target``: what sort of thing it was done to, ``name``: which one."""

    id: UUID
    at: datetime
    who: str
    action: str
    target: str
    name: str
    before: Any
    after: Any


def acting() -> str:
    """Who acts here and now; ``SYSTEM`` if no person does."""
    return _who.get()


def act_as(who: str) -> None:
    """From here on, in this task, ``who`` acts."""
    _who.set(who)


@contextlib.contextmanager
def acting_as(who: str) -> Iterator[None]:
    """Inside of this block, ``who`` acts."""
    token = _who.set(who)
    try:
        yield
    finally:
        _who.reset(token)


def note(
    db: Connection, who: str, action: str, target: str, names: Sequence[str], before: Any = None, after: Any = None
) -> None:
    """Write to the audit, in the caller's transaction, what was done to each of ``names``."""
    if names:
        now = utc_now()
        values = {"at": now, "who": who, "action": action, "target": target, "before": before, "after": after}
        db.execute(insert(audit_table), [{"id": uuid7(), "name": name, **values} for name in names])


class AuditLog:
    """The actions in one database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def note(self, action: str, target: str, name: str, before: Any = None, after: Any = None) -> None:
        """Write to the audit what was done to something that is not in SQL."""
        who = acting()
        await self._db.write(lambda db: note(db, who, action, target, [name], before, after))

    async def page(self, *, text: str = "", before: UUID | None = None, limit: int = PAGE) -> list[Action]:
        """The newest actions (before ``before``, if given) that contain ``text`` anywhere."""
        query = select(audit_table).order_by(audit_table.c.id.desc()).limit(limit)
        if before is not None:
            query = query.where(audit_table.c.id < before)
        if text:
            columns = [audit_table.c[name] for name in ("who", "action", "target", "name", "before", "after")]
            query = query.where(or_(*(cast(column, Text).icontains(text, autoescape=True) for column in columns)))
        rows = await self._db.read(lambda db: db.execute(query).mappings().all())
        return [Action(**{**row, "before": _shown(row["before"]), "after": _shown(row["after"])}) for row in rows]


def _shown(value: Any) -> Any:
    """The state before or after an action, without the keys in the addresses of webhooks."""
    if isinstance(value, dict) and isinstance(value.get("webhook_url"), str):
        return {**value, "webhook_url": shown(value["webhook_url"])}
    return value


def check_version(what: str, expected: int | None, version: int, current: Mapping[str, Any]) -> None:
    """Check that ``what`` is still at the ``expected`` version, if one is given.

    Raises:
        Conflict: it is at another one; the message has its ``current`` values.
    """
    if expected is not None and expected != version:
        values = ", ".join(f"{name} {value}" for name, value in current.items() if value not in (None, ""))
        raise Conflict(f"Somebody else has just changed {what}: now it is {values}. Check it, then try again.")


def changed(before: dict[str, Any], after: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Only what differs, on both sides, as plain JSON."""
    names = [name for name in after if before.get(name) != after[name]]
    old, new = (to_jsonable_python({name: side.get(name) for name in names}) for side in (before, after))
    return old, new
