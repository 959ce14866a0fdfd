"""Which filling of Redis a claim is from: what was claimed before Redis was emptied must not start after.

An emptied Redis is filled from SQL, and SQL knows of a claim only once its start is written. So every filling has a
number; it is written before it is read what runs, claims carry it, and a start with an earlier one changes nothing.
"""

from sqlalchemy import Connection, ScalarSelect, func, insert, select, update

from runlane.db import engines
from runlane.db.tables import FillingRow

_table = FillingRow.__table__  # type: ignore[attr-defined]
_ID = 1


def newest() -> ScalarSelect[int]:
    """The number of the newest filling; 0 before the first."""
    return select(func.coalesce(func.max(_table.c.number), 0)).scalar_subquery()


def join(db: Connection) -> None:
    """Before starts are written, in their transaction: a filling that begins meanwhile waits for its end."""
    engines.take_turn(db, engines.FILLING, shared=True)


def begin(db: Connection) -> int:
    """Begin a filling, in a transaction of its own; its number.

    Starts that are being written are waited for, so that who reads what runs after this knows of all that will.
    """
    engines.take_turn(db, engines.FILLING)
    number: int = db.execute(select(newest())).scalar_one() + 1
    if number == 1:
        db.execute(insert(_table).values(id=_ID, number=number))
    else:
        db.execute(update(_table).values(number=number))
    return number
