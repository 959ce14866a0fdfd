"""What ``jobs_app.live`` leans on in Reflex: rooms, deltas built by hand, and events sent to a tab.

These are inner parts that a new version of Reflex may rename. A real server answers here to a real websocket client,
without a browser and without a build.
"""

import asyncio
import os
import signal
import sys

import aiohttp
import httpx
import pytest
import socketio

from jobs_app.live import Live, LiveJob
from jobs_app.state.board import BoardState
from jobs_app.state.job_page import JobPage
from tests.support import ROOT, free_port, until


@pytest.fixture
async def served(redis_server, database_url, tmp_path):
    """The address of the app, served by itself; its ``api`` works, its pages are not built."""
    port = free_port()
    environ = os.environ | {"PORT": str(port), "REDIS_URL": redis_server.url, "DATABASE_URL": database_url}
    environ |= {"JOBS_DATA_DIR": str(tmp_path), "PYTHONPATH": str(ROOT), "__REFLEX_SKIP_COMPILE": "true"}
    script = (
        "import asyncio; from jobs.settings import settings; from jobs_app.jobs_app import app\n"
        "from granian.constants import Interfaces; from granian.server.embed import Server\n"
        f"asyncio.run(Server(app(), port={port}, interface=Interfaces.ASGI, log_enabled=False).serve())"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, cwd=tmp_path, env=environ, start_new_session=True
    )
    url = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=url) as api:

        async def answers():
            try:
                return (await api.get("/healthz")).status_code
            except httpx.TransportError:
                return None

        await until(answers, lambda status: status == 200, within_s=20)
        yield url, api
    os.killpg(process.pid, signal.SIGKILL)
    await process.wait()


class Tab:
    """A browser tab's websocket, and what came through it."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.client = socketio.AsyncClient(reconnection=False, http_session=session)
        self.seen: dict[str, dict[str, object]] = {}
        self.client.on("event", self._take, namespace="/_event")

    async def open(self, url: str, path: str, token: str, **query: str) -> None:
        hydrate = {
            "name": "reflex___state____state.hydrate_and_load",
            "payload": {},
            "router_data": {"pathname": path, "asPath": path, "query": query},
        }
        await self.client.connect(
            f"{url}?token={token}",
            auth={"event": hydrate},
            socketio_path="/_event",
            namespaces=["/_event"],
            transports=["websocket"],
        )

    def _take(self, update: dict) -> None:
        for state, values in (update.get("delta") or {}).items():
            self.seen.setdefault(state, {}).update(values)

    async def var(self, state: type, name: str):
        return self.seen.get(state.get_full_name(), {}).get(f"{name}_rx_state_")


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
async def tab(session):
    opened = Tab(session)
    yield opened
    await opened.client.disconnect()


async def test_a_tab_joins_its_room_and_is_told_of_everything_that_happens(served, tab):
    url, api = served
    await tab.open(url, "/", "tab-1")
    await until(lambda: tab.var(Live, "slots"), lambda slots: slots is not None and len(slots) == 5)

    job = (await api.post("/api/jobs", json={"kind": "noop"})).json()

    rows = await until(lambda: tab.var(BoardState, "rows"), lambda rows: rows)
    assert rows[0]["id"] == job["id"]
    hot = await until(lambda: tab.var(Live, "hot"), lambda hot: hot)
    assert hot[job["id"]]["status"] == "queued"
    counts = await until(lambda: tab.var(Live, "counts"), lambda counts: counts and counts["queued"] == 1)
    assert counts["running"] == 0


async def test_a_tab_on_a_jobs_page_hears_of_that_job_alone(served, tab):
    url, api = served
    mine = (await api.post("/api/jobs", json={"kind": "noop"})).json()
    await tab.open(url, f"/jobs/{mine['id']}", "tab-2", job_id=mine["id"])
    await until(lambda: tab.var(JobPage, "found"))

    await api.post("/api/jobs", json={"kind": "slow"})
    await api.post(f"/api/jobs/{mine['id']}/cancel")

    head = await until(lambda: tab.var(LiveJob, "head"), lambda head: head["status"] == "cancelled")
    assert head["version"] == 2
    tail = await tab.var(LiveJob, "tail")
    assert [line["text"] for line in tail] == ["Cancelled before it started."]
    assert await tab.var(Live, "hot") in (None, {})


async def test_a_tab_of_another_origin_is_turned_away(served, session):
    url, _ = served

    with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
        await session.ws_connect(f"{url}/_event/?EIO=4&transport=websocket", origin="http://evil.example")

    assert refusal.value.status == 403
