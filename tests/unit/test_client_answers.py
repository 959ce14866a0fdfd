"""What a client makes of answers that no healthy Runlane of its version gives."""

import asyncio
import contextlib
import logging
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

import runlane
from runlane import (
    Client,
    Incompatible,
    NotFound,
    NotRunlane,
    RunlaneError,
    ServerFailed,
    SyncClient,
    Unauthorized,
    Unreachable,
    __version__,
)
from runlane.client import link
from testbed import ROOT
from testbed.ports import free_port
from tests.support.receivers import receiver

QUEUE = b'{"paused": false, "concurrency": 5, "counts": {}, "oldest_queued_s": null}'


def reply(
    status: int, body: bytes = b"", *headers: str, media_type: str = "application/json", version: str = __version__
):
    """An answer on a connection of its own."""
    lines = [f"HTTP/1.1 {status} Some", f"Content-Length: {len(body)}", "Connection: close", *headers]
    lines += [f"Content-Type: {media_type}"] if media_type else []
    lines += [f"Runlane-Version: {version}"] if version else []
    return "\r\n".join([*lines, "", ""]).encode() + body


def problem(status: int, detail: str, *headers: str):
    body = f'{{"type": "about:blank", "title": "No", "status": {status}, "detail": "{detail}"}}'.encode()
    return reply(status, body, *headers, media_type="application/problem+json")


@contextlib.asynccontextmanager
async def answering(*replies: bytes, timeout: float = 30.0, **more) -> AsyncIterator[tuple[Client, list]]:
    """A client of a server that gives these answers, one after another and then the last again; what it was sent."""
    left = list(replies)

    async def answer(writer):
        writer.write(left.pop(0) if len(left) > 1 else left[0])

    async with (
        receiver(answer) as (url, received),
        Client(url.removesuffix("/hook?x=1"), timeout=timeout, **more) as client,
    ):
        yield client, received


async def test_another_server_at_the_address_is_named_as_such():
    page = reply(200, b"<html>Welcome to nginx</html>", media_type="text/html", version="")
    async with answering(page) as (client, _):
        with pytest.raises(
            NotRunlane, match=r"What answers at http://127.* is no Runlane.*200 with text/html.*RUNLANE_URL"
        ):
            await client.queue()
        with pytest.raises(NotRunlane, match="is no Runlane"):
            await client.run("00000000-0000-0000-0000-000000000000").result()
    async with answering(reply(404, b'{"detail": "Not Found"}', version="")) as (client, _):
        with pytest.raises(NotRunlane, match="404 with application/json"):
            await client.queue()
    async with answering(reply(308, b"", "Location: https://jobs.example.com/")) as (client, _):
        with pytest.raises(NotRunlane, match=r"sends to https://jobs.example.com/. Give the address of Runlane itself"):
            await client.queue()
    async with answering(reply(200, b'{"hello": 1}')) as (client, _):
        with pytest.raises(NotRunlane, match=r"not what runlane .* expects, at paused: Field required"):
            await client.queue()


async def test_a_missing_or_wrong_token_is_said(monkeypatch):
    monkeypatch.delenv("RUNLANE_TOKEN", raising=False)
    async with answering(problem(401, "Log in first.")) as (client, received):
        with pytest.raises(Unauthorized, match=r"Log in first. No token was sent: give one, or set RUNLANE_TOKEN"):
            await client.queue()
        assert "authorization" not in received[0][1]
    async with answering(problem(401, "There is no such token."), token="rl_1") as (client, received):
        with pytest.raises(Unauthorized, match=r"^There is no such token.$"):
            await client.queue()
        assert received[0][1]["authorization"] == "Bearer rl_1"
    async with answering(problem(403, "A viewer may not do this.")) as (client, _):
        with pytest.raises(Unauthorized, match="A viewer may not") as refusal:
            await client.pause()
        assert refusal.value.status == 403


async def test_the_address_and_the_token_come_from_the_environment(monkeypatch):
    async with answering(reply(200, QUEUE)) as (there, received):
        monkeypatch.setenv("RUNLANE_URL", there._link.url + "/")
        monkeypatch.setenv("RUNLANE_TOKEN", "rl_environment\n")
        async with Client() as client:
            await client.queue()
    assert received[0][0] == "/api/queue"
    assert received[0][1]["authorization"] == "Bearer rl_environment"


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://a", "http://", "redis://127.0.0.1:6379", "http://a:b:c"])
def test_what_is_no_address_is_refused_at_once(url):
    with pytest.raises(RunlaneError, match="no address"):
        Client(url)


@pytest.mark.parametrize("token", ["rl_ä", "rl 1", "rl_\r\n1"])
def test_what_is_no_token_is_refused_at_once(token):
    with pytest.raises(RunlaneError, match="The token holds characters that no token has") as refusal:
        SyncClient(token=token)
    assert token not in str(refusal.value)


