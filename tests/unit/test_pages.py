"""What pages show, without a browser: rows, forms, running jobs and live lines."""

import asyncio
from datetime import date, timedelta
from typing import Literal

import pytest
from pydantic import Field
from reflex.config import get_config
from reflex.utils import frontend_skeleton

from jobs_app.dashboard.slots.running import MAX_HOT, RunningJobs
from jobs_app.job.timeline import rows as timeline_rows
from jobs_app.live.freshness import Freshness
from jobs_app.live.hub import MAILBOX_SIZE, Hub
from jobs_app.submit.forms import form_fields, form_params
from jobs_app.ui import formats, job_rows
from runlane import plain_json
from runlane.clock import utc_now
from runlane.core.attempts import completed, failed
from runlane.define.params import Params, Secret
from runlane.errors import InvalidInput
from runlane.kinds.masking import MASK, unmasked
from runlane.kinds.validation import validated
from runlane.model.snapshot import Change, JobEvent, JobSnapshot
from runlane.model.status import EventType, JobStatus
from runlane.queue.change_feed import Feed
from testbed.attempts import end_attempt, start_attempt
from testbed.waiting import until
from tests.support.jobs import BOOM, NOON, running, snapshot
from tests.support.kinds import bundled, kind_of


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0 ms"), (0.012, "12 ms"), (0.999, "1.0 s"), (3.44, "3.4 s"), (125, "2 min 5 s"), (10_925, "3 h 2 min")],
)
def test_durations_are_shown_to_three_figures(seconds, shown):
    assert formats.duration(NOON, NOON + timedelta(seconds=seconds)) == shown


def test_a_duration_that_has_no_end_or_runs_backwards_is_not_shown():
    assert formats.duration(NOON, None) == formats.duration(NOON, NOON - timedelta(seconds=1)) == ""


async def test_attempts_are_read_from_the_timeline(service, store, reconciler):
    job = await running(service, max_attempts=3)
    await end_attempt(service, failed(job.id, 1, BOOM, retry_at=NOON))
    await reconciler.queue_due([job.id], NOON)
    await start_attempt(service, job.id, "worker-2")
    await end_attempt(service, completed(job.id, 2, None))

    attempts = timeline_rows.lanes(await store.events(job.id), NOON)

    assert [(a["number"], a["status"]) for a in attempts] == [(1, "failed"), (2, "completed")]
    assert attempts[0]["message"] == "Attempt 1 failed: boom"


def test_a_job_that_was_asked_to_stop_is_shown_as_stopping_only_while_it_runs():
    assert job_rows.hot(snapshot(cancel_requested_at=NOON))["cancelling"]
    assert not job_rows.hot(snapshot(cancel_requested_at=NOON, status="cancelled"))["cancelling"]


@pytest.mark.parametrize("kind", bundled(), ids=lambda kind: kind.name)
def test_the_form_of_every_kind_gives_its_defaults_back(kind):
    fields = form_fields(kind)

    sent = form_params(fields, {field["name"]: field["default"] for field in fields})

    assert validated(kind, sent, lax=True) == kind.defaults


def test_a_form_has_an_input_for_every_sort_of_parameter():
    class Inner(Params):
        depth: int = Field(2, description="How deep.")

    class Every(Params):
        text: str
        count: int = 3
        share: float = 0.5
        on: bool = True
        tags: list[str] = Field([])
        extra: dict[str, int] = Field({})
        password: Secret = ""
        choice: Literal["a", "b"] = "a"
        inner: Inner = Inner()

    fields = form_fields(kind_of(Every))

    assert {f["name"]: f["input"] for f in fields} == {
        "text": "text",
        "count": "number",
        "share": "number",
        "on": "switch",
        "tags": "lines",
        "extra": "json",
        "password": "secret",
        "choice": "choice",
        "inner.depth": "number",
    }
    assert fields[-1]["group"] == "Inner"
    sent = {"text": "", "count": "4", "tags": "a\n\n b ", "extra": '{"x": 1}', "inner.depth": "5"}
    assert form_params(fields, sent) == {
        "text": "",
        "count": "4",
        "on": False,
        "tags": ["a", "b"],
        "extra": {"x": 1},
        "password": "",
        "inner": {"depth": "5"},
    }


