"""Messages to services that apprise knows: real ones of HTTP and mail on this machine, and all that is refused."""

import asyncio
import json
import socket

import pytest

from runlane.alerts.courier import Guard, Refused
from runlane.alerts.couriers import Couriers, Message
from runlane.background import end_tasks
from testbed.waiting import until
from tests.support.receivers import LOOPBACK, OK, mailbox, receiver, replying

MESSAGE = Message("Alert: Waiting", "A job has waited for 90 s.", "warning")
RULE = {"name": "Waiting", "condition": "wait", "threshold": 0.05}
NOT_PUBLIC = "an address that is not public; RUNLANE_WEBHOOKS_ALLOW can name its network"
INSIDE = [
    "json://127.0.0.1:9/",
    "json://localhost:9/",
    "jsons://[::1]:9/x",
    "json://0.0.0.0:9/",
    "json://169.254.169.254/latest/meta-data",
    "json://[::ffff:7f00:1]:9/",
    "xml://10.0.0.1/",
    "xmls://192.168.0.1/",
    "form://172.16.0.1/",
    "forms://localhost:9/",
    "mailto://localhost:9?from=a@example.com&to=b@example.com",
    "mailtos://me:hunter2@example.com?smtp=localhost&to=b@example.com",
    "ntfy://localhost:9/topic",
    "ntfys://me:hunter2@localhost:9/topic",
    "gotify://localhost:9/hunter2hunter2",
    "matrix://me:hunter2@localhost:9/#room",
    "mmost://localhost:9/hunter2hunter2hunter2hu",
    "rocket://me:hunter2@localhost:9/#room",
    "hassio://localhost:9/hunter2hunter2",
    "apprise://localhost:9/hunter2hunter2",
    "irc://localhost:9/#room",
    "rsyslog://127.0.0.1:9",
]
ON_THE_SERVER = ["gnome://", "macosx://", "syslog://"]


@pytest.fixture
def couriers():
    return Couriers()


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """The machine may be busy, and each message takes a process."""
    monkeypatch.setattr("runlane.alerts.couriers.PATIENCE_S", 60.0)
    monkeypatch.setattr("runlane.alerts.couriers.REHEARSAL_S", 60.0)


async def test_a_service_that_takes_json_receives_the_message(couriers):
    async with receiver(OK) as (url, received):
        answer = await couriers.send(url.replace("http://", "json://"), MESSAGE, LOOPBACK)

    assert (answer.arrived, answer.status) == (True, None)
    [(_, _, body)] = received
    sent = json.loads(body)
    assert (sent["title"], sent["message"], sent["type"]) == (MESSAGE.title, MESSAGE.body, "warning")


async def test_a_mail_arrives(couriers):
    async with mailbox() as (port, mails):
        answer = await couriers.send(
            f"mailto://localhost:{port}?from=runlane@example.com&to=me@example.com", MESSAGE, LOOPBACK
        )

    assert answer.arrived, answer.trouble
    [mail] = mails
    assert "Subject: Alert: Waiting" in mail
    assert MESSAGE.body in mail


async def test_an_address_that_leads_inside_is_refused_whatever_the_service(couriers):
    objections = dict(zip(INSIDE, await asyncio.gather(*map(couriers.objection, INSIDE)), strict=True))

    assert {url: text for url, text in objections.items() if NOT_PUBLIC not in text} == {}


@pytest.mark.parametrize("url", [INSIDE[0], "mailto://localhost:9?from=a@example.com&to=b@example.com", INSIDE[-1]])
async def test_a_service_that_leads_inside_by_now_is_given_up_at_once(couriers, url):
    answer = await couriers.send(url, MESSAGE)

    assert (answer.final, NOT_PUBLIC in answer.trouble) == (True, True)


async def test_a_service_on_the_server_itself_is_refused(couriers):
    objections = await asyncio.gather(*map(couriers.objection, ON_THE_SERVER))

    assert [text.endswith("on this server itself, where nobody would see them") for text in objections] == [True] * 3


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://example.com/", "is of no service that is known"),
        ("file:///etc/passwd", "is of no service that is known"),
        ("slack://x", "is not as Slack expects it; see https://"),
        ("mqtt://example.com/topic", "which needs a package that is not installed"),
        ("rsyslog://localhost", "sends to what is no address of the internet, and cannot be checked"),
        (
            "workflows://example.com/643e7e5d1e1e4d3a9b0e7c1f1a2b3c4d/hunter2hunter2hunter2hunter2?template=/etc/passwd",
            "would read the file /etc/*** of this server",
        ),
    ],
)
async def test_an_address_that_cannot_be_sent_to_is_refused_with_the_reason(couriers, url, said):
    assert said in await couriers.objection(url)
    assert (await couriers.send(url, MESSAGE)).final


@pytest.mark.parametrize("url", ["json://nobody.invalid/", "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ"])
async def test_a_service_whose_name_nobody_knows_now_may_be_named_and_is_tried_again(couriers, url):
    assert await couriers.objection(url) == ""
    answer = await couriers.send(url, MESSAGE)

    assert " did not take it: " in answer.trouble
    assert not answer.final
    assert "TIiajkdnlazkcOXrIdevi7FQ" not in answer.trouble


async def test_saving_an_address_sends_nothing(couriers):
    async with receiver(OK) as (url, received):
        assert await couriers.objection(url.replace("http://", "json://"), LOOPBACK) == ""

    assert received == []


async def test_a_redirect_is_not_followed_even_where_the_address_asks_for_it(couriers):
    async with receiver(OK) as (second, reached):
        answer = replying(f"HTTP/1.1 307 Go\r\nLocation: {second}\r\nContent-Length: 0\r\n\r\n".encode())
        async with receiver(answer) as (first, asked):
            answer = await couriers.send(f"{first.replace('http://', 'json://')}&redirect=yes", MESSAGE, LOOPBACK)

    assert not answer.arrived
    assert (len(asked), reached) == (1, [])


