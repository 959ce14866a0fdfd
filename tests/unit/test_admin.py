"""What the admin pages report as wrong, and what they change, without a browser."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from jobs_app import runtime
from jobs_app.admin.alerts.state import AdminAlerts
from jobs_app.admin.health import Facts, troubles
from jobs_app.admin.overview import growth_text, overview
from jobs_app.admin.queue.state import AdminQueue
from jobs_app.admin.state import Admin
from jobs_app.live import broadcaster
from jobs_app.live.arrival import Arrival
from jobs_app.live.state import Live
from runlane.alerts.rules import RulePatch
from runlane.clock import utc_now
from runlane.metrics.samples import Growth
from runlane.model.limits import MAX_CONCURRENCY
from runlane.model.requests import QueueChange
from runlane.queue.worker_registry import WorkerState
from tests.support.jobs import running, submitted, worker

NOW = utc_now()


def facts(**more):
    given = {"queued": 0, "running": 0, "concurrency": 5, "paused": False, "oldest_queued_at": None}
    given |= {"workers": [worker()], "redis_ok": True, "database_ok": True, "now": NOW}
    return Facts(**given | more)


def test_when_all_is_well_nothing_is_reported():
    assert troubles(facts(running=5, queued=100, oldest_queued_at=NOW - timedelta(hours=1))) == []


@pytest.mark.parametrize(
    ("what", "text"),
    [
        ({"workers": []}, "No worker takes jobs; start one: python -m worker."),
        ({"workers": [], "queued": 3}, "3 jobs wait, and no worker takes jobs; start one: python -m worker."),
        ({"workers": [worker(state=WorkerState.QUIET)]}, "No worker takes jobs; 1 of them quiet: resume one."),
        (
            {"workers": [worker(state=WorkerState.LOST, last_seen_at=NOW - timedelta(seconds=40))], "queued": 3},
            "3 jobs wait, and no worker has been seen for 40.0 s; start one: python -m worker.",
        ),
        (
            {"workers": [], "worker_active_at": NOW - timedelta(minutes=4)},
            "No worker has been seen for 4 min 0 s; start one: python -m worker.",
        ),
        ({"paused": True, "queued": 1}, "The queue is paused, and 1 job waits. Resume it to let jobs run."),
        (
            {
                "workers": [
                    worker(off={"report": "it cannot be loaded"}),
                    worker("b", off={"report": "it cannot be loaded"}),
                ]
            },
            "report is off: it cannot be loaded. Fix that, and start its workers again; its jobs wait.",
        ),
        ({"redis_ok": False, "workers": None}, "Redis does not answer"),
        ({"database_ok": False}, "The database does not answer"),
        (
            {"workers": [worker(), worker(state=WorkerState.LOST, last_seen_at=NOW - timedelta(seconds=40))]},
            "Worker host-1 has been silent for 40.0 s",
        ),
        (
            {"queued": 1, "oldest_queued_at": NOW - timedelta(minutes=2)},
            "A job has waited for 2 min 0 s while slots are free",
        ),
    ],
)
def test_what_is_wrong_is_reported_with_what_to_do(what, text):
    [trouble] = troubles(facts(**what))

    assert trouble.startswith(text)


async def test_the_overview_counts_what_there_is(tab, service, world):
    await submitted(service)
    await running(service)
    await world.registry.beat(worker())
    admin = await tab.get_state(Admin)

    await admin.load()

    assert (admin.counts["queued"], admin.counts["running"], admin.taking) == (1, 1, 1)
    assert (admin.concurrency, admin.paused, admin.troubles) == (5, False, [])


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "x", "", str(MAX_CONCURRENCY + 1), "1000000000", "٣٣٣٣٣"])
async def test_a_concurrency_that_makes_no_sense_is_refused_in_words(tab, service, text, limits_service):
    admin = await tab.get_state(Admin)

    await admin.set_limit({"concurrency": text})

    assert f"from 1 to {MAX_CONCURRENCY}" in admin.wrong
    assert (await limits_service.current()).concurrency == 5


async def test_no_command_can_be_sent_to_a_worker_that_has_left(tab):
    admin = await tab.get_state(Admin)

    assert "There is no living worker" in str(await admin.command_worker("nobody", "quiet"))
    assert await admin.command_worker("nobody", "explode") is None


async def test_the_overview_reports_that_the_database_is_away(tab, service, world, database_away):
    await world.registry.beat(worker())
    admin = await tab.get_state(Admin)
    await admin.load()

    with database_away():
        await overview(fresh=True)
        await admin.refresh()

    assert admin.troubles[0].startswith("The database does not answer")


@pytest.mark.parametrize(
    ("growth", "text"),
    [
        (Growth(5_000, None, 10**9), "how fast it grows is known after an hour"),
        (Growth(5_000, 12.0, 10**9), "does not grow"),
        (Growth(10**9, -2e6, 10**9), "shrinks by 2 MB a day"),
        (Growth(10**9, 10e6, 10**8), "grows by 10 MB a day; the disk is full by 4 March 2026"),
        (Growth(10**9, 1e6, None), "grows by 1 MB a day; 1.36 GB in a year"),
    ],
)
def test_growth_is_shown_with_what_becomes_of_it(growth, text):
    assert growth_text(growth, datetime(2026, 2, 22, tzinfo=UTC)) == text


async def test_many_tabs_read_the_overview_once(tab, service, world, monkeypatch, store):
    await world.registry.beat(worker())
    admin = await tab.get_state(Admin)
    await overview(fresh=True)
    reads = []
    counts = runtime.current().counts
    count_all = counts.all
    monkeypatch.setattr(counts, "all", lambda: reads.append(1) or count_all())

    await asyncio.gather(*(admin.refresh() for _ in range(20)))

    assert reads == []
    assert (await overview(fresh=True)).facts.database_ok
    assert reads == [1]


async def test_the_name_of_the_installation_is_on_every_page(tab, world):
    active = runtime.current()
    broadcaster.use(
        broadcaster.Broadcaster(None, active.hub, active.limits, active.service.kinds, environment="staging")
    )
    await (await tab.get_state(Arrival)).arrive()
    broadcaster.use(None)

    assert (await tab.get_state(Live)).environment == "staging"


async def test_a_lost_worker_shows_what_became_of_its_jobs(tab, service, world):
    done, deleted, waits = [await submitted(service) for _ in range(3)]
    await service.cancel(done.id)
    await service.delete(deleted.id)
    lost = worker(last_seen_at=utc_now() - timedelta(minutes=1))
    ran = {"running": [done.id, deleted.id, waits.id], "clock_ahead_s": -3.0}
    await world.registry.beat(lost.model_copy(update=ran))
    await overview(fresh=True)
    admin = await tab.get_state(Admin)

    await admin.load()

    [row] = admin.workers
    assert row["state"] == "lost"
    assert [job["status"] for job in row["running"]] == ["cancelled", "", "queued"]
    assert row["clock"] == "Its clock is 3.0 s behind."


async def test_a_lost_worker_that_was_forgotten_is_listed_and_no_trouble(tab, service, world, audit):
    await world.registry.beat(worker())
    await world.registry.beat(worker("away", last_seen_at=utc_now() - timedelta(minutes=1)))
    await overview(fresh=True)
    admin = await tab.get_state(Admin)
    await admin.load()
    assert ["Worker away has been silent" in text for text in admin.troubles] == [True]

    await admin.forget_worker("away")

    assert (admin.troubles, [row["id"] for row in admin.workers]) == ([], ["host-1", "away"])
    assert [row["can_forget"] for row in admin.workers] == [False, False]
    assert [(a.action, a.target, a.name) for a in await audit.page()] == [("forget", "worker", "away")]
    assert "There is no lost worker host-1" in str(await admin.forget_worker("host-1"))


async def test_of_two_people_who_set_the_concurrency_the_second_sees_what_the_first_did(
    tab, service, monkeypatch, limits_service
):
    monkeypatch.setattr("jobs_app.admin.state.show_limits", _nothing)
    admin = await tab.get_state(Admin)
    await overview(fresh=True)
    await admin.load()
    await limits_service.change_queue(QueueChange(concurrency=7))

    shown = await admin.set_limit({"concurrency": "3"})

    assert "Somebody else has just changed the queue: now it is paused False, concurrency 7" in str(shown)
    assert (admin.concurrency, (await limits_service.current()).concurrency) == (7, 7)
    await admin.set_limit({"concurrency": "3"})
    assert (await limits_service.current()).concurrency == 3


async def test_of_two_people_with_the_form_of_a_rule_the_second_sees_what_the_first_did(tab):
    page = await tab.get_state(AdminAlerts)
    await page.load()
    await page.submit({**page.form, "name": "Waiting"})
    [made] = page.rules
    page.edit(made["id"])
    await runtime.current().alerts.change(UUID(made["id"]), RulePatch(threshold=90.0))

    shown = await page.submit({**page.form, "threshold": "30"})

    assert "Somebody else has just changed the rule \\'Waiting\\'" in str(shown)
    assert (page.editing, page.rules[0]["threshold"]) == (made["id"], "90")
    await page.submit({**page.form, "threshold": "30"})
    assert page.rules[0]["threshold"] == "30"


async def test_what_would_remove_everything_needs_a_word_typed_whoever_asks_for_it(tab, service):
    await submitted(service)
    page = await tab.get_state(AdminQueue)

    await page.ask_ready("clean", "")
    assert (page.action, page.needs_word, page.may_go) == ("clean", True, False)
    await page.go()
    assert await runtime.current().operations.store.newest(1) == []

    await page.ask_ready("clean", "queued")
    assert (page.needs_word, page.may_go) == (False, True)


async def test_a_page_that_was_just_opened_knows_what_was_set_just_before(tab, service, monkeypatch, limits_service):
    monkeypatch.setattr("jobs_app.admin.state.show_limits", _nothing)
    await overview(fresh=True)
    await limits_service.change_queue(QueueChange(concurrency=7))
    admin = await tab.get_state(Admin)

    await admin.load()
    shown = await admin.set_limit({"concurrency": "3"})

    assert "At once now: 3 jobs at most" in str(shown)


async def _nothing():
    return None