class Perhaps(Params):
    text: str | None = "something"
    count: int | None = Field(None, ge=1, le=9)
    size: Literal["s", "m"] | None = None
    level: Literal[1, 2, 3] = 2
    on: bool | None = None
    day: date | None = None
    only: Literal["this"] = "this"
    must: Literal["a", 1]


def test_what_may_be_nothing_is_a_plain_field_and_a_choice_stands_for_its_value():
    kind = kind_of(Perhaps)
    fields = {field["name"]: field for field in form_fields(kind)}

    def sent(**typed):
        begun = {name: field["default"] for name, field in fields.items()}
        params = form_params(list(fields.values()), {**begun, "must": "a", **typed})
        return Perhaps.model_validate_json(plain_json.dumps(validated(kind, params, lax=True)), strict=True)

    assert {name: field["input"] for name, field in fields.items()} == {
        **dict.fromkeys(("text", "day"), "text"),
        "count": "number",
        **dict.fromkeys(("size", "level", "on", "only", "must"), "choice"),
    }
    assert (fields["count"]["minimum"], fields["count"]["maximum"]) == ("1", "9")
    assert (fields["size"]["choices"], fields["level"]["choices"]) == (["s", "m", "none"], ["1", "2", "3"])
    assert sent() == Perhaps(must="a")
    assert sent(text="", count="3", size="m", level="3", on="false", day="2026-11-25", must="1") == Perhaps(
        text=None, count=3, size="m", level=3, on=False, day=date(2026, 11, 25), must=1
    )
    with pytest.raises(InvalidInput, match="is required"):
        sent(must="")


def test_a_form_is_filled_without_secrets_and_keeps_those_that_are_not_typed_again():
    class Access(Params):
        token: Secret = ""
        spare: Secret | None = None
        keys: dict[str, Secret] = Field({})

    stored = {"token": "S1", "spare": None, "keys": {"a": "S2"}}
    fields = form_fields(kind_of(Access), stored)

    assert [(f["input"], f["default"], f["kept"]) for f in fields] == [
        ("secret", "", True),
        ("secret", "", False),
        ("json", f'{{"a":"{MASK}"}}', False),
    ]
    untouched = form_params(fields, {field["name"]: field["default"] for field in fields})
    assert unmasked(untouched, stored) == stored
    assert unmasked(form_params(fields, {"token": "new", "keys": "{}"}), stored) == {
        "token": "new",
        "spare": None,
        "keys": {},
    }


def test_a_running_job_keeps_its_place_and_a_new_one_takes_the_first_free_one():
    running_jobs = RunningJobs(3)
    first, second, third = (snapshot() for _ in range(3))
    for job in (first, second):
        running_jobs.apply(job)

    running_jobs.apply(first.model_copy(update={"version": 3, "status": JobStatus.COMPLETED}))
    running_jobs.apply(third)

    assert [slot["id"] for slot in running_jobs.slots()] == [str(third.id), str(second.id), ""]


def test_a_server_that_has_heard_nothing_yet_does_not_claim_to_be_live():
    assert Freshness().feed == "down"


def test_only_announcements_that_had_stopped_come_back_after_a_gap():
    freshness = Freshness()
    assert freshness.switch(Feed.UP) is None

    freshness.switch(Feed.DOWN)

    assert [freshness.switch(Feed.UP), freshness.switch(Feed.UP)] == [0, None]


def test_the_delay_of_pages_is_that_of_the_oldest_change_that_was_sent():
    freshness = Freshness()
    assert freshness.delay_ms == 0
    freshness.received(utc_now() - timedelta(seconds=2))
    freshness.received(utc_now())

    freshness.sent()

    assert freshness.delay_ms >= 2000


