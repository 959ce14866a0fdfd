"""What happened over time, in rows of its own: one for each minute, hour and day, kind and outcome.

Triggers of the database insert an entry into ``stat_entry`` for every submission and every end of an attempt, in the
same transaction, so nothing is missed and nothing is counted that did not happen. ``roll_up`` takes those entries and
adds them to the rows of their minute, hour and day, again in one transaction: each is counted once, whoever rolls up,
and deleting a job does not change the past.
"""

import enum
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Text, cast, delete, func, insert, literal, select, tuple_, update

from runlane.audit import acting, note
from runlane.db.database import Database
from runlane.db.tables import StatEntryTable, StatTable
from runlane.errors import InvalidInput
from runlane.metrics.histogram import Histogram

entry_table = StatEntryTable.__table__  # type: ignore[attr-defined]
stat_table = StatTable.__table__  # type: ignore[attr-defined]

# Entries per transaction; more would keep workers from writing for too long.
ROLL_UP_BATCH = 1000


class Step(enum.StrEnum):
    """The length of time that one row covers."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"

    @property
    def length(self) -> timedelta:
        return {Step.MINUTE: timedelta(minutes=1), Step.HOUR: timedelta(hours=1), Step.DAY: timedelta(days=1)}[self]


# How long rows are kept; those of days forever.
KEPT = {Step.MINUTE: timedelta(days=2), Step.HOUR: timedelta(days=100), Step.DAY: timedelta(days=36_500)}

# The windows: in what steps, and how many of them, the present one included.
WINDOWS: dict[str, tuple[Step, int]] = {
    "1h": (Step.MINUTE, 60),
    "24h": (Step.HOUR, 24),
    "7d": (Step.HOUR, 168),
    "30d": (Step.DAY, 30),
    "90d": (Step.DAY, 90),
}

# The longest of any other span, and how far from now it may end: the last step must have an end, too.
MAX_SPAN = timedelta(days=366)


class Outcome(enum.StrEnum):
    """What is counted."""

    SUBMITTED = "submitted"
    COMPLETED = "completed"
    FAILED = "failed"
    """No attempt was left."""
    CANCELLED = "cancelled"
    RETRIED = "retried"
    """An attempt failed or lost its worker, and another follows."""


@dataclass
class Figures:
    """How many jobs came and ended in a span, and how long they waited for a slot and ran."""

    counts: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    wait: Histogram = field(default_factory=Histogram)
    run: Histogram = field(default_factory=Histogram)

    def add(self, other: "Figures") -> None:
        for outcome, count in other.counts.items():
            self.counts[outcome] += count
        self.wait.merge(other.wait)
        self.run.merge(other.run)

    @property
    def failure_rate(self) -> float | None:
        """The failed share of the jobs that completed or failed; ``None`` if none did."""
        ended = self.counts[Outcome.COMPLETED] + self.counts[Outcome.FAILED]
        return self.counts[Outcome.FAILED] / ended if ended else None


@dataclass(frozen=True)
class Report:
    """The figures from ``since`` to ``until``: for each step, the empty ones too, for each kind, and in all."""

    step: Step
    since: datetime
    until: datetime
    steps: dict[datetime, Figures]
    kinds: dict[str, Figures]
    total: Figures


@dataclass(frozen=True)
class Cost:
    """The size of the rows of one step."""

    step: Step
    rows: int
    bytes: int
    oldest_at: datetime | None


_Key = tuple[Step, datetime, str, str]


class Statistics:
    """The figures in one database."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def roll_up(self, now: datetime) -> int:
        """Count the new entries, and drop rows that have been kept long enough; how many entries were counted."""
        counted = 0
        while number := await self._db.write(lambda db: _roll_up(db, now), alone=True):
            counted += number
            if number < ROLL_UP_BATCH:
                break
        await self._drop_old(now)
        return counted

    async def _drop_old(self, now: datetime) -> None:
        for step, kept in KEPT.items():
            old = (stat_table.c.step == step, stat_table.c.at < now - kept)
            query = select(stat_table.c.at).where(*old).limit(1)
            if await self._db.read(lambda db, query=query: db.execute(query).first()):  # type: ignore[misc]
                statement = delete(stat_table).where(*old)
                await self._db.write(lambda db, statement=statement: db.execute(statement))  # type: ignore[misc]

    async def window(self, name: str, now: datetime, kinds: Sequence[str] = ()) -> Report:
        """The figures of one of ``WINDOWS``, of these kinds or of all."""
        step, count = WINDOWS[name]
        until = floor(now, step) + step.length
        return await self.between(until - count * step.length, until, step, kinds)

    async def between(self, since: datetime, until: datetime, step: Step, kinds: Sequence[str] = ()) -> Report:
        """The figures from ``since``, in whole steps, up to but without ``until``; of these kinds or of all."""
        begin = floor(since, step)
        query = select(stat_table).where(stat_table.c.step == step, stat_table.c.at >= begin, stat_table.c.at < until)
        if kinds:
            query = query.where(stat_table.c.kind.in_(kinds))
        rows = await self._db.read(lambda db: db.execute(query).all())
        steps: dict[datetime, Figures] = {}
        at = begin
        while at < until:
            steps[at] = Figures()
            at += step.length
        by_kind: dict[str, Figures] = defaultdict(Figures)
        for row in rows:
            figures = _figures(row)
            steps[row.at].add(figures)
            by_kind[row.kind].add(figures)
        total = Figures()
        for of_kind in by_kind.values():
            total.add(of_kind)
        return Report(step, begin, until, steps, dict(sorted(by_kind.items())), total)

    async def cost(self) -> list[Cost]:
        """The size of the rows of each step, roughly: their text and numbers, without the database's own overhead."""
        texts = (func.length(cast(stat_table.c[name], Text)) for name in ("wait", "run", "kind"))
        size = sum(texts, literal(60))
        query = select(stat_table.c.step, func.count(), func.sum(size), func.min(stat_table.c.at))
        rows = await self._db.read(lambda db: db.execute(query.group_by(stat_table.c.step)).all())
        found = {step: Cost(Step(step), count, int(size), oldest) for step, count, size, oldest in rows}
        return [found.get(step, Cost(step, 0, 0, None)) for step in Step]

    async def purge(self, step: Step, before: datetime) -> int:
        """Remove the rows of a step that are older than ``before``; how many. Jobs and other steps stay."""
        statement = delete(stat_table).where(stat_table.c.step == step, stat_table.c.at < before)
        who = acting()

        def work(db: Connection) -> int:
            purged = int(db.execute(statement).rowcount)
            note(db, who, "purge", "figures", [f"by the {step}"], None, {"rows": purged, "before": before.isoformat()})
            return purged

        return await self._db.write(work)


