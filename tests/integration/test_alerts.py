"""Alerts over REST, and webhooks to real servers: kind ones, and those that hang, redirect, fail or talk for ever."""

import asyncio
import json
import socket
from datetime import UTC, datetime
from ipaddress import ip_address
from uuid import UUID

import pytest

from runlane.alerts.guard import is_public
from runlane.alerts.webhooks import send, signature
from runlane.clock import utc_now
from testbed.waiting import until
from tests.support.receivers import LOOPBACK, OK, receiver, replying

RULE = {"name": "Waiting", "condition": "wait", "threshold": 0.05}
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


async def sent(url, *, allowed=LOOPBACK):
    return await send(url, SECRET, "msg_1", utc_now(), b'{"a": 1}', allowed=allowed)


async def test_a_message_arrives_signed():
    async with receiver(OK) as (url, received):
        answer = await sent(url)

    assert (answer.arrived, answer.status) == (True, 204)
    [(path, headers, body)] = received
    assert path == "/hook?x=1"
    at = datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)
    assert headers["webhook-signature"] == signature(SECRET, "msg_1", at, body)


async def _hangs(_writer):
    await asyncio.sleep(60)


async def _talks_for_ever(writer):
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
    for _ in range(100):
        writer.write(b"x" * 1_000_000)
        await writer.drain()


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        (replying(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"), 500, "127.0.0.1 answered 500."),
        (
            replying(b"HTTP/1.1 302 Go\r\nLocation: http://169.254.169.254/\r\n\r\n"),
            302,
            "127.0.0.1 answered 302, and redir",
        ),
        (_hangs, None, "127.0.0.1 did not answer within"),
        (replying(b"what?\r\n\r\n"), None, "127.0.0.1 cannot be reached"),
        (replying(b""), None, "127.0.0.1 cannot be reached"),
        (_talks_for_ever, 200, ""),
    ],
)
async def test_a_receiver_that_misbehaves_is_told_of(answer, status, said, monkeypatch):
    monkeypatch.setattr("runlane.alerts.webhooks.PATIENCE_S", 0.5)
    async with receiver(answer) as (url, _):
        found = await sent(url)

    assert (found.status, found.trouble[: len(said)]) == (status, said)
    assert found.arrived is (not said)


NOT_PUBLIC = [
    "127.0.0.1",
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "192.88.99.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:0:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::7f00:1",
    "2001:0:7f00:1::",
    "2002:7f00:1::",
    "fe80::1",
    "fec0::1",
    "fd00::1",
    "ff0e::1",
]


@pytest.mark.parametrize("address", NOT_PUBLIC)
async def test_an_address_that_is_not_public_is_refused_however_it_is_written(address):
    host = f"[{address}]" if ":" in address else address

    found = await sent(f"http://{host}:9/", allowed=[])

    assert (found.status, found.final) == (None, True)
    assert found.trouble.endswith(" an address that is not public; RUNLANE_WEBHOOKS_ALLOW can name its network.")


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700:4700::1111"])
def test_an_address_that_all_know_is_public(address):
    assert is_public(ip_address(address))


async def test_the_address_that_was_looked_at_is_the_one_that_is_connected_to(monkeypatch):
    """A name may lead somewhere else the second time it is asked for."""
    asked = []

    async def getaddrinfo(host, port, **more):
        asked.append(host)
        inside = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
        outside = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.9.9.9", port))
        return [inside if len(asked) == 1 else outside]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    async with receiver(OK) as (url, received):
        answer = await sent(url.replace("127.0.0.1", "hooks.example"))

    assert answer.arrived
    assert asked == ["hooks.example"]
    assert received[0][1]["host"].startswith("hooks.example:")


@pytest.mark.parametrize("how", ["made", "changed"])
async def test_a_rule_with_a_webhook_that_is_not_public_is_refused_when_it_is_saved(api, active, how):
    if how == "changed":
        path = f"/api/alerts/rules/{(await api.post('/api/alerts/rules', json=RULE)).json()['id']}"
        refused = await api.patch(path, json={"webhook_url": "http://localhost:9/"})
    else:
        refused = await api.post("/api/alerts/rules", json=RULE | {"webhook_url": "http://localhost:9/"})

    assert refused.status_code == 422
    [error] = refused.json()["errors"]
    assert error["field"] == "webhook_url"
    assert error["message"].startswith("leads to ")
    assert "RUNLANE_WEBHOOKS_ALLOW" in error["message"]


