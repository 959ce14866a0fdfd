"""The metrics for Prometheus, read when it scrapes.

Each server reports the same about the whole system, so over several it is a ``max``, not a sum; pages, delays and
dropped updates are the server's own. Outcomes and times come from the statistics, which are rolled up every five
seconds; days that are over are read once, so a scrape costs the same after a year.
"""

import asyncio
import math
import time
from collections.abc import Awaitable, Iterable, Sequence
from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from jobs_app import runtime
from jobs_app.live import broadcaster
from jobs_app.runtime import Runtime
from jobs_app.server.single_flight import Shared
from runlane import __version__
from runlane.clock import utc_now
from runlane.errors import Unavailable
from runlane.metrics.histogram import Histogram
from runlane.metrics.statistics import Figures, Outcome, Step, floor
from runlane.queue.redis_client import REDIS_TROUBLE
from runlane.queue.worker_registry import WorkerInfo, WorkerState

BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)
ANSWER_WITHIN_S = 2.0


# The figures by kind of all days before one, which do not change any more.
_PAST: Shared[dict[str, Figures]] = Shared(math.inf)


async def collect() -> CollectorRegistry:
    """Everything as of now. A part that does not answer is left out, and reported as down."""
    active = runtime.current()
    from_sql, from_redis = await asyncio.gather(_in_time(_of_sql(active)), _in_time(_of_redis(active)))
    found = [*_of_server(active), *(from_sql or ()), *(from_redis or ())]
    for name, answer in (("database", from_sql), ("redis", from_redis)):
        found.append(_gauge(f"runlane_{name}_up", "1 if it answers.", {(): float(answer is not None)}))
    registry = CollectorRegistry()
    registry.register(_Collected(found))
    return registry


