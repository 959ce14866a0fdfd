"""What ``jobs_app.live`` leans on in Reflex: rooms, deltas built by hand, and events sent to a tab.

These are inner parts that a new version of Reflex may rename. A real server answers here to a real websocket client,
without a browser and without a build.
"""

import inspect
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import aiohttp
import httpx
import pytest
import reflex as rx
import socketio

from jobs_app.compare.state import Comparison
from jobs_app.dashboard.live_state import LiveDashboard
from jobs_app.dashboard.state import JobList
from jobs_app.job.live_state import LiveJob
from jobs_app.job.state import JobPage
from jobs_app.job.timeline.tails import TAIL_KEPT
from jobs_app.live.state import Live
from jobs_app.submit.state import StartForm
from runlane.composition import compose
from runlane.core.attempts import HandlerMessage, completed, failed
from runlane.core.reader import JobReader
from runlane.core.service import JobService
from runlane.db.database import Database
from runlane.kinds.catalogue import catalogue
from runlane.model.requests import Submission
from runlane.model.snapshot import JobError
from runlane.model.status import EventType
from runlane.queue.change_feed import RedisEvents
from runlane.queue.client import JobQueue
from runlane.settings import read_settings
from testbed.attempts import end_attempt, report_attempt, start_attempt
from testbed.waiting import PATIENCE_S, until
from tests.support.processes import running_app


@dataclass
class Served:
    """The app, served by itself: its ``api`` and websockets answer, its pages are not built."""

    url: str
    api: httpx.AsyncClient
    service: JobService
    reader: JobReader
    log: Path


@pytest.fixture(scope="module")
async def app(session_redis, migrated_file, tmp_path_factory):
    """One app for all tests here, for it takes long to start."""
    folder = tmp_path_factory.mktemp("app")
    database_url = f"sqlite:///{shutil.copy(migrated_file, folder)}"
    database, queue, events = Database(database_url), JobQueue(session_redis.url), RedisEvents(session_redis.url)
    config = read_settings(_env_file=None, data_dir=folder)
    service = compose(database, queue, events, catalogue(), config).jobs
    async with running_app(folder, session_redis.url, database_url) as app:
        yield Served(app.url, app.api, service, JobReader(database), app.log)
    for part in (queue, events, database):
        await part.close()


@pytest.fixture
async def served(app, redis_server):
    """The app, without a job."""
    for job in (await app.reader.page(limit=200)).jobs:
        await app.service.delete(job.id)
    return app


class Tab:
    """A browser tab's websocket, and what came through it."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.client = socketio.AsyncClient(reconnection=False, http_session=session)
        self.received: dict[str, dict[str, object]] = {}
        self.events: list[object] = []
        self.client.on("event", self._take, namespace="/_event")

    async def open(self, url: str, path: str, **query: str) -> None:
        await self.client.connect(
            f"{url}?token={uuid4().hex}",
            auth={"event": _arrival(path, query)},
            socketio_path="/_event",
            namespaces=["/_event"],
            transports=["websocket"],
            wait_timeout=PATIENCE_S,
        )

    async def go(self, path: str, **query: str) -> None:
        await self.client.emit("event", _arrival(path, query), namespace="/_event")

    async def send(self, name: str, payload: dict[str, object]) -> None:
        event = {"name": name, "payload": payload, "router_data": {"pathname": "/", "asPath": "/", "query": {}}}
        await self.client.emit("event", event, namespace="/_event")

    def _take(self, update: dict) -> None:
        self.events += update.get("events") or []
        for state, values in (update.get("delta") or {}).items():
            self.received.setdefault(state, {}).update(values)

    async def var(self, state: type, name: str):
        return self.received.get(state.get_full_name(), {}).get(f"{name}_rx_state_")


def _arrival(path: str, query: dict[str, str]) -> dict[str, object]:
    """What the browser's half of Reflex sends when a page is opened."""
    return {
        "name": "reflex___state____state.hydrate_and_load",
        "payload": {},
        "router_data": {"pathname": path, "asPath": path, "query": query},
    }


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
async def tab(session):
    opened = Tab(session)
    yield opened
    await opened.client.disconnect()


async def test_a_tab_joins_its_room_and_receives_everything_that_happens(served, tab):
    await tab.open(served.url, "/")
    await until(lambda: tab.var(LiveDashboard, "slots"), lambda slots: slots is not None and len(slots) == 5)

    job = (await served.api.post("/api/jobs", json={"kind": "noop"})).json()

    rows = await until(lambda: tab.var(JobList, "rows"), lambda rows: rows)
    assert rows[0]["id"] == job["id"]
    hot = await until(lambda: tab.var(LiveDashboard, "hot"), lambda hot: hot and job["id"] in hot)
    assert hot[job["id"]]["status"] == "queued"
    counts = await until(lambda: tab.var(LiveDashboard, "counts"), lambda counts: counts and counts["queued"] == 1)
    assert counts["running"] == 0