async def test_a_webhook_whose_name_leads_inside_by_now_is_given_up_at_once(api, active, monkeypatch):
    monkeypatch.setattr("jobs_app.server.watch.EVALUATE_EVERY_S", 0.1)
    monkeypatch.setattr(active.alerts.dispatcher, "allowed", LOOPBACK)
    await api.post("/api/alerts/rules", json=RULE | {"webhook_url": "http://127.0.0.1:9/"})
    monkeypatch.setattr(active.alerts.dispatcher, "allowed", [])
    await api.post("/api/jobs", json={"kind": "noop"})

    async def given_up():
        found = (await api.get("/api/alerts/deliveries")).json()["items"]
        return [(each["state"], each["attempts"]) for each in found]

    assert await until(given_up, lambda found: found and found[0][0] != "waiting") == [("given up", 1)]


async def test_a_name_that_is_nobodys_is_told():
    assert "cannot be reached" in (await sent("http://nobody.invalid/")).trouble


async def test_a_rule_gives_an_alert_and_a_message_and_clears(api, client, config, active, monkeypatch):
    monkeypatch.setattr("jobs_app.server.watch.EVALUATE_EVERY_S", 0.1)
    monkeypatch.setattr(active.alerts.dispatcher, "allowed", LOOPBACK)
    async with receiver(OK) as (url, received):
        rule = (await api.post("/api/alerts/rules", json=RULE | {"webhook_url": url})).json()
        assert "secret" not in rule
        job_id = await client.submit("noop")

        async def is_open():
            return (await api.get("/api/alerts", params={"open": True})).json()["items"]

        [alert] = await until(is_open, bool)
        assert (alert["rule"], alert["cause"]) == ("Waiting", "wait")
        await until(lambda: _value(received), bool)
        message = json.loads(received[0][2])
        assert (message["type"], message["data"]["id"]) == ("alert.fired", alert["id"])

        await api.post(f"/api/jobs/{job_id}/cancel")
        await until(is_open, lambda found: found == [])
        await until(lambda: _value(received), lambda found: len(found) == 2)
        assert json.loads(received[1][2])["type"] == "alert.cleared"

    async def deliveries():
        return (await api.get("/api/alerts/deliveries")).json()["items"]

    told = await until(deliveries, lambda found: {each["state"] for each in found} == {"sent"})
    assert [each["status"] for each in told] == [204, 204]
    lines = (await api.get("/api/events", params={"what": "alert"})).json()["items"]
    assert [line["text"][:9] for line in lines] == ["Waiting: ", "Waiting: "]


async def test_the_keys_in_a_webhooks_address_are_shown_nowhere_and_stay(api, active):
    url = "https://1.1.1.1/T01/aaaaaaaaaaaaaaaaaaaaaaa9?token=hunter2"
    draft = {"name": "Waiting", "condition": "wait", "threshold": 60, "webhook_url": url}
    made = (await api.post("/api/alerts/rules", json=draft)).json()
    path = f"/api/alerts/rules/{made['id']}"

    changed = await api.patch(path, json={"webhook_url": made["webhook_url"], "threshold": 90})
    late = await api.patch(path, json={"threshold": 91, "version": 1})

    rule = await active.alerts.rule(UUID(made["id"]))
    assert made["webhook_url"] == "https://1.1.1.1/T01/***?token=***"
    assert (changed.status_code, late.status_code) == (200, 409)
    assert (rule.webhook_url, rule.threshold) == (url, 90)
    for reply in (changed, late, *[await api.get(p) for p in (path, "/api/alerts/rules", "/api/audit", "/api/events")]):
        assert "hunter2" not in reply.text
        assert "aaaaaaaaaa9" not in reply.text