class _Collected:
    """As Prometheus's client takes it: an object with a method ``collect``."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


async def _in_time(part: Awaitable[list[Metric]]) -> list[Metric] | None:
    """The metrics of a part, or ``None`` if it does not answer."""
    try:
        return await asyncio.wait_for(part, ANSWER_WITHIN_S)
    except (Unavailable, TimeoutError, *REDIS_TROUBLE):
        return None


async def _took(name: str, ping: Awaitable[None]) -> Metric:
    """How long an empty request takes; awaited before all others, behind which it would have to wait."""
    began = time.perf_counter()
    await ping
    about = "How long it takes to answer an empty question."
    return _gauge(f"runlane_{name}_seconds", about, {(): time.perf_counter() - began})


def _of_server(active: Runtime) -> list[Metric]:
    delay = HistogramMetricFamily(
        "runlane_event_delay_seconds", "From a change to this server, which updates the pages."
    )
    _add(delay, [], active.hub.delays)
    down = {each.name for each in active.parts.down()}
    return [
        InfoMetricFamily("runlane_build", "Which version runs.", {"version": __version__}),
        delay,
        _gauge(
            "runlane_part_up",
            "1 if this part of the server works; one that fails is started again.",
            {(name,): float(name not in down) for name in active.parts.failures},
            "part",
        ),
        _counter(
            "runlane_part_failures",
            "How often a part of the server has failed since it started.",
            {(name,): number for name, number in active.parts.failures.items()},
            "part",
        ),
        _gauge("runlane_pages_open", "Tabs that show a page of this server.", {(): broadcaster.tabs_open()}),
        _gauge(
            "runlane_listeners", "Event streams and parts of this server that follow jobs.", {(): active.hub.listeners}
        ),
        _counter(
            "runlane_dropped_updates",
            "Updates for readers that were too slow, who read the store instead.",
            {(): active.hub.dropped},
        ),
    ]


async def _of_sql(active: Runtime) -> list[Metric]:
    now = utc_now()
    took = await _took("database", active.reader.ping())
    counts, oldest, limits, kinds = await asyncio.gather(
        active.counts.by_kind(),
        active.reader.oldest_queued_at(),
        active.limits.current(),
        _figures(active, now),
    )
    waited_s = max(0.0, (now - oldest).total_seconds()) if oldest else 0.0
    wait = HistogramMetricFamily("runlane_wait_seconds", "From due to started; the sum to 2.5 %.", labels=["kind"])
    run = HistogramMetricFamily("runlane_run_seconds", "From started to ended; the sum to 2.5 %.", labels=["kind"])
    outcomes: dict[tuple[str, ...], float] = {}
    for kind, figures in kinds.items():
        _add(wait, [kind], figures.wait)
        _add(run, [kind], figures.run)
        outcomes |= {(kind, str(outcome)): figures.counts[outcome] for outcome in Outcome}
    jobs: dict[tuple[str, ...], float] = {
        (kind, str(status)): number for kind, of_kind in counts.items() for status, number in of_kind.items()
    }
    return [
        took,
        _gauge("runlane_jobs", "Jobs of each kind in each status.", jobs, "kind", "status"),
        _gauge("runlane_oldest_queued_seconds", "How long the first in the queue has waited.", {(): waited_s}),
        _gauge("runlane_concurrency", "Jobs that may run at once, over all workers.", {(): limits.concurrency}),
        _gauge("runlane_paused", "1 if the queue is paused.", {(): float(limits.paused)}),
        _counter("runlane_outcomes", "Jobs submitted, ended, or tried again.", outcomes, "kind", "outcome"),
        wait,
        run,
    ]


async def _of_redis(active: Runtime) -> list[Metric]:
    took = await _took("redis", active.queue.ping())
    depths, workers = await asyncio.gather(active.queue.depths(), active.registry.all())
    states: dict[tuple[str, ...], float] = {
        (str(state),): sum(worker.state is state for worker in workers) for state in WorkerState
    }
    return [
        took,
        _gauge(
            "runlane_queue_depth", "Jobs of each kind in Redis's queue.", {(k,): n for k, n in depths.items()}, "kind"
        ),
        _gauge("runlane_workers", "Workers by state.", states, "state"),
        _gauge("runlane_slots", "Slots of the workers that take jobs.", {(): _slots(workers)}),
        _gauge("runlane_slots_busy", "Slots in which a job runs.", {(): sum(len(w.running) for w in _living(workers))}),
    ]


def _living(workers: Sequence[WorkerInfo]) -> list[WorkerInfo]:
    return [worker for worker in workers if worker.state is not WorkerState.LOST]


def _slots(workers: Sequence[WorkerInfo]) -> int:
    return sum(worker.slots for worker in workers if worker.state is WorkerState.RUNNING)


async def _figures(active: Runtime, now: datetime) -> dict[str, Figures]:
    """The figures of each kind since the beginning."""
    yesterday = floor(now, Step.DAY) - timedelta(days=1)  # what ended before midnight may be counted after

    async def read_past() -> dict[str, Figures]:
        return (await active.statistics.between(BEGINNING, yesterday, Step.DAY)).kinds

    past = await active.caches.of(_PAST).get(read_past, yesterday)
    lately = await active.statistics.between(yesterday, now + timedelta(seconds=1), Step.DAY)
    kinds: dict[str, Figures] = {}
    for source in (past, lately.kinds):
        for kind, figures in source.items():
            kinds.setdefault(kind, Figures()).add(figures)
    return kinds


def _gauge(name: str, about: str, values: dict[tuple[str, ...], float], *labels: str) -> Metric:
    return _filled(GaugeMetricFamily(name, about, labels=labels), values)


def _counter(name: str, about: str, values: dict[tuple[str, ...], float], *labels: str) -> Metric:
    return _filled(CounterMetricFamily(name, about, labels=labels), values)


def _filled(metric: GaugeMetricFamily | CounterMetricFamily, values: dict[tuple[str, ...], float]) -> Metric:
    for of_labels, value in values.items():
        metric.add_metric(of_labels, value)
    return metric


def _add(metric: HistogramMetricFamily, of_labels: Sequence[str], durations: Histogram) -> None:
    counts = zip((f"{bound:g}" for bound in BUCKETS_S), durations.up_to(BUCKETS_S), strict=True)
    metric.add_metric(of_labels, [*counts, ("+Inf", durations.total)], durations.sum_s)