async def test_a_tab_on_a_jobs_page_receives_that_job_alone(served, tab):
    mine = (await served.api.post("/api/jobs", json={"kind": "noop"})).json()
    await tab.open(served.url, f"/jobs/{mine['id']}", job_id=mine["id"])
    await until(lambda: tab.var(JobPage, "found"))

    await served.api.post("/api/jobs", json={"kind": "slow"})
    await served.api.post(f"/api/jobs/{mine['id']}/cancel")

    head = await until(lambda: tab.var(LiveJob, "head"), lambda head: head["status"] == "cancelled")
    assert head["version"] == 2
    tail = await tab.var(LiveJob, "tail")
    assert [line["text"] for line in tail] == ["Cancelled before it started. By REST from 127.0.0.1."]
    assert await tab.var(LiveDashboard, "hot") in (None, {})


async def test_a_tab_that_compares_two_jobs_follows_both(served, tab):
    left, right = [(await served.api.post("/api/jobs", json={"kind": "noop"})).json() for _ in range(2)]
    await tab.open(served.url, f"/jobs/{left['id']}/compare", job_id=left["id"], **{"with": right["id"]})
    await until(lambda: tab.var(Comparison, "loaded"))

    for side, job in (("left", left), ("right", right)):
        await served.api.post(f"/api/jobs/{job['id']}/cancel")

        await until(lambda side=side: tab.var(Comparison, side), lambda row: row["live"]["status"] == "cancelled")


async def test_what_happens_to_another_job_takes_no_line_from_a_jobs_page(served, tab, session):
    mine, _ = await served.service.submit(Submission(kind="noop"))
    await start_attempt(served.service, mine.id, "worker-1")
    await tab.open(served.url, f"/jobs/{mine.id}", job_id=str(mine.id))
    await until(lambda: tab.var(JobPage, "found"))
    lines = [HandlerMessage(EventType.LOG, log_message=str(n), data={"level": "info"}) for n in range(TAIL_KEPT * 2)]

    await report_attempt(served.service, mine.id, 1, lines[:-1])
    await until(lambda: tab.var(LiveJob, "tail"), lambda tail: tail and len(tail) == len(lines) - 1)
    other = Tab(session)
    await other.open(served.url, "/")
    await until(lambda: other.var(LiveDashboard, "slots"))
    another, _ = await served.service.submit(Submission(kind="slow"))
    await until(lambda: other.var(JobList, "rows"), lambda rows: rows and rows[0]["id"] == str(another.id))
    await report_attempt(served.service, mine.id, 1, lines[-1:])

    tail = await until(lambda: tab.var(LiveJob, "tail"), lambda tail: tail[-1]["text"] == lines[-1].log_message)
    assert len(tail) == len(lines)
    await other.client.disconnect()
    await end_attempt(served.service, completed(mine.id, 1, None))


async def test_a_failure_is_shown_on_every_dashboard_in_a_toast(served, tab):
    await tab.open(served.url, "/")
    await until(lambda: tab.var(LiveDashboard, "slots"))
    job, _ = await served.service.submit(Submission(kind="noop"))
    await start_attempt(served.service, job.id, "worker-1")

    await end_attempt(served.service, failed(job.id, 1, JobError(type="X", message="no such page"), retry_at=None))

    async def toasts():
        return str(tab.events)

    toast = await until(toasts, lambda text: job.short_id in text)
    assert "no such page" in toast


# Reflex takes these for marks of its own, see ``jobs_app.live.effects``
MARKS = ("<reflex.Var>x</reflex.Var>", "<reflex.Var>1</reflex.Var>", "a <reflex.Var>²</reflex.Var>", "<reflex.Var>")


@pytest.mark.parametrize("text", MARKS)
async def test_words_that_reflex_takes_for_its_own_arrive_as_they_are(served, tab, text):
    await tab.open(served.url, "/")
    await until(lambda: tab.var(LiveDashboard, "slots"))
    job, _ = await served.service.submit(Submission(kind="always_fails", params={"message": text}))
    await start_attempt(served.service, job.id, "worker-1")
    await report_attempt(served.service, job.id, 1, [HandlerMessage(EventType.PROGRESS, message=text, progress=10)])

    await until(
        lambda: tab.var(LiveDashboard, "hot"), lambda hot: str(job.id) in hot and hot[str(job.id)]["message"] == text
    )
    await end_attempt(served.service, failed(job.id, 1, JobError(type=text, message=text), retry_at=None))

    async def toasts():
        return "".join(str(event["payload"].get("function")) for event in tab.events)

    await until(toasts, lambda shown: json.dumps(text).replace("<", "\\u003c") in shown)
    await tab.go(f"/jobs/{job.id}", job_id=str(job.id))
    await until(lambda: tab.var(JobPage, "found"))
    assert (await tab.var(LiveJob, "head")) is not None


