"""What people change about jobs that wait, about kinds and the queue; and that it is in the audit."""

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest

from runlane.audit import acting_as
from runlane.clock import utc_now
from runlane.core.attempts import completed
from runlane.errors import Conflict, InvalidInput, JobNotFound, KindNotFound, WrongStatus
from runlane.model.limits import MAX_PRIORITY
from runlane.model.requests import JobPatch, KindChange, QueueChange, RateChange, Submission
from runlane.model.status import JobStatus
from runlane.schedules.service import ScheduleDraft
from testbed.attempts import end_attempt, start_attempt
from tests.support.jobs import running, submitted
from tests.support.tabs import NOBODY

pytestmark = pytest.mark.databases


async def audited(audit, text=""):
    return [(a.who, a.action, a.target, a.before, a.after) for a in await audit.page(text=text)]


async def test_an_edit_of_a_waiting_job_is_in_its_timeline_and_in_the_audit(service, world, store, audit):
    job = await submitted(service, kind="web_agent", priority=1)

    with acting_as("ada"):
        edited = await service.edit(job.id, JobPatch(priority=5, params={"steps": 3}))

    assert (edited.priority, edited.params["steps"], edited.version) == (5, 3, job.version + 1)
    assert (edited.status, edited.message) == (job.status, job.message)
    event = (await store.events(job.id))[-1]
    assert event.message == "Edited: parameters, priority."
    assert event.data == {"reason": "edited", "changed": ["params", "priority"], "by": "ada"}
    [(who, action, target, before, after)] = await audited(audit)
    assert (who, action, target, before["priority"], after["priority"]) == ("ada", "edit", "job", 1, 5)
    assert (before["params"]["steps"], after["params"]["steps"]) == (10, 3)
    assert (await world.queue.head(1)) == [job.id]


async def test_what_is_as_it_was_is_no_change(service, audit):
    job = await submitted(service, priority=3)

    assert await service.edit(job.id, JobPatch(priority=3)) == job
    assert await audited(audit) == []


async def test_secrets_are_not_in_the_audit(service, store, audit):
    job = await submitted(service, kind="report", params={"source": {"api_key": "abc-secret"}})

    await service.edit(job.id, JobPatch(params={"source": {"api_key": "new-secret"}}))

    assert (await store.get(job.id)).params["source"]["api_key"] == "new-secret"
    assert "secret" not in str(await audited(audit))


@pytest.mark.parametrize(
    ("patch", "error"),
    [
        (JobPatch(params={"steps": -1}), InvalidInput),
        (JobPatch(params={"nonsense": 1}), InvalidInput),
        (JobPatch(scheduled_for=utc_now() + timedelta(hours=1)), InvalidInput),
        (JobPatch(version=99), Conflict),
    ],
)
async def test_an_edit_that_makes_no_sense_changes_nothing(service, patch, error, store):
    job = await submitted(service, kind="web_agent")

    with pytest.raises(error):
        await service.edit(job.id, patch)

    assert await store.get(job.id) == job


async def test_a_job_that_has_just_started_is_not_edited(service):
    job = await running(service)

    with pytest.raises(WrongStatus, match=r"is running; only a job that waits can be edited"):
        await service.edit(job.id, JobPatch(priority=5, version=1))
    with pytest.raises(JobNotFound):
        await service.edit(UUID(NOBODY), JobPatch(priority=5))


async def test_an_edit_and_a_start_that_meet_are_decided_by_the_database(service, store):
    for _ in range(20):
        job = await submitted(service)
        edit, started = await asyncio.gather(
            service.edit(job.id, JobPatch(priority=5)), start_attempt(service, job.id, "w"), return_exceptions=True
        )
        now = await store.get(job.id)
        assert started is not None
        assert now.status is JobStatus.RUNNING
        assert now.priority == (0 if isinstance(edit, WrongStatus) else 5)


async def test_another_time_is_only_for_scheduled_jobs(service):
    job = await submitted(service, delay_s=60)
    later = utc_now() + timedelta(hours=2)

    edited = await service.edit(job.id, JobPatch(scheduled_for=later))

    assert (edited.status, edited.scheduled_for) == (JobStatus.SCHEDULED, later)
    with pytest.raises(InvalidInput):
        await service.edit(job.id, JobPatch(scheduled_for=utc_now() + timedelta(days=4000)))


async def test_a_scheduled_job_is_promoted_once(service, world):
    job = await submitted(service, delay_s=3600)

    promoted = await service.promote(job.id)

    assert (promoted.status, promoted.scheduled_for) == (JobStatus.QUEUED, None)
    assert await world.queue.head(1) == [job.id]
    with pytest.raises(WrongStatus, match="is queued; only a scheduled job"):
        await service.promote(job.id)


