"""REST: what happened over time, the system's state over time, and what keeping that costs."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel

from jobs_app import runtime
from jobs_app.api.jobs import Text
from jobs_app.api.strict import StrictRoute
from runlane.clock import utc_now
from runlane.errors import InvalidInput
from runlane.metrics.histogram import Histogram
from runlane.metrics.samples import Sample
from runlane.metrics.statistics import Cost, Figures, Outcome, Report, Step, check_span, step_for
from runlane.model.snapshot import UtcTime

router = APIRouter(prefix="/api/stats", tags=["statistics"], route_class=StrictRoute)

Window = Literal["1h", "24h", "7d", "30d", "90d"]


class Percentiles(BaseModel):
    """Seconds, true to 2.5 %; null when there were none."""

    p50: float | None
    p95: float | None
    p99: float | None


class FiguresInfo(BaseModel):
    """``retried``: attempts that failed and were followed by another. ``failure_rate``: failed of those that ended."""

    submitted: int
    completed: int
    failed: int
    cancelled: int
    retried: int
    failure_rate: float | None
    wait_s: Percentiles
    run_s: Percentiles


class Bucket(FiguresInfo):
    at: datetime


class OfKind(FiguresInfo):
    kind: str


class Stats(BaseModel):
    since: datetime
    until: datetime
    step: Step
    total: FiguresInfo
    buckets: list[Bucket]
    kinds: list[OfKind]


class CostList(BaseModel):
    items: list[Cost]


class SampleList(BaseModel):
    items: list[Sample]


class Purged(BaseModel):
    purged: int


class GrowthInfo(BaseModel):
    """``days_left``: until the disk is full at this rate; null where that is unknown or not to be expected."""

    bytes: int
    bytes_per_day: float | None
    free_bytes: int | None
    days_left: float | None


@router.get("")
async def stats(
    window: Window = "1h",
    kind: Annotated[list[Text], Query(max_length=100)] = [],  # noqa: B006 - FastAPI copies it
    since: UtcTime | None = None,
    until: UtcTime | None = None,
) -> Stats:
    """Throughput, waiting and run times, and failure rate: in steps of a minute, hour or day, by kind, and in all.

    ``since`` (and ``until``) in place of ``window``: any span, in the finest steps there are. At most 5 s behind.
    """
    now = utc_now()
    if since is None:
        if until is not None:
            raise InvalidInput.of("until", "needs a since; or give a window")
        return _stats(await runtime.current().statistics.window(window, now, kind))
    until = until or now
    check_span(since, until, now)
    step = step_for(since, until, now)
    return _stats(await runtime.current().statistics.between(since, until, step, kind))


@router.get("/samples")
async def samples(since: UtcTime | None = None) -> SampleList:
    """The state of the system minute by minute, of the last hour by default; hourly after 2 days."""
    begin = since or utc_now() - timedelta(hours=1)
    return SampleList(items=await runtime.current().samples.since(begin))


@router.get("/storage")
async def storage() -> GrowthInfo:
    """How large the database is, and how fast it grows."""
    growth = await runtime.current().samples.growth(utc_now())
    return GrowthInfo(
        bytes=growth.bytes,
        bytes_per_day=growth.bytes_per_day,
        free_bytes=growth.free_bytes,
        days_left=growth.days_left,
    )


@router.get("/cost")
async def cost() -> CostList:
    """What the rows of these figures take."""
    return CostList(items=await runtime.current().statistics.cost())


@router.delete("")
async def purge(step: Step, before: UtcTime) -> Purged:
    """Remove figures older than ``before``, of one step; jobs stay as they are."""
    return Purged(purged=await runtime.current().statistics.purge(step, before))


def _stats(report: Report) -> Stats:
    return Stats(
        since=report.since,
        until=report.until,
        step=report.step,
        total=FiguresInfo(**_figures(report.total)),
        buckets=[Bucket(at=at, **_figures(figures)) for at, figures in report.steps.items()],
        kinds=[OfKind(kind=kind, **_figures(figures)) for kind, figures in report.kinds.items()],
    )


def _figures(figures: Figures) -> dict[str, object]:
    return {
        **{outcome.value: figures.counts[outcome] for outcome in Outcome},
        "failure_rate": figures.failure_rate,
        "wait_s": _percentiles(figures.wait),
        "run_s": _percentiles(figures.run),
    }


def _percentiles(histogram: Histogram) -> Percentiles:
    p50, p95, p99 = histogram.percentiles((0.5, 0.95, 0.99))
    return Percentiles(p50=p50, p95=p95, p99=p99)
