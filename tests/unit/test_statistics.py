"""Figures over time: what is counted, once, and that percentiles are those of the jobs."""

import asyncio
import contextlib
import json
import math
import random
import sqlite3
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from bench.seed import seed
from jobs_app.admin.metrics import charts
from runlane.clock import utc_now
from runlane.core.attempts import completed, failed, handed_back
from runlane.core.transitions import job_table
from runlane.db.database import Database
from runlane.metrics.histogram import Histogram
from runlane.metrics.statistics import KEPT, WINDOWS, Figures, Outcome, Statistics, Step, floor, step_for
from runlane.model.snapshot import JobError
from testbed.attempts import end_attempt
from tests.support.jobs import running, submitted

pytestmark = pytest.mark.databases

BROKEN = JobError(type="ValueError", message="no")


async def last_hour(statistics):
    await statistics.roll_up(utc_now())
    return await statistics.window("1h", utc_now())


def counted(figures):
    return {outcome: count for outcome, count in figures.counts.items() if count}


async def test_every_outcome_is_counted_where_it_belongs(service, statistics):
    await end_attempt(service, completed((await running(service)).id, 1, None))
    await end_attempt(service, failed((await running(service)).id, 1, BROKEN, retry_at=None))
    await end_attempt(service, failed((await running(service)).id, 1, BROKEN, retry_at=utc_now()))
    await service.cancel((await submitted(service)).id)

    report = await last_hour(statistics)

    assert counted(report.total) == {
        Outcome.SUBMITTED: 4,
        Outcome.COMPLETED: 1,
        Outcome.FAILED: 1,
        Outcome.RETRIED: 1,
        Outcome.CANCELLED: 1,
    }
    assert report.total.failure_rate == 0.5
    assert report.total.run.total == 3  # one was cancelled before it ran
    assert report.total.counts == report.kinds["noop"].counts


async def test_what_is_no_outcome_is_not_counted(service, statistics):
    job = await running(service)
    await end_attempt(service, handed_back(job.id, 1))
    done = await running(service)
    await end_attempt(service, completed(done.id, 1, None))
    await service.delete(done.id)
    await service.restore(done.id)

    report = await last_hour(statistics)

    assert counted(report.total) == {Outcome.SUBMITTED: 2, Outcome.COMPLETED: 1}


async def test_deleting_a_job_takes_nothing_from_what_has_been(service, statistics):
    job = await submitted(service)
    await service.cancel(job.id)
    await service.delete(job.id)

    report = await last_hour(statistics)

    assert counted(report.total) == {Outcome.SUBMITTED: 1, Outcome.CANCELLED: 1}


async def test_rolling_up_twice_counts_once(service, statistics):
    for _ in range(3):
        await submitted(service)
        await statistics.roll_up(utc_now())

    assert await statistics.roll_up(utc_now()) == 0
    assert counted((await last_hour(statistics)).total) == {Outcome.SUBMITTED: 3}


async def test_all_steps_agree(service, statistics):
    for _ in range(5):
        await end_attempt(service, completed((await running(service)).id, 1, None))
    await statistics.roll_up(utc_now())

    totals = [(await statistics.window(name, utc_now())).total for name in WINDOWS]

    assert all(total.counts == totals[0].counts and total.run.counts == totals[0].run.counts for total in totals)
    assert totals[0].counts[Outcome.COMPLETED] == 5


@pytest.mark.parametrize(("name", "step", "count"), [(name, *steps) for name, steps in WINDOWS.items()])
async def test_a_window_has_a_place_for_every_step(statistics, name, step, count):
    now = datetime(2026, 3, 1, 12, 34, 56, tzinfo=UTC)

    report = await statistics.window(name, now)

    assert len(report.steps) == count
    assert list(report.steps)[-1] == floor(now, step)
    assert report.total == Figures()


