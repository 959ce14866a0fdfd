"""The admin page of kinds: what workers have brought, who runs it, what is off, and what a person may change."""

from datetime import timedelta

import pytest

from jobs_app import runtime
from jobs_app.admin.kinds.state import MAX_SHOWN, AdminKinds
from jobs_app.admin.overview import overview
from runlane.clock import utc_now
from runlane.core.attempts import completed
from runlane.kinds.catalogue import catalogue
from testbed.attempts import end_attempt
from tests.support.jobs import running, worker
from tests.support.kinds import kind_of


async def test_every_kind_is_listed_with_its_limits_and_parameters(tab, service):
    for _ in range(3):
        await end_attempt(service, completed((await running(service)).id, 1, None))
    page = await tab.get_state(AdminKinds)

    await page.load()

    kinds = {kind["name"]: kind for kind in page.kinds}
    assert set(kinds) == {kind.name for kind in catalogue()}
    assert "steps (number) = 10" in kinds["web_agent"]["params"]
    assert kinds["web_agent"]["limits"].startswith("3 attempts; at most 2 h 0 min each")
    assert (kinds["noop"]["usually"] != "", kinds["slow"]["usually"]) == (True, "")


async def test_a_kind_that_no_living_worker_can_run_is_marked(tab, world):
    await world.registry.beat(worker(kinds=["noop"]))
    await overview(fresh=True)
    page = await tab.get_state(AdminKinds)

    await page.load()

    kinds = {kind["name"]: (kind["workers"], kind["waits"]) for kind in page.kinds}
    assert kinds["noop"] == ("host-1", "")
    assert kinds["slow"] == ("", "No living worker brings this kind: its jobs wait.")


async def test_a_kind_that_is_off_in_a_worker_shows_why(tab, world):
    await world.registry.beat(worker(kinds=["noop"], off={"report": "worker/tasks/report.py cannot be loaded: boom"}))
    await overview(fresh=True)
    page = await tab.get_state(AdminKinds)

    await page.load()

    off = {kind["name"]: kind["off"] for kind in page.kinds if kind["off"]}
    assert off == {"report": ["Off in host-1: worker/tasks/report.py cannot be loaded: boom."]}


async def test_a_kind_that_only_workers_know_is_listed_and_marked(tab, world):
    await world.registry.beat(worker(kinds=["noop", "brand_new"]))
    await overview(fresh=True)
    page = await tab.get_state(AdminKinds)

    await page.load()

    unknown = [(kind["name"], kind["workers"]) for kind in page.kinds if not kind["is_known"]]
    assert unknown == [("brand_new", "host-1")]


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"max_running": "0"}, "At once"),
        ({"max_running": "many"}, "At once"),
        ({"rate_count": "3"}, "The seconds"),
        ({"rate_count": "0", "rate_s": "0"}, "The number of starts"),
        ({"rate_count": "3", "rate_s": "nan"}, "The seconds"),
        ({"rate_count": "3", "rate_s": "1e9"}, "The seconds"),
    ],
)
async def test_limits_of_a_kind_that_make_no_sense_are_refused_in_words(tab, service, form, field, kind_settings):
    page = await tab.get_state(AdminKinds)
    await page.load()

    await page.set_limits({"kind": "noop", "max_running": "", "rate_count": "", "rate_s": "", **form})

    assert page.wrong["noop"].startswith(field)
    assert await kind_settings.kinds() == {}


async def test_what_the_form_of_limits_leaves_empty_is_as_the_kind_says(tab, service, limits_service):
    page = await tab.get_state(AdminKinds)
    await page.load()

    await page.set_limits({"kind": "noop", "max_running": "2", "rate_count": "30", "rate_s": "60"})
    limits = (await limits_service.current()).kinds["noop"]
    assert (limits.max_running, limits.rate.count, limits.rate.seconds) == (2, 30, 60.0)
    await page.set_limits({"kind": "noop", "max_running": "", "rate_count": "", "rate_s": ""})

    assert (await limits_service.current()).kinds["noop"].rate is None
    assert page.wrong == {}


async def test_a_module_that_cannot_be_imported_is_shown_with_its_error(tab, world):
    await world.registry.beat(worker(kinds=["noop"], off={"my_jobs.crawl": "No module named 'lxml'"}))
    await overview(fresh=True)
    page = await tab.get_state(AdminKinds)

    await page.load()

    assert page.off == ["my_jobs.crawl is off in host-1: No module named 'lxml'."]


async def test_two_workers_with_different_versions_of_a_kind_are_named(tab, world):
    digest = catalogue().get("noop").digest
    await world.registry.beat(worker("new", kinds=["noop"], digests={"noop": digest}))
    await world.registry.beat(worker("old", kinds=["noop"], digests={"noop": "another"}))
    await overview(fresh=True)
    page = await tab.get_state(AdminKinds)

    await page.load()

    outdated = {kind["name"]: kind["outdated"] for kind in page.kinds if kind["outdated"]}
    assert outdated == {
        "noop": "1 worker brings another version of it: old. The one that was brought last counts here."
    }


async def test_a_kind_whose_tags_no_worker_has_waits_and_says_for_what(tab, world, catalogued):
    catalogued.replace([kind_of(name="crawl", tags=("browser", "gpu")), kind_of(name="other")])
    await world.registry.beat(worker(kinds=["crawl", "other"], tags=["gpu"]))
    await overview(fresh=True)
    page = await tab.get_state(AdminKinds)

    await page.load()

    waits = {kind["name"]: (kind["tags"], kind["waits"]) for kind in page.kinds}
    assert waits == {
        "crawl": ("browser, gpu", "No living worker has the tags browser, gpu: its jobs wait."),
        "other": ("", ""),
    }


async def test_of_very_many_kinds_the_first_are_shown_and_the_others_found(tab, catalogued):
    catalogued.replace([kind_of(name=f"job_{number:04}") for number in range(2000)])
    page = await tab.get_state(AdminKinds)
    await page.load()
    assert (len(page.kinds), page.matching, page.total) == (MAX_SHOWN, 2000, 2000)

    await page.find("job 1999")

    assert [kind["name"] for kind in page.kinds] == ["job_1999"]


async def test_a_kind_is_removed_a_month_after_its_last_worker_and_not_before(tab, plain_sql):
    kinds = runtime.current().kinds
    await kinds.register([kind_of(name="old"), kind_of(name="new")], "host-1")
    plain_sql("UPDATE kind SET last_brought_at = :at WHERE name = 'old'", at=str(utc_now() - timedelta(days=31)))
    kinds._own = ()  # as in a server, which brings none
    await kinds.load()
    page = await tab.get_state(AdminKinds)
    await page.load()
    assert {kind["name"]: kind["can_be_removed"] for kind in page.kinds} == {"new": False, "old": True}

    page.ask_remove("new")
    assert "can be removed when none has brought it for 30 days" in str(await page.remove())
    page.ask_remove("old")
    await page.remove()

    assert [kind["name"] for kind in page.kinds] == ["new"]
