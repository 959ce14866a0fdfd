"""Figures as SVG paths, and the words at the axes of a chart. Pure; the components draw.

A chart is one unit wide for each bucket and 100 high, and the browser stretches it. One path a series keeps a chart
of 168 buckets at a few kilobytes; a charting library would send every point as an object, and has no points that a
keyboard can reach.
"""

import math
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from jobs_app.ui.charts import Chart, Series
from jobs_app.ui.formats import seconds_text
from jobs_app.ui.styles import STATUS_COLOR
from runlane.metrics.histogram import Histogram
from runlane.metrics.samples import Sample
from runlane.metrics.statistics import Figures, Outcome, Report, Step

HEIGHT = 100.0
TICKS = 6
SPARK_MINUTES = 60
PERCENTILES = ((0.5, "p50", "blue"), (0.95, "p95", "amber"), (0.99, "p99", "tomato"))
ENDS = (Outcome.COMPLETED, Outcome.FAILED, Outcome.CANCELLED, Outcome.RETRIED)
A = {Step.MINUTE: "a minute", Step.HOUR: "an hour", Step.DAY: "a day"}
COLORS = {**STATUS_COLOR, Outcome.RETRIED: "orange", Outcome.SUBMITTED: "iris"}


Values = Sequence[float | None]


def throughput(report: Report) -> Chart:
    """How many jobs ended how, stacked; and as a line how many were submitted."""
    columns = list(report.steps.values())
    ended = [[float(figures.counts[end]) for figures in columns] for end in ENDS]
    submitted = [float(figures.counts[Outcome.SUBMITTED]) for figures in columns]
    top = rounded(max([*submitted, *map(sum, zip(*ended, strict=True))], default=0.0))
    below = [0.0] * len(columns)
    series: list[Series] = []
    for end, values in zip(ENDS, ended, strict=True):
        series.append({"name": end, "color": COLORS[end], "path": bars(values, below, top), "filled": True})
        below = [a + b for a, b in zip(below, values, strict=True)]
    series.append(
        {"name": "submitted", "color": COLORS[Outcome.SUBMITTED], "path": line(submitted, top), "filled": False}
    )
    tips = [f"{label}: {counted(figures)}" for label, figures in _labelled(report)]
    return _chart(f"Jobs {A[report.step]}", f"{top:,.0f}", f"{top / 2:,.6g}", series, tips)


def percentiles(report: Report, title: str, of: Callable[[Figures], Histogram]) -> Chart:
    """How long things took: the times that half, 95 % and 99 % of them did not exceed."""
    shares = [share for share, _, _ in PERCENTILES]
    columns = [of(figures).percentiles(shares) for figures in report.steps.values()]
    lines = [list(values) for values in zip(*columns, strict=True)]
    top = rounded_time(max((value for values in lines for value in values if value is not None), default=0.0))
    series: list[Series] = [
        {"name": name, "color": color, "path": line(values, top), "filled": False}
        for (_, name, color), values in zip(PERCENTILES, lines, strict=True)
    ]
    tips = []
    for (label, _), *values in zip(_labelled(report), *lines, strict=True):
        words = [f"{name} {span(value)}" for (_, name, _), value in zip(PERCENTILES, values, strict=True) if value]
        tips.append(f"{label}: {', '.join(words) or 'none'}")
    return _chart(title, mark(top), mark(top / 2), series, tips)


def failure_rate(report: Report) -> Chart:
    """The failed share of what completed or failed."""
    shares = [figures.failure_rate for figures in report.steps.values()]
    top = min(1.0, rounded(max((share for share in shares if share is not None), default=1.0)))
    series: list[Series] = [{"name": "failed", "color": "tomato", "path": line(shares, top), "filled": False}]
    tips = [
        f"{label}: {'none ended' if share is None else percent(share) + ' failed'}"
        for (label, _), share in zip(_labelled(report), shares, strict=True)
    ]
    return _chart("Failure rate", percent(top), percent(top / 2), series, tips)


