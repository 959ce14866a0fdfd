"""Schedules: each occurrence makes one job, whoever comes to make it; what was missed; what people change."""

import asyncio
import itertools
from datetime import timedelta

import pytest

from runlane.clock import utc_now
from runlane.db.database import Database
from runlane.errors import Conflict, InvalidInput, NameTaken, ScheduleNotFound
from runlane.kinds.catalogue import Catalogue
from runlane.kinds.masking import MASK
from runlane.model.status import JobStatus
from runlane.schedules.service import ScheduleDraft, SchedulePatch, Timing, next_times
from runlane.schedules.store import CatchUp, ScheduleStore

pytestmark = pytest.mark.databases


@pytest.fixture
def schedules(world):
    return world.schedules


async def nightly(schedules, **changes):
    given = {"name": "nightly", "kind": "noop", "interval_s": 3600.0}
    return await schedules.create(ScheduleDraft(**given | changes))


async def jobs_of(store):
    return (await store.page()).jobs


async def test_a_schedule_makes_a_job_at_its_time_and_moves_to_its_next(schedules, store, world):
    schedule = await nightly(schedules, kind="web_agent", params={"steps": 3}, priority=7, max_attempts=2)

    await schedules.fire(schedule.id, schedule.next_at)

    [job] = await jobs_of(store)
    assert (job.kind, job.params["steps"], job.priority, job.max_attempts) == ("web_agent", 3, 7, 2)
    assert world.queue.in_order() == [str(job.id)]
    after = await schedules.store.get(schedule.id)
    assert after.next_at == schedule.next_at + timedelta(hours=1)
    assert (after.last_at, after.last_job_id) == (schedule.next_at, job.id)
    assert world.queue.scheduled == {f"schedule:{schedule.id}": after.next_at}
    [first] = await store.events(job.id)
    assert first.data == {
        "reason": "schedule",
        "schedule_id": str(schedule.id),
        "schedule": "nightly",
        "occurrence": schedule.next_at.isoformat(),
    }


async def test_before_its_time_a_schedule_makes_nothing(schedules, store):
    schedule = await nightly(schedules)

    await schedules.fire(schedule.id, schedule.next_at - timedelta(milliseconds=1))

    assert await jobs_of(store) == []
    assert await schedules.store.get(schedule.id) == schedule


async def test_twenty_workers_at_once_make_one_job_of_an_occurrence(schedules, store, database_url):
    schedule = await nightly(schedules)
    databases = [Database(database_url) for _ in range(2)]
    stores = [ScheduleStore(database) for database in databases]

    firings = await asyncio.gather(*(stores[n % 2].fire(schedule.id, schedule.next_at, Catalogue()) for n in range(20)))

    assert sum(firing.change is not None for firing in firings) == 1
    assert len(await jobs_of(store)) == 1
    for database in databases:
        await database.close()


@pytest.mark.parametrize(
    ("late", "catch_up", "made"),
    [
        (timedelta(seconds=59), CatchUp.SKIP, 1),
        (timedelta(minutes=5), CatchUp.SKIP, 0),
        (timedelta(minutes=5), CatchUp.ONCE, 1),
        (timedelta(days=30), CatchUp.ONCE, 1),
        (timedelta(hours=3, seconds=30), CatchUp.SKIP, 1),
    ],
)
async def test_occurrences_that_were_missed_are_skipped_or_made_up_for_once(schedules, store, late, catch_up, made):
    schedule = await nightly(schedules, catch_up=catch_up)
    now = schedule.next_at + late

    for _ in range(3):
        await schedules.fire(schedule.id, now)

    assert len(await jobs_of(store)) == made
    after = await schedules.store.get(schedule.id)
    assert now < after.next_at <= now + timedelta(hours=1)
    assert (after.next_at - schedule.next_at) % timedelta(hours=1) == timedelta(0)