def floor(at: datetime, step: Step) -> datetime:
    """The start of the minute, hour or day (of UTC) that ``at`` is in."""
    at = at.astimezone(UTC).replace(second=0, microsecond=0)
    return at if step is Step.MINUTE else at.replace(minute=0) if step is Step.HOUR else at.replace(hour=0, minute=0)


def check_span(since: datetime, until: datetime, now: datetime) -> None:
    """Check that there can be figures from ``since`` to ``until``.

    Raises:
        InvalidInput: it is empty, too long, or too far ahead.
    """
    if not timedelta(0) < until - since <= MAX_SPAN:
        raise InvalidInput.of("until", f"must be later than since, and by {MAX_SPAN.days} days at most")
    if until - now > MAX_SPAN:
        raise InvalidInput.of("until", f"must be no more than {MAX_SPAN.days} days from now")


def step_for(since: datetime, until: datetime, now: datetime) -> Step:
    """The finest step whose rows are still kept at ``since``, and that gives no more than some 200 of them."""
    for step in (Step.MINUTE, Step.HOUR):
        if until - since <= 200 * step.length and now - since <= KEPT[step]:
            return step
    return Step.DAY


def _roll_up(db: Connection, now: datetime) -> int:
    """Count the oldest entries; how many."""
    oldest = select(entry_table.c.id).order_by(entry_table.c.id).limit(ROLL_UP_BATCH)
    rows = db.execute(delete(entry_table).where(entry_table.c.id.in_(oldest)).returning(entry_table)).all()
    sums: dict[_Key, Figures] = defaultdict(Figures)
    for row in rows:
        for step in Step:
            if now - row.at < KEPT[step]:
                _count(sums[step, floor(row.at, step), row.kind, row.outcome], row)
    _add(db, sums)
    return len(rows)


def _count(figures: Figures, row: Any) -> None:
    figures.counts[Outcome(row.outcome)] += 1
    if row.started_at is not None:
        if row.queued_at is not None:
            figures.wait.add((row.started_at - row.queued_at).total_seconds())
        figures.run.add((row.at - row.started_at).total_seconds())


def _add(db: Connection, sums: dict[_Key, Figures]) -> None:
    """Add to the rows that exist, and insert those that do not."""
    if not sums:
        return
    columns = [stat_table.c[name] for name in ("step", "at", "kind", "outcome")]
    known = {tuple(row[:4]): row for row in db.execute(select(stat_table).where(tuple_(*columns).in_(sums)))}
    new = []
    for key, figures in sums.items():
        if row := known.get(key):
            figures.add(_figures(row))
            values = _values(key, figures)
            db.execute(update(stat_table).where(*(c == v for c, v in zip(columns, key, strict=True))).values(values))
        else:
            new.append(dict(zip((c.name for c in columns), key, strict=True)) | _values(key, figures))
    if new:
        db.execute(insert(stat_table), new)


def _values(key: _Key, figures: Figures) -> dict[str, Any]:
    count = figures.counts[Outcome(key[3])]
    return {"count": count, "wait": figures.wait.counts, "run": figures.run.counts}


def _figures(row: Any) -> Figures:
    counts = {Outcome(row.outcome): row.count}
    return Figures(counts, Histogram(row.wait), Histogram(row.run))