async def test_a_job_is_moved_to_the_front(service, world):
    first, last = await submitted(service, priority=7), await submitted(service, priority=-3)

    moved = await service.move_to_front(last.id)

    assert moved.priority == 8
    assert await world.queue.head(2) == [last.id, first.id]
    assert (await service.move_to_front(last.id)).version == moved.version


async def test_nothing_goes_before_the_highest_priority(service):
    await submitted(service, priority=MAX_PRIORITY)
    job = await submitted(service)

    with pytest.raises(WrongStatus, match="A job with the highest priority"):
        await service.move_to_front(job.id)


async def test_people_set_what_holds_for_a_kind(service, limits_service, audit):
    with acting_as("ada"):
        await limits_service.change_kind("noop", KindChange(paused=True, max_running=2))
    limits = await limits_service.change_kind("noop", KindChange(rate=RateChange(count=3, seconds=60.0)))

    assert (limits.kinds["noop"].paused, limits.kinds["noop"].max_running) == (True, 2)
    assert (limits.kinds["noop"].rate.count, limits.kinds["noop"].rate.seconds) == (3, 60.0)
    limits = await limits_service.change_kind("noop", KindChange(max_running=None, rate=None))
    assert (limits.kinds["noop"].max_running, limits.kinds["noop"].rate) == (None, None)
    assert limits.kinds["noop"].paused
    assert (await audited(audit, "ada")) == [
        ("ada", "change", "kind", {"paused": False, "max_running": None}, {"paused": True, "max_running": 2})
    ]
    with pytest.raises(KindNotFound):
        await limits_service.change_kind("nothing", KindChange(paused=True))


async def test_the_second_of_two_people_gets_a_conflict_with_what_the_first_did(service, kind_settings, limits_service):
    version = (await kind_settings.queue()).version
    await limits_service.change_queue(QueueChange(concurrency=7, version=version))

    with pytest.raises(Conflict, match="now it is paused False, concurrency 7"):
        await limits_service.change_queue(QueueChange(concurrency=3, version=version))
    await limits_service.change_kind("noop", KindChange(paused=True, version=0))
    with pytest.raises(Conflict):
        await limits_service.change_kind("noop", KindChange(max_running=3, version=0))

    assert (await limits_service.current()).concurrency == 7


async def test_a_setting_that_is_set_to_what_it_was_causes_no_conflict(service, kind_settings, limits_service):
    for concurrency in (7, 7):
        await limits_service.change_queue(QueueChange(concurrency=concurrency))
        await limits_service.change_kind("noop", KindChange(paused=True))

    await limits_service.change_queue(QueueChange(concurrency=3, version=1))
    await limits_service.change_kind("noop", KindChange(paused=False, version=1))
    setting, kinds = await kind_settings.queue(), await kind_settings.kinds()

    assert (setting.concurrency, setting.version) == (3, 2)
    assert (kinds["noop"].paused, kinds["noop"].version) == (False, 2)


async def test_who_acted_is_on_the_timeline_and_in_the_audit(service, store, audit):
    with acting_as("ada"):
        cancelled = await service.cancel((await submitted(service)).id)
        await service.retry(cancelled.id)
        await service.delete(cancelled.id)
        await service.restore(cancelled.id)
    done = await running(service)
    await end_attempt(service, completed(done.id, 1, None))

    assert [action for _, action, *_ in await audited(audit)] == ["restore", "delete", "retry", "cancel"]
    by = [(event.data or {}).get("by") for event in await store.events(cancelled.id)]
    assert by == ["ada"] * 4


async def test_who_submitted_jobs_is_on_their_timelines(service, world, store):
    with acting_as("ada"):
        jobs = [await submitted(service), *await service.submit_many([Submission(kind="noop")] * 2)]
        schedule = await world.schedules.create(ScheduleDraft(name="nightly", kind="noop", interval_s=3600.0))
        jobs.append(await world.schedules.run_now(schedule.id))
    nobodys = await submitted(service)

    firsts = [(await store.events(job.id))[0].data for job in (*jobs, nobodys)]
    assert [data.get("by") for data in firsts] == ["ada"] * 4 + [None]


async def test_the_audit_is_read_page_by_page_and_searched(service, audit, limits_service):
    for number in range(5):
        with acting_as(f"person {number}"):
            await limits_service.change_queue(QueueChange(concurrency=number + 1))

    first = await audit.page(limit=3)
    rest = await audit.page(limit=3, before=first[-1].id)

    assert [action.who for action in first + rest] == [f"person {number}" for number in (4, 3, 2, 1, 0)]
    assert [action.who for action in await audit.page(text="SON 3")] == ["person 3"]
    assert [action.after for action in await audit.page(text='"concurrency":2')][:1] != []