def ticks(report: Report) -> list[str]:
    """Words for some buckets, evenly spaced; the others are empty."""
    every = max(1, -(-len(report.steps) // TICKS))
    in_days = report.until - report.since > timedelta(days=2)
    words = "%d %b" if in_days else "%H:%M"
    return [f"{at:{words}}" if index % every == 0 else "" for index, at in enumerate(report.steps)]


def bars(values: Values, below: Sequence[float], top: float) -> str:
    """A path of rectangles, each on top of what is ``below`` it; no rectangle for 0."""
    scale = HEIGHT / top if top else 0.0
    return "".join(
        f"M{index + 0.1:g} {HEIGHT - base * scale:.2f}h.8v{-value * scale:.2f}h-.8z"
        for index, (value, base) in enumerate(zip(values, below, strict=True))
        if value
    )


def line(values: Values, top: float) -> str:
    """A path through the middles of buckets, with gaps where there is no value; a lone one is a short stroke."""
    scale = HEIGHT / top if top else 0.0
    parts, is_on = [], False
    for index, value in enumerate(values):
        if value is not None:
            y = f"{HEIGHT - value * scale:.2f}"
            is_alone = not is_on and (index + 1 == len(values) or values[index + 1] is None)
            parts.append(f"M{index + 0.3:g} {y}h.4" if is_alone else f"{'L' if is_on else 'M'}{index + 0.5:g} {y}")
        is_on = value is not None
    return "".join(parts)


def spark(values: Values) -> str:
    """A small line from 0 to the highest value; a value holds until the next one is known.

    It starts at the lowest value when all are large and close together: a line along the top would show nothing.
    """
    held: list[float | None] = []
    for value in values:
        held.append(held[-1] if value is None and held else value)
    known = [value for value in held if value is not None]
    top, low = max(known, default=0.0), min(known, default=0.0)
    base = low if top / 2 < low < top else 0.0
    return line([None if value is None else value - base for value in held], (top - base) or 1.0)


def by_minute(samples: Sequence[Sample], since: datetime, of: Callable[[Sample], float | None]) -> Values:
    """One value for each of the ``SPARK_MINUTES`` from ``since`` on; ``None`` where there is no sample."""
    found = {int((sample.at - since).total_seconds() // 60): of(sample) for sample in samples}
    return [found.get(minute) for minute in range(SPARK_MINUTES)]


def rounded(highest: float) -> float:
    """The next of 1, 2, 4, 10, … that is no less, so that its half is round too; 1 for nothing."""
    if highest <= 0:
        return 1.0
    step = 10.0 ** math.floor(math.log10(highest))
    return next(step * factor for factor in (1, 2, 4, 10) if step * factor >= highest)


def rounded_time(highest_s: float) -> float:
    """The same for seconds, in minutes, hours and days where people count in those."""
    for unit_s, max_s in ((1.0, 60.0), (60.0, 3600.0), (3600.0, 86_400.0)):
        if highest_s <= max_s:
            return min(unit_s * rounded(highest_s / unit_s), max_s)
    return 86_400.0 * rounded(highest_s / 86_400.0)


def name(at: datetime, step: Step) -> str:
    """How the bucket that begins at ``at`` (UTC) is called."""
    return f"{at:%H:%M}" if step is Step.MINUTE else f"{at:%d %b %H:%M}" if step is Step.HOUR else f"{at:%d %b}"


def counted(figures: Figures) -> str:
    """``12 completed, 1 failed, 14 submitted``."""
    words = [
        f"{figures.counts[outcome]:,} {outcome}" for outcome in (*ENDS, Outcome.SUBMITTED) if figures.counts[outcome]
    ]
    return ", ".join(words) or "nothing"


def span(seconds: float | None) -> str:
    return "–" if seconds is None else seconds_text(seconds)


def mark(seconds: float) -> str:
    """A label on an axis of time: ``30 s``, ``1 min``."""
    return re.sub(r"[.]0(?= s)| 0 (s|min|h)$", "", seconds_text(seconds))


def percent(share: float | None) -> str:
    return "–" if share is None else f"{share * 100:.3g} %"


def _labelled(report: Report) -> list[tuple[str, Figures]]:
    return [(name(at, report.step), figures) for at, figures in report.steps.items()]


def _chart(title: str, top: str, half: str, series: list[Series], tips: list[str]) -> Chart:
    return {"title": title, "top": top, "half": half, "series": series, "tips": tips}
