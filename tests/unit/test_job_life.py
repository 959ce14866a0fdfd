"""A job's life: which status follows which, one version and one timeline row a change, whoever asks in what order."""

import asyncio
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runlane.clock import utc_now
from runlane.core.attempts import HandlerMessage, cancelled, completed, failed, handed_back
from runlane.core.reconcile import Reconciler
from runlane.core.service import JobService
from runlane.errors import JobsError
from runlane.model.snapshot import JobSnapshot
from runlane.model.status import FOLLOWS, TERMINAL, EventType, JobStatus
from runlane.search.matching import JobFilter
from testbed.attempts import end_attempt, report_attempt, start_attempt
from tests.support.jobs import BOOM, running, submitted

pytestmark = pytest.mark.databases


def test_every_status_has_its_followers_and_an_ended_job_may_at_most_be_queued_again():
    assert set(FOLLOWS) == set(JobStatus)
    assert {status: FOLLOWS[status] for status in TERMINAL} == {
        JobStatus.COMPLETED: set(),
        JobStatus.FAILED: {JobStatus.QUEUED},
        JobStatus.CANCELLED: {JobStatus.QUEUED},
    }


async def test_a_submitted_job_is_queued_at_version_one_with_one_timeline_row(service, store):
    job = await submitted(service)

    assert (job.status, job.version, job.attempt) == (JobStatus.QUEUED, 1, 1)
    [event] = await store.events(job.id)
    assert (event.version, event.type, event.status) == (1, EventType.STATUS, JobStatus.QUEUED)


async def test_a_job_that_completed_holds_its_result_and_all_its_times(service):
    job = await running(service)

    done = await end_attempt(service, completed(job.id, job.attempt, {"pages": 3}))

    assert done.status is JobStatus.COMPLETED
    assert (done.result, done.progress, done.error) == ({"pages": 3}, 100, None)
    assert done.created_at <= done.queued_at <= done.started_at <= done.finished_at


@pytest.mark.parametrize("result", [None, 0, "", [], {"n": 2**100}, "ü€", False])
async def test_any_json_is_kept_exactly_as_a_result(service, store, result):
    job = await running(service)

    await end_attempt(service, completed(job.id, job.attempt, result))

    assert (await store.get(job.id)).result == result


async def test_a_failed_attempt_waits_for_its_next_one_with_the_reason(service):
    job = await running(service, max_attempts=3)
    retry_at = utc_now()

    waiting = await end_attempt(service, failed(job.id, job.attempt, BOOM, retry_at=retry_at))

    assert (waiting.status, waiting.attempt, waiting.scheduled_for) == (JobStatus.SCHEDULED, 2, retry_at)
    assert waiting.error == BOOM


async def test_a_job_without_attempts_left_is_failed_for_good(service):
    job = await running(service)

    ended = await end_attempt(service, failed(job.id, job.attempt, BOOM, retry_at=None))

    assert ended.status is JobStatus.FAILED
    assert ended.finished_at is not None


async def test_of_a_cancel_and_a_finish_that_meet_the_database_takes_one(service, store):
    jobs = [await running(service) for _ in range(20)]

    async def cancel(job: JobSnapshot) -> bool:
        try:
            await service.cancel(job.id)
        except JobsError:
            return False
        return True

    for job in jobs:
        requested, done = await asyncio.gather(cancel(job), end_attempt(service, completed(job.id, job.attempt, 1)))
        after = await store.get(job.id)
        assert done is not None, "a running job that ends has ended, whoever wished otherwise"
        assert after.status is JobStatus.COMPLETED
        assert (after.cancel_requested_at is not None) is requested


async def test_ten_retries_at_once_make_one_new_attempt(service, store):
    job = await running(service)
    await end_attempt(service, failed(job.id, 1, BOOM, retry_at=None))

    outcomes = await asyncio.gather(*(service.retry(job.id) for _ in range(10)), return_exceptions=True)

    assert sum(isinstance(outcome, JobSnapshot) for outcome in outcomes) == 1
    assert (await store.get(job.id)).attempt == 2


async def test_an_attempt_that_was_taken_away_can_write_nothing(service, store, reconciler):
    job = await running(service, max_attempts=3)
    await reconciler.reclaim(job.id)
    again = await start_attempt(service, job.id, "worker-2")

    late = await end_attempt(service, completed(job.id, 1, "late"))
    heard = await report_attempt(service, job.id, 1, [HandlerMessage(EventType.PROGRESS, progress=99.0)])

    assert (late, heard) == (None, False)
    assert (await store.get(job.id)).version == again.version


