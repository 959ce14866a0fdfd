"""Submitting, cancelling, retrying, deleting; and what happens while Redis is away."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from runlane.clock import utc_now
from runlane.core.attempts import completed, failed
from runlane.core.deletion import UNDO_WITHIN
from runlane.errors import InvalidInput, JobNotFound, WrongStatus
from runlane.model.requests import QueueChange, Submission
from runlane.model.snapshot import Deleted, JobError
from runlane.model.status import JobStatus
from runlane.queue.client import Command
from testbed.attempts import end_attempt, start_attempt
from tests.support.jobs import running, submitted


async def test_a_submitted_job_is_committed_then_queued_then_announced(service, world):
    job = await submitted(service)

    assert world.queue.in_order() == [str(job.id)]
    assert [change.job.id for change in world.events.published] == [job.id]


async def test_parameters_are_kept_with_their_defaults(service):
    job, _ = await service.submit(Submission(kind="web_agent", params={"steps": 3}))

    assert job.params == {"start_url": "https://example.com", "goal": "", "steps": 3, "step_seconds": 1.0}


async def test_an_unknown_kind_is_refused_with_the_closest_name_and_nothing_is_stored(service, store):
    with pytest.raises(InvalidInput, match="Did you mean 'web_agent'") as refusal:
        await service.submit(Submission(kind="web_agnt"))

    assert refusal.value.errors[0].field == "kind"
    assert (await store.page()).jobs == []


async def test_parameters_that_take_too_much_room_are_refused(service, store):
    with pytest.raises(InvalidInput) as refusal:
        await service.submit(Submission(kind="always_fails", params={"message": "x" * 2_000_000}))

    assert refusal.value.errors[0].field.startswith("params")
    assert (await store.page()).jobs == []


async def test_a_delayed_job_is_scheduled_and_not_in_the_queue_until_it_is_due(service, world, reconciler):
    job = await submitted(service, delay_s=3600)
    soon = await submitted(service, delay_s=60)

    assert (job.status, soon.status) == (JobStatus.SCHEDULED, JobStatus.SCHEDULED)
    assert world.queue.in_order() == []

    await reconciler.queue_due([job.id, soon.id], soon.scheduled_for)

    assert world.queue.in_order() == [str(soon.id)]
    assert world.queue.scheduled == {str(job.id): job.scheduled_for}
    assert (await world.store.get(job.id)).status is JobStatus.SCHEDULED


async def test_jobs_found_due_together_are_queued_in_the_order_of_their_times(service, world, reconciler):
    later = await submitted(service, delay_s=3600)
    sooner = await submitted(service, delay_s=60)

    await reconciler.queue_due([later.id, sooner.id], later.scheduled_for)

    assert world.queue.in_order() == [str(sooner.id), str(later.id)]
    assert (await world.store.get(sooner.id)).queued_at == sooner.scheduled_for


async def test_a_time_that_has_passed_means_now(service):
    job = await submitted(service, scheduled_for=utc_now() - timedelta(days=1))

    assert job.status is JobStatus.QUEUED


async def test_delay_and_time_together_are_refused(service):
    with pytest.raises(InvalidInput, match="choose one"):
        await submitted(service, delay_s=1, scheduled_for=utc_now())


async def test_the_same_idempotency_key_gives_the_same_job_again(service, world):
    first, made = await service.submit(Submission(kind="noop"), idempotency_key="order-17")
    second, made_again = await service.submit(Submission(kind="noop"), idempotency_key="order-17")

    assert (made, made_again) == (True, False)
    assert first.id == second.id
    assert len(world.events.published) == 1


async def test_a_batch_is_made_whole_or_not_at_all(service, store):
    with pytest.raises(InvalidInput) as refusal:
        await service.submit_many([Submission(kind="noop"), Submission(kind="slow", params={"seconds": -1})])

    assert [error.field for error in refusal.value.errors] == ["jobs.1.params.seconds"]
    assert (await store.page()).jobs == []


async def test_the_same_idempotency_key_gives_the_same_batch_again(service, world):
    batch = [Submission(kind="noop", priority=n) for n in range(20)]
    first, made = await service.submit_batch(batch, idempotency_key="import-3")
    second, made_again = await service.submit_batch(batch, idempotency_key="import-3")

    assert (made, made_again) == (True, False)
    assert [job.id for job in second] == [job.id for job in first]
    assert len(world.events.published) == 20


async def test_an_empty_batch_makes_no_jobs(service):
    assert await service.submit_many([]) == []


async def test_a_batch_keeps_its_order(service, world):
    jobs = await service.submit_many([Submission(kind="noop") for _ in range(50)])

    assert world.queue.in_order() == [str(job.id) for job in jobs]
    assert [job.id for job in (await world.store.page()).jobs] == [job.id for job in reversed(jobs)]


async def test_a_queued_job_that_is_cancelled_leaves_the_queue_at_once(service, world):
    job = await submitted(service)

    cancelled = await service.cancel(job.id)

    assert cancelled.status is JobStatus.CANCELLED
    assert world.queue.in_order() == []
    assert await start_attempt(service, job.id, "worker-1") is None


async def test_a_scheduled_job_that_is_cancelled_never_falls_due(service, world, reconciler, store):
    job = await submitted(service, delay_s=0.01)

    await service.cancel(job.id)
    await reconciler.queue_due([job.id], job.scheduled_for)

    assert (await store.get(job.id)).status is JobStatus.CANCELLED
    assert (world.queue.in_order(), world.queue.scheduled) == ([], {})


async def test_a_running_job_that_is_cancelled_is_asked_to_stop(service, world):
    job = await running(service)

    cancelling = await service.cancel(job.id)

    assert (cancelling.status, cancelling.cancel_requested_at is not None) == (JobStatus.RUNNING, True)
    assert world.queue.sent == [Command(cancel=job.id)]


async def test_cancelling_again_asks_a_running_job_again_and_adds_no_row(service, world):
    job = await running(service)
    first = await service.cancel(job.id)

    second = await service.cancel(job.id)

    assert second.version == first.version
    assert world.queue.sent == [Command(cancel=job.id)] * 2


async def test_a_finished_job_cannot_be_cancelled(service):
    job = await running(service)
    await end_attempt(service, completed(job.id, 1, None))

    with pytest.raises(WrongStatus, match=f"Job {job.short_id} has already completed"):
        await service.cancel(job.id)


@pytest.mark.parametrize("action", ["cancel", "retry", "delete"])
async def test_an_unknown_job_is_reported_as_unknown(service, action):
    with pytest.raises(JobNotFound):
        await getattr(service, action)(uuid4())


async def test_only_failed_and_cancelled_jobs_are_retried(service):
    job = await running(service)

    with pytest.raises(WrongStatus, match="is running; only failed or cancelled"):
        await service.retry(job.id)


async def test_a_cancelled_job_that_is_retried_is_not_hit_by_the_old_cancel(service, store):
    job = await submitted(service)
    await service.cancel(job.id)

    retried = await service.retry(job.id)
    again = await start_attempt(service, job.id, "worker-1")

    assert (retried.cancel_requested_at, again.cancel_requested_at) == (None, None)


async def test_a_deleted_job_cannot_be_found_nor_its_timeline(service, store, world):
    job = await submitted(service)

    await service.delete(job.id)

    with pytest.raises(JobNotFound):
        await store.events(job.id)
    assert world.queue.in_order() == []
    assert world.events.published[-1] == Deleted(deleted=(job.id,))


async def test_a_deleted_job_can_be_brought_back_as_it_was(service, store, world, counts):
    job = await submitted(service)
    await service.delete(job.id)

    restored = await service.restore(job.id)

    assert restored == job.model_copy(update={"version": 2})
    assert [event.message for event in await store.events(job.id)][-1] == "Brought back after it was deleted."
    assert world.queue.in_order() == [str(job.id)]
    assert (await counts.all())[JobStatus.QUEUED] == 1


async def test_a_deleted_job_is_not_started_counted_listed_or_retried(service, store, counts):
    job, ended = await submitted(service), await submitted(service)
    await service.cancel(ended.id)

    await service.delete(job.id)
    await service.delete(ended.id)

    assert await start_attempt(service, job.id, "worker-1") is None
    assert set((await counts.all()).values()) == {0}
    assert (await store.page()).jobs == []
    for act in (service.retry, service.cancel, service.delete):
        with pytest.raises(JobNotFound):
            await act(ended.id)


async def test_a_deletion_is_for_good_once_the_time_to_undo_it_is_over(service, store, removal):
    job = await submitted(service)
    await service.delete(job.id)

    assert await removal.purge(utc_now()) == 0
    assert await removal.any_deleted()
    assert await removal.purge(utc_now() + UNDO_WITHIN) == 1
    assert not await removal.any_deleted()
    with pytest.raises(JobNotFound):
        await service.restore(job.id)


async def test_a_job_that_is_not_deleted_cannot_be_brought_back(service):
    job = await submitted(service)

    with pytest.raises(WrongStatus, match="is not deleted"):
        await service.restore(job.id)


async def test_a_running_job_cannot_be_deleted(service):
    job = await running(service)

    with pytest.raises(WrongStatus, match="cancel it first"):
        await service.delete(job.id)


async def test_a_job_submitted_while_redis_is_away_is_kept_and_queued_when_it_is_back(
    service, store, world, reconciler
):
    world.queue.away = True
    job = await submitted(service)
    assert (await store.get(job.id)).status is JobStatus.QUEUED

    world.queue.away = False
    found = await reconciler.requeue_missing()

    assert found == 1
    assert world.queue.in_order() == [str(job.id)]


async def test_an_emptied_redis_gets_every_queued_job_back_and_nothing_else(service, world, reconciler):
    jobs = await service.submit_many([Submission(kind="noop") for _ in range(600)])
    await start_attempt(service, jobs[0].id, "worker-1")
    await service.cancel(jobs[1].id)
    world.queue.entries.clear()

    found = await reconciler.requeue_missing()

    assert found == 598
    assert len(world.queue.entries) == 598
    assert await reconciler.requeue_missing() == 0


async def test_a_job_ends_even_when_nothing_can_be_announced(service, store, world):
    job = await running(service)
    world.queue.away = True

    await end_attempt(service, failed(job.id, 1, JobError(type="X", message="y"), retry_at=None))
    await service.retry(job.id)

    assert (await store.get(job.id)).status is JobStatus.QUEUED


async def test_a_claim_that_ended_before_its_job_started_puts_the_job_back_as_it_is(service, store, world, reconciler):
    job = await submitted(service)
    world.queue.entries.clear()

    await reconciler.reclaim(job.id)

    assert world.queue.in_order() == [str(job.id)]
    assert await store.get(job.id) == job


async def test_a_claim_of_a_job_that_ended_or_was_deleted_is_dropped(service, world, reconciler):
    job = await running(service)
    await end_attempt(service, completed(job.id, 1, None))
    world.queue.entries.clear()

    await reconciler.reclaim(job.id)
    await reconciler.reclaim(uuid4())

    assert world.queue.in_order() == []


async def test_entries_that_no_waiting_job_belongs_to_are_dropped(service, world, reconciler):
    job, waits = await submitted(service), await submitted(service)
    await start_attempt(service, job.id, "worker-1")

    assert await reconciler.drop_orphans() == 1
    assert world.queue.in_order() == [str(waits.id)]


async def test_a_scheduled_job_that_redis_lost_is_awaited_again(service, world, reconciler):
    job = await submitted(service, delay_s=60)
    world.queue.scheduled.clear()

    assert await reconciler.requeue_missing() == 1
    assert world.queue.scheduled == {str(job.id): job.scheduled_for}


async def test_a_queue_that_missed_a_change_is_known_to_be_behind(service, world, follow_up):
    assert not follow_up.fell_behind.is_set()
    world.queue.away = True

    await submitted(service)

    assert follow_up.fell_behind.is_set()


async def test_what_people_set_for_the_queue_outlives_what_redis_knows(service, world, config, limits_service):
    assert await limits_service.current() == replace(
        await limits_service.current(), concurrency=config.concurrency, paused=False
    )

    await limits_service.change_queue(QueueChange(paused=True))
    await limits_service.change_queue(QueueChange(concurrency=2))

    limits = await limits_service.current()
    assert (limits.paused, limits.concurrency) == (True, 2)
    assert world.queue.limits == limits
    await limits_service.change_queue(QueueChange(concurrency=None))
    assert (await limits_service.current()).concurrency == config.concurrency