def test_the_board_drops_what_is_not_newer():
    running_jobs = RunningJobs(3)
    job = snapshot(version=5, message="new")
    running_jobs.apply(job)

    running_jobs.apply(job.model_copy(update={"version": 4, "message": "old"}))

    assert running_jobs.hot()[str(job.id)]["message"] == "new"


def test_the_board_forgets_ended_jobs_but_never_running_ones():
    running_jobs = RunningJobs(2)
    held = snapshot()
    running_jobs.apply(held)

    for _ in range(MAX_HOT * 2):
        running_jobs.apply(snapshot(status="completed"))

    assert str(held.id) in running_jobs.hot()
    assert len(running_jobs.hot()) <= MAX_HOT + 1


def test_fewer_places_take_away_none_that_is_held():
    running_jobs = RunningJobs(3)
    jobs = [snapshot(status="running") for _ in range(3)]
    for job in jobs:
        running_jobs.apply(job)

    running_jobs.set_slots(1)

    assert [slot["id"] for slot in running_jobs.slots()] == [str(job.id) for job in jobs]
    running_jobs.remove(jobs[2].id)
    assert [slot["id"] for slot in running_jobs.slots()] == [str(job.id) for job in jobs[:2]]
    running_jobs.set_slots(4)
    assert len(running_jobs.slots()) == 4


def test_more_running_jobs_than_places_are_shown_all_the_same():
    running_jobs = RunningJobs(2)
    jobs = [snapshot() for _ in range(4)]
    for job in jobs:
        running_jobs.apply(job)
    assert len(running_jobs.slots()) == 4

    running_jobs.reset(jobs[:1])

    assert [slot["id"] for slot in running_jobs.slots()] == [str(jobs[0].id), ""]


def change_of(job: JobSnapshot) -> Change:
    event = JobEvent(
        version=job.version,
        at=NOON,
        type=EventType.PROGRESS,
        status=job.status,
        attempt=1,
        progress=0,
        message="",
    )
    return Change(job=job, event=event)


@pytest.fixture
async def hub(world):
    hub = Hub(world.events, world.store)
    task = asyncio.create_task(hub.run())
    yield hub
    task.cancel()


async def up(hub: Hub) -> None:
    async def feed() -> Feed:
        return hub.feed

    await until(feed, lambda seen: seen is Feed.UP)


async def test_a_mailbox_takes_what_is_about_its_job(world, hub):
    await up(hub)
    mine, other = snapshot(), snapshot()

    with hub.listen(mine.id) as mailbox:
        await world.events.publish([change_of(other), change_of(mine)])

        assert (await mailbox.get()).job.id == mine.id
    assert hub.listeners == 0


async def test_a_reader_that_falls_behind_is_told_to_read_the_store(world, hub):
    await up(hub)
    job = snapshot()

    with hub.listen() as mailbox:
        changes = [change_of(job.model_copy(update={"version": n})) for n in range(2, MAILBOX_SIZE + 12)]
        await world.events.publish(changes)
        await world.events.publish([change_of(job.model_copy(update={"version": 9999}))])
        seen = [await mailbox.get()]
        while not (isinstance(seen[-1], Change) and seen[-1].job.version == 9999):
            seen.append(await mailbox.get())

    assert seen[0] is Feed.UP
    assert len(seen) < 100


async def test_a_change_too_big_to_announce_is_read_from_the_store(world, hub, service):
    await up(hub)
    job = await running(service)

    with hub.listen(job.id) as mailbox:
        await end_attempt(service, completed(job.id, 1, "x" * 200_000))
        change = await mailbox.get()
        while change.event.version < 3:
            change = await mailbox.get()

    assert len(change.job.result) == 200_000
    assert change.event.version == 3


def test_with_make_dev_the_pages_own_server_passes_the_api_on():
    from jobs_app.reflex_settings.rxconfig import passing_on

    made = passing_on(frontend_skeleton._compile_vite_config(get_config()))

    assert '    proxy: process.env.DEV_API ? { "/api": process.env.DEV_API, ' in made
    with pytest.raises(AssertionError, match="Reflex writes its configuration in another way now"):
        passing_on("export default {}")
