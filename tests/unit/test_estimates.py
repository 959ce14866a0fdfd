"""What jobs usually take, when a running one may end, and when a waiting one may start."""

from datetime import timedelta

import pytest

from jobs_app.dashboard.slots.estimates import Estimates, Usual, expected_end, is_slow, starts, usual
from jobs_app.dashboard.slots.running import RunningJobs
from jobs_app.ui import formats
from runlane.clock import utc_now
from runlane.core.attempts import completed, failed
from runlane.model.limits import KindLimit, Limits, Rate
from runlane.model.snapshot import JobError
from testbed.attempts import end_attempt
from tests.support.jobs import running, snapshot

pytestmark = pytest.mark.databases

NOW = utc_now()


def at(seconds):
    return NOW + timedelta(seconds=seconds)


def test_a_few_runs_show_what_is_usual_and_fewer_show_nothing():
    assert usual([1.0, 1.0]) is None
    assert usual([1.0, 2.0, 9.0]) == Usual(median_s=2.0, slow_after_s=9.0)


def test_a_run_is_not_slow_for_being_as_long_as_one_that_completed():
    known = usual([10.0, 10.0, 35.0])

    assert known.slow_after_s == 35.0


def test_short_runs_are_given_seconds_before_they_are_called_slow():
    assert usual([0.001] * 5).slow_after_s > 2


def test_who_waits_starts_as_those_who_run_are_expected_to_end():
    assert starts(3, 2, [at(20), at(10)], NOW) == [at(10), at(20), None]


def test_who_waits_starts_now_when_a_slot_is_free_or_an_end_is_overdue():
    assert starts(2, 2, [at(-5)], NOW) == [NOW, NOW]


def test_a_job_without_an_estimate_has_no_expected_end():
    assert starts(2, 2, [None, at(5)], NOW) == [at(5), None]


def test_a_waiting_job_shows_how_its_kind_keeps_it_from_starting():
    running_jobs = RunningJobs(5, lambda kind: Usual(10.0, 20.0))
    running_jobs.limits = Limits(
        5,
        kinds={
            "paused": KindLimit(paused=True),
            "single": KindLimit(max_running=1),
            "rated": KindLimit(rate=Rate(1, 60)),
        },
    )
    running_jobs.apply(snapshot(status="running", kind="single"), NOW)
    kinds = ("paused", "single", "rated", "noop")

    running_jobs.set_next([snapshot(status="queued", kind=kind) for kind in kinds])

    assert [(job["now"], job["starts_at"] == "", job["waits_for"]) for job in running_jobs.next] == [
        (False, True, "when its kind goes on"),
        (False, True, "when another of its kind ends"),
        (False, True, "as the rate of its kind allows"),
        (True, False, "when a slot is free"),
    ]


def test_of_two_that_wait_only_as_many_start_now_as_their_kind_allows():
    running_jobs = RunningJobs(5)
    running_jobs.limits = Limits(5, kinds={"single": KindLimit(max_running=1)})

    running_jobs.set_next([snapshot(status="queued", kind="single") for _ in range(2)])

    assert [job["now"] for job in running_jobs.next] == [True, False]


def test_a_slot_shows_what_is_slow_and_what_is_silent():
    job = snapshot(status="running").model_copy(update={"started_at": at(-60)})
    running_jobs = RunningJobs(1, lambda kind: Usual(10.0, 20.0))

    running_jobs.apply(job, at(-60))

    [slot] = running_jobs.slots()
    assert (slot["usually"], slot["slow"], slot["silent_since"]) == ("10.0 s", True, formats.iso(at(-60)))
    assert slot["ends_at"] == "", "an end that is past is no estimate"


@pytest.mark.parametrize(
    ("progress", "ran_s", "left_s", "slow"),
    [
        (0.0, 4, 6, False),
        (0.0, 15, None, False),
        (0.0, 60, None, True),
        (50.0, 60, 60, False),
        (1.0, 60, 5940, False),
        (100.0, 60, 0, False),
    ],
)
def test_a_job_that_reports_progress_is_believed(progress, ran_s, left_s, slow):
    job = snapshot(status="running").model_copy(update={"started_at": at(-ran_s), "progress": progress})
    known = Usual(10.0, 20.0)

    end = expected_end(job, known, NOW)

    assert end == (None if left_s is None else at(left_s))
    assert is_slow(job, known, NOW, NOW) is slow


def test_a_job_that_stops_telling_how_far_it_is_becomes_slow():
    job = snapshot(status="running").model_copy(update={"started_at": at(-60), "progress": 90.0})

    assert is_slow(job, Usual(10.0, 20.0), at(-11), NOW)
    assert not is_slow(job, Usual(10.0, 20.0), at(-9), NOW)


def test_an_end_that_is_too_far_ahead_is_not_shown():
    job = snapshot(status="running").model_copy(update={"started_at": at(-300 * 86_400), "progress": 0.001})

    assert expected_end(job, None, NOW) is None


def test_progress_alone_shows_when_a_job_ends():
    job = snapshot(status="running").model_copy(update={"started_at": at(-10), "progress": 25.0})

    assert expected_end(job, None, NOW) == at(30)
    assert expected_end(job.model_copy(update={"progress": 0.0}), None, NOW) is None


def test_a_slot_whose_job_has_just_spoken_has_no_mark():
    job = snapshot(status="running").model_copy(update={"started_at": utc_now()})
    running_jobs = RunningJobs(1, lambda kind: Usual(10.0, 20.0))

    running_jobs.apply(job, utc_now())

    [slot] = running_jobs.slots()
    assert (slot["slow"], slot["silent_since"]) == (False, "")


async def test_only_completed_runs_of_the_kind_count(service, store):
    for _ in range(3):
        await end_attempt(service, completed((await running(service)).id, 1, None))
    error = JobError(type="E", message="m")
    await end_attempt(service, failed((await running(service)).id, 1, error, retry_at=None))
    await running(service)
    estimates = Estimates(store)

    await estimates.read({"noop", "slow"})

    assert len(await store.run_times("noop", 50)) == 3
    assert estimates.get("noop").median_s < 1
    assert estimates.get("slow") is None
