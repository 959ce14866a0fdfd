"""What goes to which rooms of tabs, and how often, without a server: rooms, refreshes, notifications, feeders."""

import asyncio
import contextlib
from collections import defaultdict
from types import SimpleNamespace

import pytest
import reflex as rx

from jobs_app import runtime
from jobs_app.dashboard.feeder import DashboardFeeder
from jobs_app.dashboard.state import JobList
from jobs_app.job.feeder import JobFeeder
from jobs_app.keys import registry
from jobs_app.keys.registry import Place
from jobs_app.live import broadcaster, rooms
from jobs_app.live.arrival import join
from jobs_app.live.broadcaster import Broadcaster
from jobs_app.live.feeder import Feeder
from jobs_app.live.kind_rows import KindChoice, KindGroup
from jobs_app.live.notifications import SPOKEN_AGAIN
from jobs_app.live.rooms import Rooms
from jobs_app.live.state import Live
from jobs_app.submit import feeder as submit_feeder
from jobs_app.submit.state import StartForm
from runlane.background import end_tasks
from runlane.errors import JobNotFound
from runlane.model.snapshot import Change, Deleted, JobEvent
from runlane.model.status import EventType, JobStatus
from runlane.queue.change_feed import Feed
from testbed.waiting import until
from tests.support.jobs import NOON, snapshot, worker
from tests.support.kinds import brought


class TwinNamespace:
    """Rooms as Reflex's namespace has them; keeps what is emitted."""

    namespace = "/_event"

    def __init__(self) -> None:
        self.rooms: dict[str, dict[str, str]] = defaultdict(dict)
        self.server = SimpleNamespace(manager=SimpleNamespace(rooms={self.namespace: self.rooms}))
        self.sid_to_token: dict[str, str] = {}
        self.emitted: list[tuple[str, object]] = []

    async def enter_room(self, sid: str, room: str) -> None:
        self.sid_to_token[sid] = f"token of {sid}"
        self.rooms[room][sid] = sid

    async def leave_room(self, sid: str, room: str) -> None:
        self.rooms[room].pop(sid, None)
        if not self.rooms[room]:
            del self.rooms[room]

    async def emit(self, name: str, update: object, room: str) -> None:
        self.emitted.append((room, update))


class TwinApp:
    """As much of Reflex's app as the live layer leans on."""

    def __init__(self) -> None:
        self.event_namespace = TwinNamespace()
        self.event_processor = self
        self.handled: list[tuple[str, str]] = []

    async def enqueue(self, token: str, event: object) -> None:
        self.handled.append((token, event.name))

    def values(self, state: type[rx.State], name: str) -> list[object]:
        """What a var was given, oldest first, whatever the room."""
        deltas = [update.delta.get(state.get_full_name(), {}) for _, update in self.event_namespace.emitted]
        return [delta[f"{name}_rx_state_"] for delta in deltas if f"{name}_rx_state_" in delta]

    def toasts(self) -> str:
        return "".join(str(update.events) for _, update in self.event_namespace.emitted)


@pytest.fixture
def app():
    return TwinApp()


@pytest.fixture
def live(app, tab, world):
    active = runtime.current()
    return Broadcaster(app, active.hub, active.limits, active.service.kinds)


@pytest.fixture
async def broadcasts(live):
    """Runs the broadcaster's loops until the block ends."""

    @contextlib.asynccontextmanager
    async def run():
        tasks = [asyncio.create_task(loop()) for loop in live.loops().values()]
        try:
            yield
        finally:
            await end_tasks(*tasks)

    return run


def ended(status: JobStatus = JobStatus.FAILED) -> Change:
    job = snapshot(status=status, version=3)
    event = JobEvent(version=3, at=NOON, type=EventType.STATUS, status=status, attempt=1, progress=0, message="")
    return Change(job=job, event=event)


async def test_a_tab_is_in_the_rooms_of_its_page_and_in_no_other(app):
    found = Rooms(app)
    await found.join("tab-1", rooms.DASHBOARD)
    await found.join("tab-2", rooms.DASHBOARD)

    await found.join("tab-1", rooms.of_comparison(1), rooms.of_comparison(2))

    assert found.members(rooms.DASHBOARD) == ["tab-2"]
    assert set(found.open()) == {rooms.DASHBOARD, rooms.of_comparison(1), rooms.of_comparison(2)}
    assert found.tabs == 2


async def test_rooms_that_are_not_ours_are_left_alone(app):
    await app.event_namespace.enter_room("tab-1", "tab-1")
    found = Rooms(app)

    await found.join("tab-1", rooms.QUIET)

    assert app.event_namespace.rooms["tab-1"]
    assert found.open() == [rooms.QUIET]


async def test_every_tab_gets_the_kinds_that_workers_bring_and_its_form_follows(app, live, broadcasts, catalogued):
    submit_feeder.register(live, runtime.current())
    catalogued.on_change(live.kinds_changed)
    for sid, room in (("tab-1", rooms.DASHBOARD), ("tab-2", rooms.ADMIN), ("tab-3", rooms.of_job(1))):
        await live.join(sid, room)

    async with broadcasts():
        catalogued.replace([brought("resize")])
        await until(_value(lambda: len(app.handled) == 2))

    kinds = [KindGroup(label="", kinds=[KindChoice(name="resize", title="Resize")])]
    assert app.values(Live, "kinds") == [kinds] * 3
    assert {token for token, _ in app.handled} == {"token of tab-1", "token of tab-3"}
    assert {event for _, event in app.handled} == {f"{StartForm.get_full_name()}.follow"}


