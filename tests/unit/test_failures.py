"""Which failures are the same, and what is told of those that are."""

import sqlite3
from datetime import timedelta

import pytest

from runlane.clock import utc_now
from runlane.core.attempts import failed
from runlane.db.schema import migrate
from runlane.metrics.failures import HOURS, Failures
from runlane.model.fingerprint import fingerprint, normalised
from runlane.model.snapshot import JobError
from runlane.search.matching import JobFilter
from testbed.attempts import end_attempt
from tests.support.jobs import running

pytestmark = pytest.mark.databases

AT = '  File "/app/worker/tasks/{file}.py", line {line}, in run\n    x\n'


def error(message="Timed out after 30 s.", file="scrape", line=10, kind="TimeoutError"):
    return JobError(type=kind, message=message, traceback=AT.format(file=file, line=line))


@pytest.fixture
def failures(database):
    return Failures(database)


async def fail(service, what, **more):
    job = await running(service, **more)
    await end_attempt(service, failed(job.id, 1, what, retry_at=None))
    return job


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Timed out after 30.5 s.", "Timed out after <n> s."),
        ("No job 01a20af7-bddc-7346-ac32-62051b9fb1c1", "No job <id>"),
        ("at 0x7fa3422be200", "at <id>"),
        ("cannot open 'a.txt'\n  again", "cannot open <text> again"),
        ("deadbeef and decade", "deadbeef and decade"),
        ("", ""),
    ],
)
def test_what_varies_in_a_message_is_replaced_by_marks(message, expected):
    assert normalised(message) == expected


def test_failures_are_the_same_for_other_numbers_and_lines_but_not_for_another_place_or_type():
    assert fingerprint(error("after 30 s", line=10)) == fingerprint(error("after 31 s", line=12))
    assert fingerprint(error()) != fingerprint(error(file="other"))
    assert fingerprint(error()) != fingerprint(error(kind="ValueError"))


async def test_failed_jobs_are_grouped_by_cause_the_largest_first(service, store, failures):
    for seconds in (1, 2, 3):
        await fail(service, error(f"Timed out after {seconds} s."))
    last = await fail(service, error("No route to host", kind="OSError"))

    large, small = await failures.groups(utc_now())

    assert (large.count, large.type, large.message, large.frame) == (
        3,
        "TimeoutError",
        "Timed out after <n> s.",
        "scrape.py:run",
    )
    assert (small.count, small.newest_id) == (1, last.id)
    assert large.first_at < large.last_at
    assert large.hours == [0] * (HOURS - 1) + [3]


async def test_the_hours_of_a_group_are_the_last_day(service, store, failures):
    await fail(service, error())

    [group] = await failures.groups(utc_now() + timedelta(hours=5))
    assert group.hours.index(1) == HOURS - 6
    [group] = await failures.groups(utc_now() + timedelta(days=2))
    assert (group.count, sum(group.hours)) == (1, 0)


async def test_a_retried_job_leaves_its_group(service, store, failures):
    job = await fail(service, error())
    mark = fingerprint(error())
    assert await store.count(JobFilter(text=f"failure:{mark}")) == 1

    await service.retry(job.id)

    assert await failures.groups(utc_now()) == []
    assert await store.count(JobFilter(text=f"failure:{mark}")) == 0


def test_failures_of_an_earlier_version_are_grouped_when_it_is_upgraded(tmp_path):
    url, path = f"sqlite:///{tmp_path}/runlane.db", tmp_path / "runlane.db"
    migrate(url, "0006")
    row = "INSERT INTO job (id, kind, params, status, error, created_at, progress, message, attempt, max_attempts, "
    row += "priority, version) VALUES (?, 'noop', '{}', ?, ?, '2026-01-01', 0, '', 1, 1, 0, 1)"
    with sqlite3.connect(path) as db:
        for number in range(1203):
            db.execute(row, (f"{number:032x}", "failed", error(f"after {number} s").model_dump_json()))
        db.execute(row, ("f" * 32, "completed", None))

    migrate(url)

    with sqlite3.connect(path) as db:
        marks = db.execute("SELECT fingerprint, count(*) FROM job GROUP BY fingerprint ORDER BY 2").fetchall()
    assert marks == [(None, 1), (fingerprint(error("after 1 s")), 1203)]
