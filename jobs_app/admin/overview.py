"""The state of the whole system, as the admin pages show it: read once for all tabs."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from operator import attrgetter

from jobs_app import runtime
from jobs_app.admin.health import Facts
from jobs_app.admin.metrics import charts
from jobs_app.admin.metrics.charts import ENDS, SPARK_MINUTES, percent, spark
from jobs_app.server.single_flight import Shared
from jobs_app.ui import formats
from runlane.clock import utc_now
from runlane.errors import Unavailable
from runlane.metrics.samples import Growth
from runlane.metrics.statistics import Figures, Outcome
from runlane.model.status import JobStatus
from runlane.queue.redis_client import REDIS_TROUBLE
from runlane.queue.worker_registry import WorkerInfo

# how old what is shown may be; a change that is made in a tab is read at once
FRESH_S = 1.0
HISTORY_FRESH_S = 5.0
PING_WITHIN_S = 2.0
SAMPLED = (*(status.value for status in JobStatus), "workers", "oldest_queued_s", "bytes")


@dataclass(frozen=True)
class History:
    """The last hour: a spark line for each figure, by name, and a few words."""

    sparks: dict[str, str] = field(default_factory=dict)
    lately: dict[str, str] = field(default_factory=dict)
    worker_active_at: datetime | None = None
    """When a worker last took jobs, by the samples."""


@dataclass(frozen=True)
class Overview:
    """The system at one moment. ``counts`` is empty while the database does not answer."""

    facts: Facts
    counts: dict[str, int] = field(default_factory=dict)
    history: History = field(default_factory=History)
    queue_version: int = 0
    """Of what people have set for the queue; see ``runlane.kinds.settings_store``."""


_OVERVIEW: Shared[Overview] = Shared(FRESH_S)
_HISTORY: Shared[History] = Shared(HISTORY_FRESH_S)


async def overview(*, fresh: bool = False) -> Overview:
    """The system as it is now; ``fresh``: not as another tab has read it a moment ago. Never raises."""
    shown = runtime.current().caches.of(_OVERVIEW)
    if fresh:
        shown.forget()
    return await shown.get(_read)


async def _read() -> Overview:
    active = runtime.current()
    found, redis_ok = await asyncio.gather(_workers(), _redis_ok())
    facts = Facts(
        now=utc_now(),
        queued=0,
        running=0,
        concurrency=0,
        paused=False,
        oldest_queued_at=None,
        workers=found,
        redis_ok=redis_ok,
        database_ok=False,
        down=active.parts.down(),
    )
    try:
        counts, oldest, in_force = await asyncio.gather(
            active.counts.all(), active.reader.oldest_queued_at(), active.limits.with_settings()
        )
        history = await active.caches.of(_HISTORY).get(_read_history)
    except Unavailable:
        return Overview(facts)
    facts = replace(
        facts,
        queued=counts[JobStatus.QUEUED],
        running=counts[JobStatus.RUNNING],
        concurrency=in_force.limits.concurrency,
        paused=in_force.limits.paused,
        oldest_queued_at=oldest,
        database_ok=True,
        worker_active_at=history.worker_active_at,
    )
    shown = {str(status): number for status, number in counts.items()}
    return Overview(facts, shown, history, in_force.queue.version)


async def _read_history() -> History:
    active, now = runtime.current(), utc_now()
    since = now.replace(second=0, microsecond=0) - timedelta(minutes=SPARK_MINUTES - 1)
    samples, report, growth = await asyncio.gather(
        active.samples.since(since), active.statistics.window("1h", now), active.samples.growth(now)
    )
    sparks = {name: spark(charts.by_minute(samples, since, attrgetter(name))) for name in SAMPLED}
    minutes = list(report.steps.values())
    sparks["slots"] = sparks["running"]
    sparks["ended"] = spark([float(_ended(figures)) for figures in minutes])
    sparks["failure_rate"] = spark([figures.failure_rate for figures in minutes])
    return History(
        sparks,
        {
            "ended": f"{sum(map(_ended, minutes[-2:-1])):,}",
            "failure_rate": percent(report.total.failure_rate),
            "bytes": formats.size(growth.bytes),
            "growth": growth_text(growth, now),
        },
        max((sample.at for sample in samples if sample.workers), default=None),
    )


def growth_text(growth: Growth, now: datetime) -> str:
    """How fast the database grows, and when that fills its disk, unless that is more than ten years away."""
    if growth.bytes_per_day is None:
        return "how fast it grows is known after an hour"
    if abs(growth.bytes_per_day) < 1000:
        return "does not grow"
    text = f"{'grows' if growth.bytes_per_day > 0 else 'shrinks'} by {formats.size(abs(growth.bytes_per_day))} a day"
    if growth.days_left is not None and growth.days_left < 3650:
        full_at = now + timedelta(days=growth.days_left)
        text += f"; the disk is full by {full_at:%-d %B %Y}"
    elif growth.bytes_per_day > 0:
        later = growth.bytes + 365 * growth.bytes_per_day
        text += f"; {formats.size(later)} in a year"
    return text


def _ended(figures: Figures) -> int:
    return sum(figures.counts[outcome] for outcome in ENDS if outcome is not Outcome.RETRIED)


async def _workers() -> list[WorkerInfo] | None:
    try:
        return await runtime.current().workers.all()
    except REDIS_TROUBLE:
        return None


async def _redis_ok() -> bool:
    try:
        async with asyncio.timeout(PING_WITHIN_S):
            await runtime.current().queue.ping()
    except REDIS_TROUBLE:
        return False
    return True