async def test_a_receiver_that_hangs_keeps_no_other_waiting(api, client, active, monkeypatch):
    monkeypatch.setattr("jobs_app.server.watch.EVALUATE_EVERY_S", 0.1)
    monkeypatch.setattr(active.alerts.dispatcher, "allowed", LOOPBACK)
    async with receiver(_hangs) as (dead, asked), receiver(OK) as (url, received):
        for name, to in (("Dead", dead), ("Well", url)):
            await api.post("/api/alerts/rules", json=RULE | {"name": name, "webhook_url": to})
        job_id = await client.submit("noop")
        await until(lambda: _value(asked), bool)
        await until(lambda: _value(received), bool)
        await api.post(f"/api/jobs/{job_id}/cancel")
        await until(lambda: _value(received), lambda found: len(found) == 2)

        assert [json.loads(body)["type"] for _, _, body in received] == ["alert.fired", "alert.cleared"]
        assert len(asked) == 1


async def test_a_test_message_is_sent_once_and_goes_with_its_rule(api, active, monkeypatch):
    monkeypatch.setattr(active.alerts.dispatcher, "allowed", LOOPBACK)
    goes_on = asyncio.Event()

    async def slow(writer):
        await goes_on.wait()
        await OK(writer)

    async with receiver(slow) as (url, received):
        rule = (await api.post("/api/alerts/rules", json=RULE | {"threshold": 1e6, "webhook_url": url})).json()
        testing = asyncio.create_task(api.post(f"/api/alerts/rules/{rule['id']}/test"))
        await until(lambda: _value(received), bool)
        assert await active.alerts.dispatcher.send_due() == 0

        await api.delete(f"/api/alerts/rules/{rule['id']}")
        goes_on.set()
        told = await testing

    assert (told.status_code, "There is no alert rule" in told.json()["detail"]) == (404, True)
    assert len(received) == 1


async def test_a_rule_that_is_paused_while_it_has_an_alert_says_that_it_is_over(api, client, active, monkeypatch):
    monkeypatch.setattr("jobs_app.server.watch.EVALUATE_EVERY_S", 0.1)
    monkeypatch.setattr(active.alerts.dispatcher, "allowed", LOOPBACK)
    async with receiver(OK) as (url, received):
        rule = (await api.post("/api/alerts/rules", json=RULE | {"webhook_url": url})).json()
        await client.submit("noop")
        await until(lambda: _value(received), bool)

        stale = await api.patch(f"/api/alerts/rules/{rule['id']}", json={"paused": True, "version": 9})
        assert (stale.status_code, stale.json()["title"]) == (409, "Someone else changed this")
        await api.patch(f"/api/alerts/rules/{rule['id']}", json={"paused": True, "version": rule["version"]})
        await until(lambda: _value(received), lambda found: len(found) == 2)

    assert json.loads(received[1][2])["type"] == "alert.cleared"
    over, _ = (await api.get("/api/events", params={"what": "alert"})).json()["items"]
    assert over["text"].startswith("Waiting: over.")


async def _value(value):
    return value


async def test_a_test_message_tells_what_came_of_it(api, active, monkeypatch):
    monkeypatch.setattr(active.alerts.dispatcher, "allowed", LOOPBACK)
    rule = (await api.post("/api/alerts/rules", json=RULE)).json()
    address = f"/api/alerts/rules/{rule['id']}"

    nowhere = await api.post(f"{address}/test")
    assert (nowhere.status_code, nowhere.json()["title"]) == (409, "There is nothing to do")
    await api.patch(address, json={"webhook_url": "http://127.0.0.1:9/"})
    refused = (await api.post(f"{address}/test")).json()

    assert (refused["state"], refused["status"]) == ("given up", None)
    assert "cannot be reached" in refused["trouble"]
    assert (await api.get(f"{address}/secret")).json()["secret"].startswith("whsec_")
    assert (await api.delete(address)).status_code == 204
    assert (await api.get(address)).status_code == 404


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"threshold": 0}, "threshold"),
        ({"threshold": -1}, "threshold"),
        ({"threshold": "many"}, "threshold"),
        ({"condition": "bad mood"}, "condition"),
        ({"name": ""}, "name"),
        ({"kind": "nothing"}, "kind"),
        ({"webhook_url": "ftp://x"}, "webhook_url"),
        ({"secret": "mine"}, "secret"),
    ],
)
async def test_a_rule_that_makes_no_sense_is_refused(api, changes, field):
    reply = await api.post("/api/alerts/rules", json=RULE | changes)

    assert (reply.status_code, reply.json()["errors"][0]["field"]) == (422, field)
    assert (await api.get("/api/alerts/rules")).json()["items"] == []
