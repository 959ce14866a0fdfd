"""Figures as SVG paths: where a value is drawn, and the words for it."""

from datetime import UTC, datetime, timedelta

import pytest

from jobs_app.admin.metrics import charts
from runlane.metrics.histogram import Histogram
from runlane.metrics.samples import Sample
from runlane.metrics.statistics import Figures, Outcome, Report, Step

BEGIN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def figures(runs=(), **counts):
    found = Figures(run=Histogram.of(runs))
    found.counts.update({Outcome(name): count for name, count in counts.items()})
    return found


def report(*columns, step=Step.MINUTE):
    steps = {BEGIN + index * step.length: column for index, column in enumerate(columns)}
    return Report(step, BEGIN, BEGIN + len(columns) * step.length, steps, {}, Figures())


@pytest.mark.parametrize(
    ("highest", "top"), [(0, 1), (0.003, 0.004), (1, 1), (3, 4), (4, 4), (5, 10), (51, 100), (101, 200), (999, 1000)]
)
def test_the_upper_edge_is_a_round_number(highest, top):
    assert charts.rounded(highest) == pytest.approx(top)


@pytest.mark.parametrize(
    ("highest_s", "top", "half"),
    [
        (0, "1 s", "500 ms"),
        (0.003, "4 ms", "2 ms"),
        (31, "40 s", "20 s"),
        (45, "1 min", "30 s"),
        (90, "2 min", "1 min"),
        (3000, "1 h", "30 min"),
        (3601, "2 h", "1 h"),
        (50_000, "20 h", "10 h"),
        (80_000, "24 h", "12 h"),
        (100_000, "2 d", "24 h"),
        (30_000_000, "400 d", "200 d"),
    ],
)
def test_an_axis_of_time_is_marked_as_people_count(highest_s, top, half):
    edge = charts.rounded_time(highest_s)

    assert (charts.mark(edge), charts.mark(edge / 2)) == (top, half)


def test_bars_stand_on_what_is_below_them():
    assert charts.bars([1, 0, 2], [1, 0, 0], 4) == "M0.1 75.00h.8v-25.00h-.8zM2.1 100.00h.8v-50.00h-.8z"


def test_a_line_has_gaps_where_nothing_is_known():
    assert charts.line([0, 4, None, 2, None], 4) == "M0.5 100.00L1.5 0.00M3.3 50.00h.4"


def test_throughput_describes_every_bucket_in_words():
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
    assert (drawn["top"], drawn["half"]) == ("40 %", "20 %")


@pytest.mark.parametrize(("count", "step"), [(60, Step.MINUTE), (168, Step.HOUR), (90, Step.DAY)])
def test_a_handful_of_buckets_are_named_at_the_axis(count, step):
    names = [name for name in charts.ticks(report(*[figures()] * count, step=step)) if name]

    assert 3 <= len(names) <= charts.TICKS


def test_a_spark_line_has_a_place_for_every_minute():
    sample = Sample(BEGIN + timedelta(minutes=2), 0, 5, 0, 0, 0, 0, 1, None, 0)

    values = charts.by_minute([sample], BEGIN, lambda sample: sample.queued)

    assert (len(values), values[:4]) == (charts.SPARK_MINUTES, [None, None, 5, None])
    assert charts.spark(values).startswith("M2.5 0.00L3.5 0.00L4.5 0.00")  # what was, until something else is known


@pytest.mark.parametrize(
    ("values", "path"),
    [
        ([0, 4], "M0.5 100.00L1.5 0.00"),
        ([2, 2], "M0.5 0.00L1.5 0.00"),
        ([1, 4], "M0.5 75.00L1.5 0.00"),
        ([10_000, 10_004], "M0.5 100.00L1.5 0.00"),
        ([0, 0], "M0.5 100.00L1.5 100.00"),
    ],
)
def test_a_spark_line_shows_what_changes(values, path):
    assert charts.spark(values) == path
