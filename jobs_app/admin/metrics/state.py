"""The admin page of metrics: throughput, waiting and run times, failure rate; by kind; and the cost of keeping them."""

import math
import time
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

import reflex as rx

from jobs_app import routes, runtime
from jobs_app.admin.metrics import charts
from jobs_app.admin.metrics.charts import percent, span
from jobs_app.admin.metrics.rows import NO_FIGURES, CostRow, FiguresRow
from jobs_app.live.effects import Effect, go_to
from jobs_app.live.notify import notify
from jobs_app.server.single_flight import Shared
from jobs_app.ui import formats
from jobs_app.ui.charts import Chart
from runlane.clock import utc_now
from runlane.errors import InvalidInput, JobsError
from runlane.kinds.catalogue import catalogue
from runlane.metrics.statistics import KEPT, WINDOWS, Figures, Outcome, Report, Step, check_span, floor, step_for
from runlane.text import counted

REDRAW_EVERY_S = 5.0
SHARES = (0.5, 0.95, 0.99)

_CHARTS: Shared[tuple[Report, list[Chart]]] = Shared(REDRAW_EVERY_S)


class AdminMetrics(rx.State):
    """One tab's charts."""

    window: str = "1h"
    """One of ``WINDOWS``; empty when a part of one was zoomed into."""
    kind: str = ""
    charts: list[Chart] = []
    ticks: list[str] = []
    buckets: list[str] = []
    """When each bucket begins."""
    step: str = ""
    total: FiguresRow = NO_FIGURES
    kinds: list[FiguresRow] = []
    chosen: str = ""
    """The bucket whose figures are shown, by the time it begins."""
    point: FiguresRow = NO_FIGURES
    can_zoom: bool = False
    costs: list[CostRow] = []
    purging: str = ""
    """The step whose figures are about to be purged."""
    trouble: str = ""
    _since: datetime | None = None
    _until: datetime | None = None
    _read_at: float = 0.0

    @rx.event
    async def load(self) -> None:
        """Read from the address what is to be shown, and show it."""
        query = dict(self.router.url.query_parameters)
        self.window = query.get("window", "1h") if query.get("window", "1h") in WINDOWS else "1h"
        self.kind = query.get("kind", "") if query.get("kind", "") in {kind.name for kind in catalogue()} else ""
        self._since, self._until = _moment(query.get("since", "")), _moment(query.get("until", ""))
        try:
            if self._since and self._until:
                check_span(self._since, self._until, utc_now())
                self.window = ""
        except InvalidInput:
            self._since = self._until = None
        self.chosen, self.point, self.purging = "", NO_FIGURES, ""
        await self._read()
        await self._read_costs()

    @rx.event
    async def refresh(self) -> None:
        """Draw again, at most every ``REDRAW_EVERY_S``."""
        if time.monotonic() - self._read_at >= REDRAW_EVERY_S:
            await self._read()

    @rx.event
    def show_window(self, window: str | list[str]) -> Effect:
        return self._go(window=str(window))

    @rx.event
    def show_kind(self, kind: str) -> Effect:
        if kind and kind not in {known.name for known in catalogue()}:
            return None  # where one types the name, it is not whole yet
        return self._go(kind=kind)

    @rx.event
    async def choose(self, at: str) -> None:
        """Show the figures of one bucket."""
        self.chosen = "" if self.chosen == at else at
        await self._read()

    @rx.event
    def zoom(self) -> Effect:
        """Show the chosen bucket alone, in finer steps."""
        begin = _moment(self.chosen)
        if begin is None or not self.can_zoom:
            return None
        return self._go(window="", since=begin, until=begin + Step(self.step).length)

    @rx.event
    def ask_purge(self, step: str) -> None:
        self.purging = step if step in set(Step) else ""

    @rx.event
    def forget_question(self, is_open: bool) -> None:
        if not is_open:
            self.purging = ""

    @rx.event
    async def purge(self) -> Effect:
        """Remove the figures of one step; those of the others stay."""
        step, self.purging = Step(self.purging), ""
        try:
            purged = await runtime.current().statistics.purge(step, utc_now() + timedelta(days=1))
        except JobsError as error:
            return await notify(self, "error", error.message)
        runtime.current().caches.of(_CHARTS).forget()
        await self._read()
        await self._read_costs()
        return await notify(
            self,
            "success",
            f"Purged: {counted(purged, 'row')} of figures by the {step}; jobs stay as they were.",
        )

    def _go(self, **changes: object) -> Effect:
        address = {"window": self.window, "kind": self.kind, "since": self._since, "until": self._until, **changes}
        if address["window"]:
            address["since"] = address["until"] = None
        query = {k: formats.iso(v) if isinstance(v, datetime) else str(v) for k, v in address.items() if v}
        return go_to(f"{routes.ADMIN_METRICS}?{urlencode(query)}")

    async def _read(self) -> None:
        now = utc_now()
        key = (self.window, self.kind, self._since, self._until)
        try:
            report, self.charts = await runtime.current().caches.of(_CHARTS).get(lambda: self._draw(now), key)
        except JobsError as error:
            self.trouble = error.message
            return
        self.trouble, self._read_at = "", time.monotonic()
        self.step, self.ticks = str(report.step), charts.ticks(report)
        self.buckets = [formats.iso(at) for at in report.steps]
        self.total = _row("All", report.total, report.since, report.until, self.kind)
        self.kinds = [_row(name, figures, report.since, report.until, name) for name, figures in report.kinds.items()]
        self._show_point(report, now)

    async def _draw(self, now: datetime) -> tuple[Report, list[Chart]]:
        statistics, kinds = runtime.current().statistics, [self.kind] if self.kind else []
        if self._since and self._until:
            step = step_for(self._since, self._until, now)
            report = await statistics.between(self._since, self._until, step, kinds)
        else:
            report = await statistics.window(self.window, now, kinds)
        return report, [
            charts.throughput(report),
            charts.failure_rate(report),
            charts.percentiles(report, "Time waited for a slot", lambda figures: figures.wait),
            charts.percentiles(report, "Time run", lambda figures: figures.run),
        ]

    def _show_point(self, report: Report, now: datetime) -> None:
        at = _moment(self.chosen)
        figures = report.steps.get(at) if at else None
        if at is None or figures is None:
            self.chosen, self.point, self.can_zoom = "", NO_FIGURES, False
            return
        until = at + report.step.length
        self.point = _row(charts.name(at, report.step), figures, at, until, self.kind)
        self.can_zoom = step_for(at, until, now) is not report.step and floor(at, report.step) == at

    async def _read_costs(self) -> None:
        try:
            costs = await runtime.current().statistics.cost()
        except JobsError as error:
            self.trouble = error.message
            return
        self.costs = [
            {
                "step": str(cost.step),
                "rows": f"{cost.rows:,}",
                "size": formats.size(cost.bytes),
                "oldest_at": formats.iso(cost.oldest_at),
            }
            for cost in costs
        ]