async def test_the_figures_are_those_of_the_jobs(service, statistics, store):
    """Against what SQL says of the same jobs, read one by one."""
    for number in range(40):
        job = await running(service, kind="noop" if number % 3 else "slow")
        end = completed(job.id, 1, None) if number % 4 else failed(job.id, 1, BROKEN, retry_at=None)
        await end_attempt(service, end)

    report = await last_hour(statistics)

    columns = [job_table.c[name] for name in ("kind", "status", "queued_at", "started_at", "finished_at")]
    jobs = await store._db.read(lambda db: db.execute(select(*columns)).all())
    assert counted(report.total) == Counter([*(job.status for job in jobs), *["submitted"] * 40])
    for kind, figures in report.kinds.items():
        runs = sorted((job.finished_at - job.started_at).total_seconds() for job in jobs if job.kind == kind)
        waits = sorted((job.started_at - job.queued_at).total_seconds() for job in jobs if job.kind == kind)
        assert figures.run.percentile(0.5) == pytest.approx(runs[(len(runs) + 1) // 2 - 1], rel=0.03, abs=0.0006)
        assert figures.wait.percentile(0.95) == pytest.approx(
            waits[-(-len(waits) * 95 // 100) - 1], rel=0.03, abs=0.0006
        )


async def test_only_the_kinds_asked_for(service, statistics):
    await submitted(service, kind="noop")
    await submitted(service, kind="slow")
    await statistics.roll_up(utc_now())

    report = await statistics.window("1h", utc_now(), ["slow"])

    assert (list(report.kinds), report.total.counts[Outcome.SUBMITTED]) == (["slow"], 1)


async def test_old_minutes_go_and_days_stay(service, statistics):
    await submitted(service)
    await statistics.roll_up(utc_now())

    await statistics.roll_up(utc_now() + KEPT[Step.MINUTE] + timedelta(hours=1))

    assert {cost.step: cost.rows for cost in await statistics.cost()} == {Step.MINUTE: 0, Step.HOUR: 1, Step.DAY: 1}


async def test_purging_takes_only_what_was_named(service, statistics, audit):
    await submitted(service)
    await statistics.roll_up(utc_now())

    assert await statistics.purge(Step.HOUR, utc_now() + timedelta(days=1)) == 1
    assert await statistics.purge(Step.DAY, utc_now() - timedelta(days=1)) == 0
    actions = [(action.action, action.name, action.after["rows"]) for action in await audit.page()]
    assert actions == [("purge", "by the day", 0), ("purge", "by the hour", 1)]


@pytest.mark.parametrize("seed", range(5))
def test_percentiles_are_true_to_a_few_percent(seed):
    chance = random.Random(seed)
    durations = [chance.lognormvariate(1, 2) for _ in range(2000)]
    histogram, rest = Histogram.of(durations[:700]), Histogram.of(durations[700:])
    histogram.merge(Histogram(json.loads(json.dumps(rest.counts))))

    for share in (0.5, 0.95, 0.99):
        exact = sorted(durations)[int(share * len(durations)) - 1]
        assert histogram.percentile(share) == pytest.approx(exact, rel=0.026)
    assert Histogram().percentile(0.5) is None


def test_times_too_short_or_backwards_count_as_the_shortest():
    assert Histogram.of([0.0, -5.0]).percentile(0.5) < 0.001


def test_the_step_is_the_finest_that_is_kept():
    now = utc_now()

    assert step_for(now - timedelta(hours=1), now, now) is Step.MINUTE
    assert step_for(now - timedelta(days=3), now - timedelta(days=3, hours=-1), now) is Step.HOUR
    assert step_for(now - timedelta(days=30), now, now) is Step.DAY


async def test_the_charts_of_a_made_up_year_are_those_that_sql_computes(tmp_path):
    """Every bucket and kind of 90 days, against the jobs themselves read with plain SQL."""
    path, now = tmp_path / "runlane.db", datetime.now(UTC)
    await asyncio.to_thread(seed, path, 4000, random.Random(7))
    database = Database(f"sqlite:///{path}")
    report = await Statistics(database).window("90d", now)
    await database.close()

    with contextlib.closing(sqlite3.connect(path)) as db:
        rows = db.execute(
            "SELECT kind, status, date(finished_at), (julianday(finished_at) - julianday(started_at)) * 86400 FROM job "
            "WHERE finished_at >= ?",
            (f"{report.since:%Y-%m-%d %H:%M:%S}",),
        ).fetchall()
    ended = Counter((day, status) for _, status, day, _ in rows)
    for at, figures in report.steps.items():
        for outcome in (Outcome.COMPLETED, Outcome.FAILED, Outcome.CANCELLED):
            assert figures.counts[outcome] == ended[f"{at:%Y-%m-%d}", outcome]
    for kind, figures in report.kinds.items():
        runs = sorted(run_s for of_kind, _, _, run_s in rows if of_kind == kind)
        assert figures.run.total == len(runs)
        for share in (0.5, 0.95):
            exact = runs[math.ceil(share * len(runs)) - 1]
            assert figures.run.percentile(share) == pytest.approx(exact, rel=0.03)
    chart = charts.throughput(report)
    busiest = max(report.steps, key=lambda at: report.steps[at].counts[Outcome.COMPLETED])
    place = list(report.steps).index(busiest)
    assert f"{ended[f'{busiest:%Y-%m-%d}', 'completed']} completed" in chart["tips"][place]
