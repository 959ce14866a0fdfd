"""What a job is, from its first moment to its last. Read this page first, top to bottom.

Everything here is real: the service, which keeps every job in a database; the queue, in a Redis server; and a worker, a
process of its own. ``steered`` is a kind made for tests: such a job does what its script says, when the script says it.
"""

from datetime import timedelta

import pytest

from runlane.clock import utc_now
from runlane.errors import InvalidInput, JobNotFound, WrongStatus
from tests.support.steered import Script

pytestmark = pytest.mark.xdist_group("fundamentals")


async def test_a_job_that_is_submitted_runs(product):
    """A job is one request for work of some kind; it waits in the queue until a worker takes it."""
    job = await product.submit("noop")
    assert job.status == "queued"

    done = await product.becomes(job, "completed")

    assert done.created_at <= done.started_at <= done.finished_at


async def test_what_its_parameters_must_be_is_checked_before_anything_is_kept(product):
    """A kind defines which parameters it takes; what does not fit is refused, and each wrong field is named."""
    with pytest.raises(InvalidInput) as refusal:
        await product.submit("slow", params={"seconds": "long"})

    assert [error.field for error in refusal.value.errors] == ["params.seconds"]


async def test_it_reports_its_steps_and_keeps_its_result(product, script):
    """While it runs a job reports what it does; each step is a line of its timeline, and stays."""
    job = await product.submit("steered", params=script.params)
    script.step("Opening the page")
    script.step("Reading it")
    script.end()

    done = await product.becomes(job, "completed")

    assert await product.timeline(job) == [
        *("Waiting for a free slot.", "Started."),
        *("Opening the page", "Reading it"),
        "Completed.",
    ]
    assert (done.result, done.progress) == ({"lines": 3}, 100)


async def test_it_is_cancelled_while_it_waits(product):
    """A job that waits is cancelled at once, and never runs."""
    job = await product.submit("noop", delay_s=3600)

    cancelled = await product.services.jobs.cancel(job.id)

    assert (cancelled.status, cancelled.started_at) == ("cancelled", None)


async def test_it_is_cancelled_while_it_runs(product, script):
    """A job that runs is asked to stop, and is cancelled when its code has stopped."""
    job = await product.submit("steered", params=script.params)
    await product.becomes(job, "running")

    asked = await product.services.jobs.cancel(job.id)

    assert asked.cancel_requested_at is not None
    await product.becomes(job, "cancelled")


async def test_it_fails_and_is_tried_again_by_itself(product):
    """A failure is followed by another attempt, after a pause, as long as attempts are left."""
    job = await product.submit("flaky", params={"failures": 2})

    done = await product.becomes(job, "completed")

    assert (done.attempt, done.result) == (3, {"failures": 2, "attempts": 3})


async def test_it_fails_for_good_and_a_person_retries_it(product):
    """Without attempts left a job has failed, with its error; a retry is one more attempt of the same job."""
    job = await product.submit("flaky", params={"failures": 1}, max_attempts=1)
    failed = await product.becomes(job, "failed")
    assert (failed.error.type, failed.error.message) == ("ConnectionError", "Failure 1 of 1, as asked.")

    await product.services.jobs.retry(job.id)

    assert (await product.becomes(job, "completed")).attempt == 2


async def test_it_runs_again_when_its_worker_is_killed(product, script):
    """A worker only leases a job: when the worker gives no sign any more, the job runs again elsewhere."""
    job = await product.submit("steered", params=script.params)
    await product.becomes(job, "running")

    await product.kill_worker()
    await product.start_worker()
    script.end()

    assert (await product.becomes(job, "completed")).attempt == 2
    assert "Queued again: worker lost." in await product.timeline(job)


async def test_five_run_at_once_and_the_sixth_waits(product, script):
    """At most five jobs run at once, over all workers; the others wait for their turn."""
    jobs = [await product.submit("steered", params=script.params) for _ in range(6)]
    for job in jobs[:5]:
        await product.becomes(job, "running")
    assert (await product.job(jobs[5])).status == "queued"

    script.end()

    await product.becomes(jobs[5], "completed")


async def test_the_one_with_the_higher_priority_goes_first(product, script, tmp_path):
    """Jobs run in the order of their submission, and one of a higher priority before those of a lower one."""
    busy = [await product.submit("steered", params=script.params) for _ in range(5)]
    for job in busy:
        await product.becomes(job, "running")
    plain, urgent = (Script(tmp_path / name) for name in ("plain", "urgent"))
    waiting = await product.submit("steered", params=plain.params)
    first = await product.submit("steered", params=urgent.params, priority=10)

    await product.services.jobs.cancel(busy[0].id)

    await product.becomes(first, "running")
    assert (await product.job(waiting)).status == "queued"


async def test_it_is_scheduled_for_later(product):
    """A job for later is ``scheduled`` until its time has come, then it is queued like any other."""
    due_at = utc_now() + timedelta(seconds=0.5)
    job = await product.submit("noop", scheduled_for=due_at)
    assert job.status == "scheduled"

    done = await product.becomes(job, "completed")

    assert done.started_at >= due_at


async def test_it_is_deleted_and_brought_back(product):
    """A job is kept until a person deletes it, and a deletion can be undone for ten seconds."""
    job = await product.submit("noop")
    await product.becomes(job, "completed")

    await product.services.jobs.delete(job.id)

    with pytest.raises(JobNotFound):
        await product.job(job)
    await product.services.jobs.restore(job.id)
    assert (await product.job(job)).status == "completed"


async def test_what_cannot_be_done_is_refused_with_a_sentence(product):
    """A refusal says what happened, to which job, and what can be done instead."""
    job = await product.submit("noop")
    await product.becomes(job, "completed")

    with pytest.raises(WrongStatus, match="only failed or cancelled jobs can be retried"):
        await product.services.jobs.retry(job.id)
