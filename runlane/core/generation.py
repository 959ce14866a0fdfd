"""The generation of Redis: what was claimed before Redis was emptied must not start after.

An emptied Redis is rebuilt from SQL, and SQL has a claim only once its start is written. So every rebuild begins a new
generation, whose number is committed before the running jobs are read. Claims carry the number, and a start with an
earlier one changes nothing. The table is still called ``filling``, the name it was created with.
"""

from sqlalchemy import Connection, ScalarSelect, func, insert, select, update

from runlane.db import engines
from runlane.db.tables import GenerationTable

_table = GenerationTable.__table__  # type: ignore[attr-defined]
_ID = 1


def newest() -> ScalarSelect[int]:
    """The number of the newest generation; 0 before the first."""
    return select(func.coalesce(func.max(_table.c.number), 0)).scalar_subquery()


def join(db: Connection) -> None:
    """Called before starts are written, in their transaction: a new generation waits until that ends."""
    engines.take_turn(db, engines.GENERATION, shared=True)


def begin(db: Connection) -> int:
    """Begin a generation, in a transaction of its own; its number.

    Waits for starts that are being written, so that a later read of the running jobs finds all of them.
    """
    engines.take_turn(db, engines.GENERATION)
    number: int = db.execute(select(newest())).scalar_one() + 1
    if number == 1:
        db.execute(insert(_table).values(id=_ID, number=number))
    else:
        db.execute(update(_table).values(number=number))
    return number