async def test_a_server_that_cannot_answer_now_is_asked_again_with_the_same_key():
    job = (
        b'{"id": "01890a5d-ac96-774b-bcce-b302099a8057", "kind": "noop", "title": "", "params": {}, "status": "queued",'
        b'"progress": 0, "message": "", "attempt": 1, "max_attempts": 1, "priority": 0,'
        b'"created_at": "2026-11-28T12:00:00Z", "version": 1}'
    )
    busy = [
        problem(503, "No database."),
        reply(502, b"<html>", media_type="text/html", version=""),
        problem(429, "Too many."),
    ]
    async with answering(*busy, reply(201, job)) as (client, received):
        run = await client.submit("noop")

    assert str(run.id) == "01890a5d-ac96-774b-bcce-b302099a8057"
    assert len(received) == 4
    assert len({(headers["idempotency-key"], body) for _, headers, body in received}) == 1


@pytest.mark.parametrize("when", ["1", format_datetime(datetime(2100, 1, 1, tzinfo=UTC), usegmt=True)])
async def test_retry_after_is_waited_for_or_said_at_once(when):
    began = time.monotonic()
    async with answering(problem(429, "Too many.", f"Retry-After: {when}"), reply(200, QUEUE)) as (client, received):
        if when == "1":
            await client.queue()
            assert time.monotonic() - began >= 1
        else:
            with pytest.raises(Unreachable, match="cannot answer now: Too many"):
                await client.queue()
            assert len(received) == 1


async def test_a_server_that_stays_away_is_unreachable_within_the_timeout():
    async with answering(problem(503, "The database does not answer."), timeout=0.5) as (client, received):
        with pytest.raises(Unreachable, match=r"cannot answer now: The database does not answer.*RUNLANE_URL"):
            await client.queue()
    assert len(received) > 1


async def test_an_address_where_nobody_listens_is_given_up_soon(monkeypatch):
    monkeypatch.setattr(link, "FIRST_CONTACT_S", 0.3)
    async with Client(f"http://127.0.0.1:{free_port()}") as client:
        for call in (client.queue(), client.run("00000000-0000-0000-0000-000000000000").result()):
            with pytest.raises(
                Unreachable, match=r"http://127.0.0.1:\d+ does not answer: .*Check that Runlane runs there"
            ):
                await call


async def test_a_stream_gives_up_when_the_server_stays_away_for_longer_than_its_patience():
    async with answering(problem(503, "Starting."), patience=0.5) as (client, received):
        with pytest.raises(Unreachable, match="Starting"):
            await client.run("00000000-0000-0000-0000-000000000000").result()
    assert len(received) > 1


async def test_a_stream_that_was_quiet_for_longer_than_the_patience_is_resumed_when_it_breaks():
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
    connections = 0

    async def answer(writer):
        nonlocal connections
        connections += 1
        writer.write(head + b"event: other\nid: 7\ndata: {}\n\n")
        if connections == 1:
            await writer.drain()
            await asyncio.sleep(0.6)  # longer than the patience; not a wait for anything
        else:
            writer.write(b'event: end\ndata: {"reason": "deleted"}\n\n')

    async with receiver(answer) as (url, received), Client(url.removesuffix("/hook?x=1"), patience=0.3) as client:
        with pytest.raises(NotFound, match="was deleted while it was followed"):
            await client.run("00000000-0000-0000-0000-000000000000").result()
    assert [headers.get("last-event-id") for _, headers, _ in received] == [None, "7"]


async def test_a_failure_of_the_server_is_not_asked_for_again():
    async with answering(problem(500, "It has been logged under 1a2b.")) as (client, received):
        with pytest.raises(ServerFailed, match="logged under 1a2b"):
            await client.queue()
    assert len(received) == 1


def other(*, major: int = 0, minor: int = 0, patch: int = 0) -> str:
    """This version and something."""
    numbers = [int(part) for part in __version__.split(".")]
    return ".".join(str(a + b) for a, b in zip(numbers, (major, minor, patch), strict=True))


@pytest.mark.parametrize(
    ("version", "says"),
    [
        (__version__, None),
        (other(patch=7), None),
        (other(minor=1), "newer than this client"),
        (other(minor=-1), "older than this client"),
        ("", "does not name its version, so it is older than 0.3"),
    ],
)
async def test_a_server_of_another_minor_version_is_said_once(version, says, caplog):
    async with answering(reply(200, QUEUE, version=version)) as (client, _):
        with caplog.at_level(logging.WARNING, "runlane.client"):
            await client.queue()
            await client.queue()

    said = [record.getMessage() for record in caplog.records if record.name == "runlane.client"]
    assert len(said) == (says is not None)
    assert all(says in each for each in said)


async def test_a_server_of_another_major_version_is_refused():
    async with answering(reply(200, QUEUE, version=other(major=1))) as (client, _):
        with pytest.raises(
            Incompatible, match=f"this client is {__version__}: newer by a major version. Install runlane"
        ):
            await client.queue()


# What importing costs


def test_what_programs_import_to_submit_loads_nothing_of_the_server():
    heavy = {"reflex", "fastapi", "starlette", "sqlalchemy", "sqlmodel", "alembic", "redis", "arq", "uvloop"}
    script = "import sys, runlane; [getattr(runlane, name) for name in runlane.__all__]; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)

    names = {name.partition(".")[0] for name in loaded.stdout.split()}
    assert names & heavy == set()
    assert names >= {"httpx", "pydantic"}


def test_every_public_name_is_there_for_type_checkers_too():
    source = (ROOT / "runlane/__init__.py").read_text()

    assert [
        name for name in runlane.__all__ if name != "__version__" and f"import {name} as {name}" not in source
    ] == []