async def test_events_that_hold_such_words_are_refused_and_pages_go_on(served, tab):
    """Every handler of every state is asked, one after the other, over one websocket."""
    await tab.open(served.url, "/")
    await until(lambda: tab.var(LiveDashboard, "slots"))
    handlers = dict(_every_handler(rx.State))
    assert len(handlers) > 50

    for name, arguments in handlers.items():
        await tab.send(name, dict.fromkeys(arguments, MARKS[0]))

    async def refusals():
        return sum("cannot be used on a page" in str(event) for event in tab.events)

    await until(refusals, lambda number: number == len(handlers))
    job = (await served.api.post("/api/jobs", json={"kind": "noop"})).json()
    await until(lambda: tab.var(LiveDashboard, "hot"), lambda hot: job["id"] in hot)


BAD_EVENTS = (
    "hunter2",
    ["hunter2"],
    {"name": "hunter2", "payload": {}},
    {"name": "hunter2\r\nERROR forged", "payload": {}},
    {"name": {"hunter2": 1}},
    {"name": f"{StartForm.get_full_name()}.submit", "payload": "hunter2"},
    {"name": f"{StartForm.get_full_name()}.submit", "payload": {"hunter2": 1}},
    {"name": f"{StartForm.get_full_name()}.submit", "payload": {"form": {}}, "router_data": "hunter2"},
    {"name": f"{JobList.get_full_name()}.find", "payload": {"form": "hunter2"}},
    {"name": f"{JobList.get_full_name()}.find", "payload": {}},
    {"name": f"{StartForm.get_full_name()}.submit", "payload": {"form": ["hunter2"]}},
    {"name": f"{JobList.get_full_name()}.setvar", "payload": {"var_name": "hunter2", "value": "hunter2"}},
)


async def test_what_bad_events_hold_is_not_logged_and_pages_go_on(served, tab):
    await tab.open(served.url, "/")
    await until(lambda: tab.var(LiveDashboard, "slots"))
    for event in BAD_EVENTS:
        await tab.client.emit("event", event, namespace="/_event")
    job = (await served.api.post("/api/jobs", json={"kind": "noop"})).json()

    await until(lambda: tab.var(LiveDashboard, "hot"), lambda hot: job["id"] in hot)

    async def log() -> str:
        return served.log.read_text()

    await until(log, lambda text: text.count("was dropped: ") >= 8)
    assert "hunter2" not in await log()


def _every_handler(state: type[rx.State]) -> Iterator[tuple[str, list[str]]]:
    """The name of each handler of ours that takes anything, and what it takes."""
    for each in state.__subclasses__():
        for name, handler in each.event_handlers.items():
            _self, *taken = inspect.signature(handler.fn).parameters
            if taken and handler.fn.__module__ == each.__module__ and each.__module__.startswith("jobs_app."):
                yield f"{each.get_full_name()}.{name}", taken
        yield from _every_handler(each)


async def test_a_tab_shows_when_its_updates_stop_and_is_complete_when_they_go_on(served, tab, redis_server):
    await tab.open(served.url, "/")
    await until(lambda: tab.var(Live, "feed"), lambda feed: feed == "up")

    with redis_server.away():
        await until(lambda: tab.var(Live, "feed"), lambda feed: feed == "down")
        job = (await served.api.post("/api/jobs", json={"kind": "noop"})).json()

    await until(lambda: tab.var(Live, "feed"), lambda feed: feed == "up")
    await until(lambda: tab.var(JobList, "rows"), lambda rows: [row["id"] for row in rows] == [job["id"]])


async def test_a_tab_that_goes_to_a_jobs_page_leaves_the_dashboards_updates_behind(served, tab):
    job = (await served.api.post("/api/jobs", json={"kind": "noop"})).json()
    await tab.open(served.url, "/")
    await until(lambda: tab.var(JobList, "rows"))

    await tab.go(f"/jobs/{job['id']}", job_id=job["id"])
    await until(lambda: tab.var(JobPage, "found"))
    other = (await served.api.post("/api/jobs", json={"kind": "slow"})).json()
    await served.api.post(f"/api/jobs/{job['id']}/cancel")

    await until(lambda: tab.var(LiveJob, "head"), lambda head: head["status"] == "cancelled")
    assert other["id"] not in await tab.var(LiveDashboard, "hot")


async def test_a_tab_that_closed_is_sent_nothing_more_and_others_are(served, tab, session):
    other = Tab(session)
    for each in (tab, other):
        await each.open(served.url, "/")
        await until(lambda each=each: each.var(LiveDashboard, "slots"))
    await other.client.disconnect()

    job = (await served.api.post("/api/jobs", json={"kind": "noop"})).json()

    await until(lambda: tab.var(JobList, "rows"), lambda rows: rows and rows[0]["id"] == job["id"])
    assert not await other.var(JobList, "rows")


async def test_a_tab_of_another_origin_is_turned_away(served, session):
    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await session.ws_connect(f"{served.url}/_event/?EIO=4&transport=websocket", origin="http://evil.example")

    assert refusal.value.status == 403
