"""The fast path of what runs thousands of times a second, past checks of libraries; only ``runlane.core`` may use it.

``Prepared`` is a statement that is compiled once, and whose parameters and rows are converted as its types need.
SQLAlchemy's own way through a cached statement that returns 19 columns costs about 60 µs of Python for each execution
beside what the driver needs; this way costs about 10. Draining no-ops on SQLite, 5 and 100 at once, it gave 1,570 and
4,200 jobs a second instead of 1,250 and 3,300. ``run_each`` on PostgreSQL gave 1.21 and 1.97 times as many. Types are
converted by SQLAlchemy's own processors for the dialect at hand. The driver's errors come as the driver's own;
``runlane.db.database`` knows them.

``trusted`` makes snapshots and events of what our own statements gave, without pydantic's checks: 2,430 and 5,800 jobs
a second instead of 2,290 and 5,200 with ``model_construct``.

A third shortcut stands where the messages are, in ``runlane.queue.change_feed``: a process does not decode what it has
announced itself. With JSON that is written once for all rows of a batch it gave 1.21 times the batches over REST. All
figures are from docs/performance.md.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from pydantic import BaseModel
from sqlalchemy import Column, Connection, Dialect
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.dml import UpdateBase
from sqlmodel.sql.sqltypes import UTCDateTime

Convert = Callable[[Any], Any] | None
M = TypeVar("M", bound=BaseModel)


def trusted(model: type[M], values: dict[str, Any]) -> M:
    """An instance of values that need no checking and name every field of the model, kept as they are.

    ``model_construct`` checks for defaults and aliases first, which takes most of its time.
    """
    made = model.__new__(model)
    object.__setattr__(made, "__dict__", values)
    object.__setattr__(made, "__pydantic_fields_set__", set(values))
    object.__setattr__(made, "__pydantic_extra__", None)
    object.__setattr__(made, "__pydantic_private__", None)
    return made


class Prepared:
    """An INSERT or UPDATE, ready to run on any connection of one dialect. ``returning``: the columns it gives."""

    def __init__(self, statement: UpdateBase, returning: Sequence[Column[Any]] = ()) -> None:
        self._statement = statement.returning(*returning) if returning else statement
        self._returning = returning
        # The names of what a row holds, in its order.
        self.gives = [column.name for column in returning]
        self._dialect: Dialect | None = None

    def run(self, db: Connection, values: Mapping[str, Any]) -> list[list[Any]]:
        """The rows it gives, each with the columns of ``returning``."""
        self._compile(db.dialect)
        cursor = db.connection.cursor()
        try:
            cursor.execute(self._sql, self._bound(values, {}))
            rows = cursor.fetchall()
            give = self._give or self._learn(db.dialect, cursor.description)
        finally:
            cursor.close()
        return [_converted(row, give) for row in rows]

    def run_each(self, db: Connection, values: Sequence[Mapping[str, Any]]) -> list[list[list[Any]]]:
        """As ``run``, once for each of the values, in order; where the driver can, in one go over the network."""
        if len(values) < 2 or db.dialect.name != "postgresql":
            return [self.run(db, each) for each in values]
        self._compile(db.dialect)
        cursor: Any = db.connection.cursor()
        last: _Last = {}
        try:
            cursor.executemany(self._sql, [self._bound(each, last) for each in values], returning=True)
            give = self._give or self._learn(db.dialect, cursor.description)
            return [[_converted(row, give) for row in result.fetchall()] for result in cursor.results()]
        finally:
            cursor.close()

    def run_many(self, db: Connection, values: Sequence[Mapping[str, Any]]) -> None:
        """Run once for each of the values; gives nothing.

        Raises:
            IntegrityError: SQLAlchemy's, when one of them breaks a constraint.
        """
        self._compile(db.dialect)
        cursor = db.connection.cursor()
        last: _Last = {}
        try:
            cursor.executemany(self._sql, [self._bound(each, last) for each in values])
        except db.dialect.loaded_dbapi.IntegrityError as exc:
            raise IntegrityError(self._sql, None, exc) from exc
        finally:
            cursor.close()

    def _compile(self, dialect: Dialect) -> None:
        if dialect is self._dialect:
            return
        compiled = self._statement.compile(dialect=dialect)
        self._sql = str(compiled)
        # Converts for all columns, since the rows of one write have few moments between them.
        moment: Convert = None
        self._fixed: list[Any] = []
        self._given: list[tuple[int, str, Convert]] = []
        for place, name in enumerate(compiled.positiontup or ()):
            bind = compiled.binds[name]
            take: Convert = bind.type.dialect_impl(dialect).bind_processor(dialect)
            if isinstance(bind.type, UTCDateTime) and take is not None:
                take = moment = moment or lru_cache(maxsize=4)(take)
            if bind.required:
                self._given.append((place, name, take))
                self._fixed.append(None)
            else:
                self._fixed.append(bind.effective_value if take is None else take(bind.effective_value))
        self._give: _Converters | None = None
        self._dialect = dialect

    def _learn(self, dialect: Dialect, description: Sequence[Any]) -> "_Converters":
        """How to convert what the driver gives; ``description`` is its own account of the columns."""
        found = [
            (place, column.type.dialect_impl(dialect).result_processor(dialect, described[1]))
            for place, (column, described) in enumerate(zip(self._returning, description, strict=True))
        ]
        self._give = [(place, give) for place, give in found if give is not None]
        return self._give

    def _bound(self, values: Mapping[str, Any], last: "_Last") -> list[Any]:
        """What the driver takes. What is the same object as in the row before is not converted again."""
        bound = self._fixed.copy()
        for place, name, take in self._given:
            value = values[name]
            if take is not None:
                before = last.get(place)
                if before is None or before[0] is not value:
                    before = last[place] = (value, take(value))
                value = before[1]
            bound[place] = value
        return bound


# By position: what a row had there, and what the driver was given.
_Last = dict[int, tuple[Any, Any]]
# The positions in a row that need converting, and how.
_Converters = list[tuple[int, Callable[[Any], Any]]]


def _converted(row: tuple[Any, ...], converters: _Converters) -> list[Any]:
    converted = list(row)
    for place, convert in converters:
        converted[place] = convert(converted[place])
    return converted
