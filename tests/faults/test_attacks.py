"""What somebody who wants the product to stop can do to it: it goes on answering, and gives back what they took.

The attacks are those of ``testbed.attacks``, on the app as it is started by ``python -m jobs_app``. How fast it answers
under attack is measured by ``bench.hostile``.
"""

import asyncio
import signal
from collections.abc import AsyncIterator

import psutil
import pytest

from testbed.attacks import CLIENTS, PAGES, PATHS, STREAMS, attacking
from testbed.waiting import PATIENCE_S, until
from tests.support.processes import App, running_app

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("attacks")]


@pytest.fixture
async def app(config, tmp_path) -> AsyncIterator[App]:
    """An app that stops when it is asked to, whatever it went through, and has logged no unexpected error."""
    (tmp_path / "app").mkdir()
    async with running_app(tmp_path / "app", str(config.redis_url), config.resolved_database_url) as started:
        yield started
        assert await stopped(started) == 0
    log = started.log.read_text()
    assert "Traceback" not in log
    assert "did not stop within" not in log


async def stopped(app: App) -> int:
    """The exit code of an app that is asked to stop."""
    if app.process.returncode is None:
        app.process.send_signal(signal.SIGTERM)
    return await asyncio.wait_for(app.process.wait(), PATIENCE_S)


async def clients(app: App) -> int:
    """How many are connected."""
    connections = psutil.Process(app.process.pid).net_connections("tcp")
    return sum(each.status == psutil.CONN_ESTABLISHED for each in connections)


async def goes_on(app: App) -> None:
    """It takes a job, and shows it."""
    job = (await app.api.post("/api/jobs", json={"kind": "noop"})).json()
    assert (await app.api.get(f"/api/jobs/{job['id']}")).json() == job
    assert (await app.api.get("/readyz")).json()["down"] == []


async def test_two_thousand_readers_and_two_hundred_half_requests_keep_nobody_out(app):
    await goes_on(app)  # what the server itself listens to has begun
    before = await clients(app)

    async with attacking("crowd", app.url) as kept:
        await goes_on(app)

    assert kept == {"streams": STREAMS, "pages": PAGES, "halves": 0}
    await until(lambda: clients(app), lambda number: number <= before + 1)
    await goes_on(app)


async def test_large_bodies_of_nothing_are_all_refused_in_words(app):
    async with attacking("bodies", app.url) as answers:
        await goes_on(app)

    assert sum(answers.values()) == CLIENTS * len(PATHS)
    assert not {status for status in answers if status.startswith("2") or status.startswith("5")}
    await goes_on(app)


async def test_a_server_that_is_asked_to_stop_waits_for_no_reader(app):
    """Nor for a body that does not come: its own server would wait for them forever."""
    host, port = app.url.removeprefix("http://").split(":")
    reader, stream = await asyncio.open_connection(host, port)
    stream.write(f"GET /api/stream HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    await reader.readuntil(b"listening")
    _, half = await asyncio.open_connection(host, port)
    half.write(f"POST /api/jobs HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: 1000\r\n\r\n{{".encode())
    await until(lambda: clients(app), lambda number: number >= 2)

    assert await stopped(app) == 0
    assert "did not stop within" not in app.log.read_text()
    for writer in (stream, half):
        writer.close()


async def test_a_path_with_a_line_break_is_refused_in_words(app):
    for path in ("/api/jobs/%0A/artifacts", "/%0Aapi/jobs", "/jobs/%0D%0A"):
        reply = await app.api.get(path)
        assert (reply.status_code, reply.headers["content-type"]) == (404, "application/problem+json")