async def test_a_paused_schedule_makes_nothing_and_is_not_awaited(schedules, store, world):
    schedule = await nightly(schedules)
    paused = await schedules.change(schedule.id, SchedulePatch(paused=True))

    await schedules.fire(schedule.id, schedule.next_at)

    assert await jobs_of(store) == []
    assert world.queue.scheduled == {}
    assert next_times(paused, utc_now()) == []


async def test_the_next_times_of_a_schedule_are_never_past(schedules):
    schedule = await nightly(schedules)
    late = schedule.next_at + timedelta(hours=2, minutes=1)

    assert next_times(schedule, late)[:2] == [schedule.next_at + timedelta(hours=n) for n in (3, 4)]


async def test_a_schedule_that_is_resumed_counts_from_now(schedules, world):
    schedule = await nightly(schedules, paused=True)

    resumed = await schedules.change(schedule.id, SchedulePatch(paused=False))

    assert resumed.next_at > schedule.next_at
    assert world.queue.scheduled == {f"schedule:{schedule.id}": resumed.next_at}
    assert next_times(resumed, utc_now())[:2] == [resumed.next_at, resumed.next_at + timedelta(hours=1)]


async def test_a_new_timing_replaces_the_old_one(schedules):
    schedule = await nightly(schedules)

    changed = await schedules.change(schedule.id, SchedulePatch(cron="0 3 * * *", timezone="Europe/Berlin"))

    assert (changed.cron, changed.interval_s, changed.version) == ("0 3 * * *", None, 2)
    assert changed.next_at.minute == 0


async def test_what_is_not_named_stays_as_it_is(schedules):
    schedule = await nightly(schedules, params={}, priority=3, catch_up=CatchUp.ONCE)

    changed = await schedules.change(schedule.id, SchedulePatch(name="hourly"))

    assert changed == schedule.model_copy(update={"name": "hourly", "version": 2, "updated_at": changed.updated_at})


async def test_run_now_makes_a_job_and_leaves_the_times(schedules, store):
    schedule = await nightly(schedules, paused=True)

    job = await schedules.run_now(schedule.id)

    assert (job.status, [j.id for j in await jobs_of(store)]) == (JobStatus.QUEUED, [job.id])
    assert (await schedules.store.get(schedule.id)).next_at == schedule.next_at


async def test_a_deleted_schedule_makes_nothing_more_and_its_jobs_stay(schedules, store, world):
    schedule = await nightly(schedules)
    await schedules.run_now(schedule.id)

    await schedules.delete(schedule.id)
    await schedules.fire(schedule.id, schedule.next_at)

    assert len(await jobs_of(store)) == 1
    assert world.queue.scheduled == {}
    with pytest.raises(ScheduleNotFound):
        await schedules.delete(schedule.id)


async def test_reminders_that_redis_lost_are_put_back(schedules, world):
    schedule, paused = await nightly(schedules), await nightly(schedules, name="paused", paused=True)
    world.queue.scheduled.clear()

    await schedules.remind_of_all()

    assert world.queue.scheduled == {f"schedule:{schedule.id}": schedule.next_at}
    assert f"schedule:{paused.id}" not in world.queue.scheduled


async def test_a_schedule_that_the_queue_cannot_hold_keeps_no_other_from_being_due(schedules, world, monkeypatch):
    odd, well = await nightly(schedules, name="a"), await nightly(schedules, name="b")
    world.queue.scheduled.clear()
    remind = schedules._follow_up.remind

    async def refusing(name, at):
        if str(odd.id) in name:
            raise OverflowError("date value out of range")
        await remind(name, at)

    monkeypatch.setattr(schedules._follow_up, "remind", refusing)

    await schedules.remind_of_all()

    assert world.queue.scheduled == {f"schedule:{well.id}": well.next_at}


async def test_a_schedule_in_a_time_zone_that_is_not_known_any_more_can_be_listed(schedules):
    schedule = await nightly(schedules, interval_s=None, cron="30 2 * * *")

    assert next_times(schedule.model_copy(update={"timezone": "Europe/Atlantis"}), utc_now()) == [schedule.next_at]


