"""Making, changing and deleting schedules on their page, without a browser."""

from datetime import timedelta
from uuid import UUID

import pytest

from jobs_app.admin.schedules.rows import schedule_row
from jobs_app.admin.schedules.state import BLANK, AdminSchedules
from jobs_app.ui import formats
from runlane.clock import utc_now
from runlane.schedules.service import SchedulePatch


@pytest.fixture
async def page(tab):
    page = await tab.get_state(AdminSchedules)
    await page.load()
    return page


def draft(**more):
    return {**BLANK, "name": "Nightly", "kind": "noop", **more}


async def test_a_schedule_is_made_listed_changed_paused_run_and_deleted(page, store):
    await page.submit(draft(timing="every 3600"))
    [made] = page.schedules
    assert (made["name"], made["timing"], len(made["next"])) == ("Nightly", "every 3600", 5)

    page.edit(made["id"])
    assert (page.editing, page.form["timing"]) == (made["id"], "every 3600")
    await page.submit({**page.form, "timing": "30 2 * * 1-5", "timezone": "Europe/Berlin"})
    [changed] = page.schedules
    assert (changed["id"], changed["timing"], changed["timezone"]) == (made["id"], "30 2 * * 1-5", "Europe/Berlin")
    assert page.editing == ""

    await page.pause(made["id"], True)
    assert (page.schedules[0]["paused"], page.schedules[0]["next"]) == (True, [])
    await page.pause(made["id"], False)
    await page.run_now(made["id"])
    assert [job.kind for job in (await store.page()).jobs] == ["noop"]

    page.ask_delete(made["id"])
    assert page.pending_delete["name"] == "Nightly"
    await page.delete()
    assert page.schedules == []


async def test_secrets_of_a_schedule_stay_on_the_server_and_as_they_are(page, world):
    await page.submit(draft(kind="report", params='{"source": {"api_key": "hunter2"}}'))
    [made] = page.schedules
    assert "hunter2" not in str(page.schedules)

    page.edit(made["id"])
    await page.submit({**page.form, "name": "Weekly"})

    [changed] = await world.schedules.store.all()
    assert (changed.name, changed.params["source"]["api_key"]) == ("Weekly", "hunter2")


async def test_the_next_times_are_shown_while_one_types(page):
    assert len(page.next) == 5

    page.type_in("timing", "61 * * * *")
    assert (page.next, set(page.errors)) == ([], {"timing"})
    page.type_in("timing", "every x")
    assert set(page.errors) == {"timing"}
    page.type_in("timing", "every 90")
    assert (len(page.next), page.errors) == (5, {})
    page.type_in("timezone", "Mars/Phobos")
    assert set(page.errors) == {"timezone"}


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"name": ""}, "name"),
        ({"timing": ""}, "timing"),
        ({"timing": "every 0"}, "timing"),
        ({"timing": "every nan"}, "timing"),
        ({"params": "{"}, "params"),
        ({"params": "[]"}, "params"),
        ({"kind": "slow", "params": '{"seconds": "x"}'}, "params"),
        ({"kind": "rm_rf"}, "kind"),
        ({"catch_up": "always"}, "catch_up"),
        ({"priority": "high"}, "priority"),
        ({"priority": "9" * 30}, "priority"),
        ({"max_attempts": "0"}, "max_attempts"),
        ({"timezone": "x" * 1000}, "timezone"),
    ],
)
async def test_what_makes_no_sense_is_reported_at_its_field_and_nothing_is_made(page, more, field):
    await page.submit(draft(**more))

    assert field in page.errors
    assert page.schedules == []


async def test_a_schedule_has_a_priority_and_attempts_of_its_own(page, world):
    await page.submit(draft(priority="7", max_attempts="2"))
    [made] = await world.schedules.store.all()
    page.edit(str(made.id))
    await page.submit({**page.form, "max_attempts": ""})

    [changed] = await world.schedules.store.all()
    assert (made.priority, made.max_attempts) == (7, 2)
    assert (changed.priority, changed.max_attempts) == (7, None)


async def test_of_two_people_with_the_form_the_second_sees_what_the_first_did(page, world):
    await page.submit(draft(timing="every 3600"))
    [made] = page.schedules
    page.edit(made["id"])
    await world.schedules.change(UUID(made["id"]), SchedulePatch(interval_s=60.0))

    shown = await page.submit({**page.form, "priority": "3"})

    assert "Somebody else has just changed the schedule \\'Nightly\\'" in str(shown)
    assert (page.editing, page.schedules[0]["timing"]) == (made["id"], "every 60")
    await page.submit({**page.form, "timing": "every 60", "priority": "3"})
    assert (page.schedules[0]["timing"], page.schedules[0]["priority"]) == ("every 60", "3")


async def test_two_schedules_cannot_have_one_name(page):
    await page.submit(draft())

    assert "There is a schedule named" in str(await page.submit(draft()))
    assert len(page.schedules) == 1


@pytest.mark.parametrize("schedule_id", ["", "x", "00000000-0000-0000-0000-000000000001"])
async def test_a_schedule_that_was_deleted_is_reported_as_such(page, schedule_id):
    page.edit(schedule_id)
    page.ask_delete(schedule_id)

    assert "There is no schedule" in str(await page.run_now(schedule_id))
    assert "There is no schedule" in str(await page.pause(schedule_id, True))
    assert (page.editing, page.pending_delete["id"]) == ("", "")


async def test_what_is_wrong_with_a_part_of_the_parameters_names_the_part(page):
    await page.submit(draft(kind="web_agent", params='{"steps": "many"}'))

    assert page.errors.keys() == {"params"}
    assert page.errors["params"].startswith("steps: must be a whole number")


async def test_a_schedule_that_is_due_is_marked_and_shows_no_time_that_is_past(page, world):
    await page.submit(draft(timing="every 3600"))
    [made] = await world.schedules.store.all()
    past = made.next_at - timedelta(hours=3)
    row = schedule_row(made.model_copy(update={"next_at": past}), [])

    assert row["is_due"]
    assert len(row["next"]) == 5
    assert all(at > formats.iso(utc_now()) for at in row["next"])
    assert not page.schedules[0]["is_due"]