async def test_a_proxy_of_the_server_leads_no_message_past_the_guard(couriers, monkeypatch):
    async with receiver(OK) as (proxy, asked):
        monkeypatch.setenv("HTTP_PROXY", proxy)
        answer = await couriers.send("json://10.9.9.9/", MESSAGE, LOOPBACK)

    assert NOT_PUBLIC in answer.trouble
    assert asked == []


async def test_a_service_that_hangs_is_given_up(couriers, monkeypatch):
    monkeypatch.setattr("runlane.alerts.couriers.PATIENCE_S", 0.5)
    async with receiver(_drips) as (url, _):
        answer = await couriers.send(url.replace("http://", "json://"), MESSAGE, LOOPBACK)

    assert answer.trouble == "The service did not answer within 0.5 s."
    assert not answer.final


async def test_who_is_not_waited_for_any_more_is_left_with_no_process_behind(couriers):
    asked, left = asyncio.Event(), asyncio.Event()

    async def drips(writer):
        asked.set()
        await _drips(writer)
        left.set()

    async with receiver(drips) as (url, _):
        sending = asyncio.create_task(couriers.send(url.replace("http://", "json://"), MESSAGE, LOOPBACK))
        await asked.wait()
        await end_tasks(sending)

        await left.wait()


async def _drips(writer):
    """Answers without end, as long as somebody listens."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n")
    while not writer.transport.is_closing():
        writer.write(b"x")
        await asyncio.sleep(0.05)


@pytest.mark.parametrize(
    ("event", "args"),
    [
        ("socket.connect", (None, ("10.0.0.1", 80))),
        ("socket.connect", (None, ("::1", 80, 0, 0))),
        ("socket.connect", (None, ("example.com", 80))),
        ("socket.connect", (None, "/run/docker.sock")),
        ("socket.connect", (None, b"/run/docker.sock")),
        ("socket.sendto", (None, ("127.0.0.1", 53))),
        ("socket.sendmsg", (None, ("127.0.0.1", 53))),
        ("open", ("/etc/passwd", "r", 0)),
        ("open", (b"/lib/../etc/passwd", None, 0)),
        ("open", ("/lib/new", "w", 0)),
        ("subprocess.Popen", ("sh", ["sh"], None, None)),
        ("os.system", (b"true",)),
        ("os.fork", ()),
    ],
)
def test_the_guard_is_against_what_leads_inside_files_and_programs(event, args):
    guard = Guard(readable=["/lib"])

    with pytest.raises(Refused):
        guard(event, args)
    assert len(guard.refusals) == 1


def test_the_guard_lets_through_what_is_public_or_allowed_and_what_libraries_read():
    guard = Guard(LOOPBACK, readable=["/nowhere"])

    guard("socket.getaddrinfo", ("one.one.one.one", 443, socket.AF_INET, socket.SOCK_STREAM, 0))
    guard("socket.connect", (None, ("1.1.1.1", 443)))
    guard("socket.connect", (None, ("2606:4700:4700::1111", 443, 0, 0)))
    guard("socket.connect", (None, ("127.0.0.1", 80)))
    guard("socket.sendmsg", (None, None))
    guard("open", ("/nowhere/json.py", "r", 0))
    guard("open", (3, "r", 0))

    assert guard.refusals == []


async def test_a_rule_may_name_a_service_and_its_keys_are_shown_nowhere(api, active, client, monkeypatch, caplog):
    monkeypatch.setattr("jobs_app.server.watch.EVALUATE_EVERY_S", 0.1)
    monkeypatch.setattr(active.alerts.dispatcher, "allowed", LOOPBACK)
    async with receiver(OK) as (url, received):
        host = url.removeprefix("http://").partition("/")[0]
        address = f"json://me:hunter2@{host}/hunter2hunter2?+x=hunter2"
        rule = (await api.post("/api/alerts/rules", json=RULE | {"webhook_url": address})).json()
        path = f"/api/alerts/rules/{rule['id']}"
        kept = await api.patch(path, json={"webhook_url": rule["webhook_url"], "name": "Waits"})
        assert rule["webhook_url"] == f"json://***@{host}/***"
        assert kept.json()["webhook_url"] == rule["webhook_url"]
        await client.submit("noop")

        async def deliveries():
            return (await api.get("/api/alerts/deliveries")).json()["items"]

        [told] = await until(deliveries, lambda found: found and found[0]["state"] == "sent")
        monkeypatch.setattr(active.alerts.dispatcher, "allowed", [])
        refused = (await api.post(f"{path}/test")).json()

    assert (told["status"], told["what"], told["url"]) == (None, "alert.fired", rule["webhook_url"])
    assert json.loads(received[0][2])["title"] == "Alert: Waits"
    assert (refused["state"], refused["trouble"]) == ("given up", f"127.0.0.1 is {NOT_PUBLIC}.")
    replies = [(await api.get(p)).text for p in (path, "/api/alerts/deliveries", "/api/audit", "/api/events")]
    assert "hunter2" not in f"{replies}{told}{refused}{caplog.text}"


async def test_a_rule_with_a_service_inside_is_refused_when_it_is_saved(api, active):
    refused = await api.post("/api/alerts/rules", json=RULE | {"webhook_url": "gotify://localhost/hunter2hunter2"})

    assert refused.status_code == 422
    [error] = refused.json()["errors"]
    assert error["field"] == "webhook_url"
    assert error["message"].startswith("leads to ")
    assert "hunter2" not in refused.text