async def test_a_lost_workers_job_runs_again_as_a_new_attempt_with_the_reason(service, store, world, reconciler):
    job = await running(service, max_attempts=2)

    await reconciler.reclaim(job.id)

    again = await store.get(job.id)
    assert (again.status, again.attempt) == (JobStatus.QUEUED, 2)
    assert "worker lost" in again.message
    assert world.queue.in_order() == [str(job.id)]


async def test_a_lost_workers_job_without_attempts_left_is_failed(service, store, reconciler):
    job = await running(service, max_attempts=1)

    await reconciler.reclaim(job.id)

    assert (await store.get(job.id)).status is JobStatus.FAILED


async def test_a_lost_workers_job_that_was_to_be_cancelled_is_cancelled(service, store, reconciler):
    job = await running(service, max_attempts=3)
    await service.cancel(job.id)

    await reconciler.reclaim(job.id)

    assert (await store.get(job.id)).status is JobStatus.CANCELLED


async def test_a_job_handed_back_costs_no_attempt(service):
    job = await running(service)

    back = await end_attempt(service, handed_back(job.id, job.attempt))

    assert (back.status, back.attempt, back.worker) == (JobStatus.QUEUED, 1, None)


async def test_a_retry_gives_one_more_attempt_when_all_are_used(service):
    job = await running(service)
    await end_attempt(service, failed(job.id, 1, BOOM, retry_at=None))

    again = await service.retry(job.id)

    assert (again.attempt, again.max_attempts) == (2, 3)
    assert (again.error, again.finished_at, again.progress) == (None, None, 0)


async def test_earlier_attempts_stay_in_the_timeline_after_a_retry(service, store):
    job = await running(service)
    await end_attempt(service, failed(job.id, 1, BOOM, retry_at=None))
    await service.retry(job.id)

    messages = [event.message for event in await store.events(job.id)]

    assert messages == ["Waiting for a free slot.", "Started.", "Failed: boom", "Queued again by hand."]


ACTIONS = st.sampled_from(
    [
        "start",
        "complete",
        "fail",
        "fail_for_good",
        "cancel",
        "end_cancelled",
        "retry",
        "hand_back",
        "lost",
        "note",
        "promote",
    ]
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=st.lists(ACTIONS, max_size=25), late=st.booleans())
async def test_whatever_happens_in_whatever_order_versions_have_no_gap_and_the_timeline_ends_as_the_job_is(
    service, store, actions, late, counts, reconciler
):
    job = await submitted(service, max_attempts=5)
    before = job

    for action in actions:
        attempt = before.attempt - 1 if late and before.attempt > 1 else before.attempt
        await act(service, reconciler, job.id, attempt, action)
        after = await store.get(job.id)
        if after.status is not before.status:
            assert after.status in FOLLOWS[before.status], f"{action}: {before.status} became {after.status}"
        if before.status in TERMINAL and action != "retry":
            assert after == before, f"{action} changed a job that is {before.status}"
        assert after.version >= before.version
        before = after

    events = await store.events(job.id)
    assert [event.version for event in events] == list(range(1, before.version + 1))
    last = events[-1]
    assert (last.status, last.attempt, last.progress) == (before.status, before.attempt, before.progress)
    assert await counts.all() == {status: await store.count(JobFilter(statuses=(status,))) for status in JobStatus}


async def act(service: JobService, reconciler: Reconciler, job_id: UUID, attempt: int, action: str) -> None:
    try:
        match action:
            case "start":
                await start_attempt(service, job_id, "worker-1")
            case "complete":
                await end_attempt(service, completed(job_id, attempt, {"ok": True}))
            case "fail":
                await end_attempt(service, failed(job_id, attempt, BOOM, retry_at=utc_now()))
            case "fail_for_good":
                await end_attempt(service, failed(job_id, attempt, BOOM, retry_at=None))
            case "cancel":
                await service.cancel(job_id)
            case "end_cancelled":
                await end_attempt(service, cancelled(job_id, attempt, "Cancelled."))
            case "retry":
                await service.retry(job_id)
            case "hand_back":
                await end_attempt(service, handed_back(job_id, attempt))
            case "lost":
                await reconciler.reclaim(job_id)
            case "note":
                await report_attempt(
                    service, job_id, attempt, [HandlerMessage(EventType.PROGRESS, message="step", progress=50.0)]
                )
            case "promote":
                await reconciler.queue_due([job_id], utc_now())
    except JobsError:
        pass  # a refusal is an answer; that nothing changed is checked by the caller