async def test_a_schedule_is_kept_while_redis_is_away(schedules, world, follow_up):
    world.queue.away = True

    schedule = await nightly(schedules)

    assert await schedules.store.all() == [schedule]
    assert follow_up.fell_behind.is_set()


async def test_two_schedules_cannot_have_one_name(schedules):
    await nightly(schedules)
    other = await nightly(schedules, name="other")

    with pytest.raises(NameTaken, match="'nightly'"):
        await nightly(schedules)
    with pytest.raises(NameTaken):
        await schedules.change(other.id, SchedulePatch(name="nightly"))


async def test_of_two_changes_at_once_the_second_is_refused(schedules):
    schedule = await nightly(schedules)

    outcomes = await asyncio.gather(
        *(schedules.change(schedule.id, SchedulePatch(priority=n)) for n in (1, 2)), return_exceptions=True
    )

    refused = [outcome for outcome in outcomes if isinstance(outcome, Conflict)]
    assert len(refused) == 2 - (await schedules.store.get(schedule.id)).version + 1


async def test_the_second_of_two_people_who_change_a_schedule_gets_a_conflict_with_what_the_first_did(schedules):
    schedule = await nightly(schedules)
    await schedules.change(schedule.id, SchedulePatch(priority=7, version=schedule.version))

    with pytest.raises(Conflict, match=r"the schedule 'nightly': now it is .*priority 7"):
        await schedules.change(schedule.id, SchedulePatch(priority=3, version=schedule.version))

    assert (await schedules.store.get(schedule.id)).priority == 7


async def test_a_schedule_whose_time_has_just_come_can_still_be_changed(schedules):
    schedule = await nightly(schedules)
    await schedules.fire(schedule.id, schedule.next_at)

    changed = await schedules.change(schedule.id, SchedulePatch(priority=3, version=schedule.version))

    assert (changed.priority, changed.next_at) == (3, schedule.next_at + timedelta(hours=1))


async def test_the_audit_has_what_was_set_of_a_schedule_without_its_secrets(schedules, store, audit):
    params = {"title": "a", "source": {"url": "https://example.com", "api_key": "old-key"}}
    schedule = await nightly(schedules, kind="report", params=params)
    other = params | {"title": "b", "source": params["source"] | {"api_key": "new-key"}}

    await schedules.change(schedule.id, SchedulePatch(params=other, priority=2))
    await schedules.change(schedule.id, SchedulePatch(priority=2))

    changed, created = await audit.page()
    assert (changed.before["priority"], changed.after["priority"]) == (0, 2)
    assert (changed.before["params"]["title"], changed.after["params"]["title"]) == ("a", "b")
    assert created.after["params"]["source"]["api_key"] == MASK
    assert "-key" not in str((changed, created))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"kind": "web_agnt"}, "kind"),
        ({"kind": "web_agent", "params": {"steps": 0}}, "params.steps"),
        ({"kind": "web_agent", "params": {"stepz": 1}}, "params.stepz"),
        ({"interval_s": 0.5}, "interval_s"),
        ({"timezone": "Nowhere"}, "timezone"),
    ],
)
async def test_a_schedule_that_could_not_run_is_refused_when_it_is_made_and_when_it_is_changed(
    schedules, changes, field
):
    schedule = await nightly(schedules)

    for attempt in (
        nightly(schedules, name="other", **changes),
        schedules.change(schedule.id, SchedulePatch(**changes)),
    ):
        with pytest.raises(InvalidInput) as refusal:
            await attempt
        assert refusal.value.errors[0].field == field

    assert await schedules.store.all() == [schedule]


def test_a_timing_can_be_tried_before_it_is_used(world):
    times = world.schedules.preview(Timing(interval_s=60.0))

    assert len(times) == 5
    assert times[0] > utc_now()
    assert {later - earlier for earlier, later in itertools.pairwise(times)} == {timedelta(minutes=1)}
