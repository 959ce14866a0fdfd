"""Making, changing and deleting schedules on their page, without a browser."""

import pytest

from jobs_app.state.admin_schedules import BLANK, AdminSchedules
from tests.unit.test_tabs import tab  # noqa: F401 - a fixture


@pytest.fixture
async def page(tab):  # noqa: F811
    page = await tab.get_state(AdminSchedules)
    await page.load()
    return page


def wish(**more):
    return {**BLANK, "name": "Nightly", "kind": "noop", **more}


async def test_a_schedule_is_made_listed_changed_paused_run_and_deleted(page, store):
    await page.submit(wish(timing="every 3600"))
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
    assert page.doomed["name"] == "Nightly"
    await page.delete()
    assert page.schedules == []


async def test_the_next_times_are_told_while_one_types(page):
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
        ({"timezone": "x" * 1000}, "timezone"),
    ],
)
async def test_what_makes_no_sense_is_said_at_its_field_and_nothing_is_made(page, more, field):
    await page.submit(wish(**more))

    assert field in page.errors
    assert page.schedules == []


async def test_two_schedules_cannot_have_one_name(page):
    await page.submit(wish())

    assert "There is a schedule named" in str(await page.submit(wish()))
    assert len(page.schedules) == 1


@pytest.mark.parametrize("schedule_id", ["", "x", "00000000-0000-0000-0000-000000000001"])
async def test_a_schedule_that_is_gone_is_said_to_be(page, schedule_id):
    page.edit(schedule_id)
    page.ask_delete(schedule_id)

    assert "There is no schedule" in str(await page.run_now(schedule_id))
    assert "There is no schedule" in str(await page.pause(schedule_id, True))
    assert (page.editing, page.doomed["id"]) == ("", "")