def kept_for(step: Step) -> str:
    """For how long the figures of a step are kept."""
    return "for good" if step is Step.DAY else f"for {KEPT[step].days} days"


def _row(name: str, figures: Figures, since: datetime, until: datetime, kind: str) -> FiguresRow:
    ended = [f"kind:{kind}"] if kind else []
    ended += [f"finished_after:{formats.iso(since)}", f"finished_before:{formats.iso(until)}"]
    slowest = figures.run.percentile(0.95)
    return {
        "name": name,
        **{outcome.value: f"{figures.counts[outcome]:,}" for outcome in Outcome},  # type: ignore[typeddict-item]
        "failure_rate": percent(figures.failure_rate),
        "wait": " / ".join(map(span, figures.wait.percentiles(SHARES))),
        "run": " / ".join(map(span, figures.run.percentiles(SHARES))),
        "address": _list(ended),
        "failed_address": _list(ended, status="failed"),
        "slow_address": _list([*ended, f"slow:>={_just_below(slowest)}s"]) if slowest else "",
    }


def _just_below(seconds: float) -> str:
    """Low enough to list the job at the percentile, which is exact to 2.5 %, and times in SQL to a millisecond."""
    return f"{max(math.floor((seconds * 0.975 - 0.001) * 1000), 0) / 1000:.3f}"


def _list(terms: list[str], **more: str) -> str:
    return f"{routes.DASHBOARD}?{urlencode({**more, 'q': ' '.join(terms)})}"


def _moment(text: str) -> datetime | None:
    """The time that a text names with its offset; ``None`` if it names none, or one outside the years 1 to 9999."""
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else None
    except (ValueError, OverflowError):
        return None
