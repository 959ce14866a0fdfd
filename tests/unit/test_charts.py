"""Figures as shapes: where a value is drawn, and what is said of it."""

from datetime import UTC, datetime, timedelta

import pytest

from jobs.histogram import Histogram
from jobs.samples import Sample
from jobs.statistics import Figures, Outcome, Report, Step
from jobs_app import charts

BEGIN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def figures(runs=(), **counts):
    found = Figures(run=Histogram.of(runs))
    found.counts.update({Outcome(name): count for name, count in counts.items()})
    return found


def report(*columns, step=Step.MINUTE):
    steps = {BEGIN + place * step.length: column for place, column in enumerate(columns)}
    return Report(step, BEGIN, BEGIN + len(columns) * step.length, steps, {}, Figures())


@pytest.mark.parametrize(
    ("highest", "top"), [(0, 1), (0.004, 0.005), (1, 1), (3, 5), (5, 5), (51, 100), (101, 200), (999, 1000)]
)
def test_the_upper_edge_is_a_round_number(highest, top):
    assert charts.rounded(highest) == pytest.approx(top)


def test_bars_stand_on_what_is_below_them():
    assert charts.bars([1, 0, 2], [1, 0, 0], 4) == "M0.1 75.00h.8v-25.00h-.8zM2.1 100.00h.8v-50.00h-.8z"


def test_a_line_has_gaps_where_nothing_is_known():
    assert charts.line([0, 4, None, 2, None], 4) == "M0.5 100.00L1.5 0.00M3.3 50.00h.4"


def test_throughput_tells_every_bucket_in_words():
    drawn = charts.throughput(report(figures(completed=1200, failed=1, submitted=7), figures()))

    assert drawn["tips"] == ["12:00: 1,200 completed, 1 failed, 7 submitted", "12:01: nothing"]
    assert (drawn["top"], drawn["half"]) == ("2,000", "1,000")


def test_percentiles_are_drawn_where_there_are_any():
    drawn = charts.percentiles(
        report(figures(), figures(runs=[1.0] * 99 + [60.0])),
        "Time run",
        lambda figures: figures.run,
    )

    assert drawn["tips"][0] == "12:00: none"
    assert drawn["tips"][1] == "12:01: p50 986 ms, p95 986 ms, p99 986 ms"
    assert all(series["path"].startswith("M1.3") for series in drawn["series"])


def test_the_failure_rate_is_of_what_ended():
    drawn = charts.failure_rate(report(figures(completed=3, failed=1, cancelled=5), figures(submitted=1)))

    assert drawn["tips"] == ["12:00: 25 % failed", "12:01: none ended"]


@pytest.mark.parametrize(("count", "step"), [(60, Step.MINUTE), (168, Step.HOUR), (90, Step.DAY)])
def test_a_handful_of_buckets_are_named_at_the_axis(count, step):
    names = [name for name in charts.ticks(report(*[figures()] * count, step=step)) if name]

    assert 3 <= len(names) <= charts.TICKS


def test_a_spark_line_has_a_place_for_every_minute():
    sample = Sample(BEGIN + timedelta(minutes=2), 0, 5, 0, 0, 0, 0, 1, None, 0)

    values = charts.by_minute([sample], BEGIN, lambda sample: sample.queued)

    assert (len(values), values[:4]) == (charts.SPARK_MINUTES, [None, None, 5, None])
    assert charts.spark(values) == "M2.3 0.00h.4"