async def test_a_tab_is_sent_the_kinds_when_it_arrives_and_again_only_if_there_are_others(tab, live):
    broadcaster.use(live)
    shown = await tab.get_state(Live)

    await join(tab, rooms.QUIET)
    first = (shown.kinds_version, shown.kinds)
    shown.kinds = []
    await join(tab, rooms.ADMIN)
    broadcaster.use(None)

    assert first == (live.kinds_version, live.kinds)
    assert shown.kinds == []


async def test_tabs_of_a_stale_room_read_again_once_for_many_changes(app, live, broadcasts):
    live.register(rooms.DASHBOARD, JobList.refresh)
    await live.join("tab-1", rooms.DASHBOARD)
    await live.join("tab-2", rooms.ADMIN)

    for _ in range(100):
        live.mark_stale(rooms.DASHBOARD, rooms.ADMIN, rooms.of_job(1))

    async with broadcasts():
        await until(_value(lambda: app.handled))
    assert app.handled == [("token of tab-1", f"{JobList.get_full_name()}.refresh")]


async def test_what_is_odd_about_one_change_keeps_no_other_from_being_shown(live, broadcasts):
    heard = []

    class Odd(Feeder):
        def apply(self, change):
            heard.append(change.job.id)
            raise JobNotFound("odd")

    live.add(Odd())
    changes = [ended(), ended()]
    async with broadcasts():
        await until(_value(lambda: runtime.current().hub.listeners))
        for change in changes:
            _announce(change)
        await until(_value(lambda: len(heard) == 2))

    assert heard == [change.job.id for change in changes]


async def test_a_tab_that_joins_is_given_the_hot_values_of_its_room(live):
    class Greeting(Feeder):
        async def present(self, room):
            return {Live: {"spoken": f"You are in {room}."}}

    live.add(Greeting())

    assert await live.join("tab-1", rooms.QUIET) == [(Live, {"spoken": "You are in quiet."})]


async def test_a_burst_of_failures_is_one_message_for_everybody(app, live, broadcasts):
    await live.join("tab-1", rooms.DASHBOARD)
    await live.join("tab-2", rooms.QUIET)
    failed = [ended().job for _ in range(3)]
    for job in failed:
        live.notifications.job_ended(job)

    async with broadcasts():
        await until(_value(lambda: app.values(Live, "notifications")))

    [listed] = live.notifications.newest()
    assert (listed["text"], listed["href"]) == (f"3 jobs failed, the first is {failed[0].short_id}", "/?status=failed")
    assert app.toasts().count("3 jobs failed") == 1  # for who looks at jobs; the list of all is everywhere
    assert len(app.values(Live, "notifications")) == 2


async def test_the_same_sum_is_read_out_again(app, live, broadcasts, monkeypatch):
    monkeypatch.setattr("jobs_app.live.notifications.SPEAK_EVERY_S", 0.0)
    await live.join("tab-1", rooms.DASHBOARD)
    done = ended(JobStatus.COMPLETED).job

    async with broadcasts():
        for number in (1, 2, 3):
            live.notifications.job_ended(done)
            await until(_value(lambda number=number: len(app.values(Live, "spoken")) == number))

    text = "Jobs ended: 1 completed."
    assert app.values(Live, "spoken") == [text, text + SPOKEN_AGAIN, text]


async def test_after_a_gap_every_tab_reads_again_and_is_notified(app, live, broadcasts):
    live.register(rooms.ADMIN, JobList.refresh)
    await live.join("tab-1", rooms.ADMIN)

    async with broadcasts():
        await until(_value(lambda: runtime.current().hub.listeners))
        for feed in (Feed.DOWN, Feed.UP):
            _announce(feed)
        await until(_value(lambda: app.handled and app.toasts()))

    assert app.values(Live, "feed") == ["down", "up"]
    assert live.notifications.newest()[0]["text"] == "Changes were not announced for 0 s; everything was read again."


async def test_jobs_that_are_deleted_have_their_pages_read_again(app, live, broadcasts):
    job = snapshot(status="completed")
    live.register(rooms.JOB, JobList.refresh)
    live.add(JobFeeder(live))
    await live.join("tab-1", rooms.of_job(job.id))

    async with broadcasts():
        await until(_value(lambda: runtime.current().hub.listeners))
        _announce(Deleted(deleted=(job.id,)))
        await until(_value(lambda: app.handled))

    assert [token for token, _ in app.handled] == ["token of tab-1"]


async def test_a_worker_that_stops_is_reported_once(live, world):
    await live.join("tab-1", rooms.DASHBOARD)
    feeder = DashboardFeeder(live, runtime.current())
    await world.registry.beat(worker("one"))
    await world.registry.beat(worker("two"))
    await feeder.check()
    await world.registry.leave("two")

    await asyncio.gather(*(feeder.check() for _ in range(3)))

    assert [each["text"] for each in live.notifications.newest()] == ["A worker is gone; 1 left."]


async def test_of_the_meanings_of_a_key_the_first_that_fits_the_place_counts(monkeypatch):
    monkeypatch.setattr(registry, "_presses", {})

    async def on_a_job(place):
        return "older job" if place.open_job else None

    async def on_a_list(place):
        return "next row"

    for press in (on_a_job, on_a_list):
        registry.on_key("j", press)

    places = (Place(None, open_job="1"), Place(None))
    assert [await registry.press("j", place) for place in places] == ["older job", "next row"]
    assert await registry.press("q", Place(None)) is None


def test_a_command_that_nobody_registered_does_nothing():
    assert registry.perform("explode:everything") is None
    assert registry.perform("") is None


def _value(get):
    async def read():
        return get()

    return read


def _announce(item) -> None:
    for mailbox in runtime.current().hub._mailboxes:
        mailbox.put(item)
