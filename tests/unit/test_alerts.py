"""When rules give alerts, with a clock of the test's own: once for a cause, until it clears; and what is sent of it."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from runlane.alerts.delivery import wrong_with
from runlane.alerts.evaluation import Silence, SystemState, causes
from runlane.alerts.records import Answer, Rule
from runlane.alerts.rules import RuleDraft, RulePatch
from runlane.alerts.service import Alerts
from runlane.alerts.store import AGAIN_AFTER, AlertStore
from runlane.alerts.webhooks import new_secret, signature
from runlane.errors import Conflict, InvalidInput, NameTaken, RuleNotFound
from runlane.kinds.catalogue import catalogue
from runlane.metrics.samples import Growth, Sample
from runlane.metrics.statistics import Figures, Outcome
from runlane.queue.worker_registry import WorkerInfo, WorkerState

pytestmark = pytest.mark.databases

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
WELL = SystemState(
    now=NOW,
    oldest_queued_at=None,
    queued=0,
    running=0,
    concurrency=5,
    paused=False,
    workers=[],
    lately={},
    silences=[],
    samples=[],
    growth=Growth(1_000_000, None, None),
)
JOB = UUID("0190b8f2-7c1e-7000-8000-000000000001")


def rule(condition, threshold=60.0, **more):
    given = {"name": condition, "kind": "", "webhook_url": "", "secret": "", "paused": False, "version": 1, **more}
    return Rule(id=uuid4(), condition=condition, threshold=threshold, created_at=NOW, **given)


def worker(state, silent_s, **more):
    return WorkerInfo(
        id="w",
        host="h",
        pid=1,
        started_at=NOW,
        last_seen_at=NOW - timedelta(seconds=silent_s),
        running=[],
        slots=5,
        state=state,
        **more,
    )


def figures(completed, failed):
    found = Figures()
    found.counts |= {Outcome.COMPLETED: completed, Outcome.FAILED: failed}
    return found


def growing(*queued):
    return [
        Sample(NOW - timedelta(minutes=len(queued) - 1 - place), 0, count, 0, 0, 0, 0, 1, None, 0)
        for place, count in enumerate(queued)
    ]


LONG = {"oldest_queued_at": NOW - timedelta(seconds=90), "queued": 3}


@pytest.mark.parametrize(
    ("wanted", "system", "said"),
    [
        (rule("wait"), LONG, "A job has waited for 90 s; 3 jobs wait in all."),
        (rule("wait"), LONG | {"paused": True}, None),
        (rule("wait", 91.0), LONG, None),
        (rule("failure_rate", 20.0), {"lately": {"noop": figures(7, 3)}}, "3 of the last 10 jobs failed: 30 %."),
        (rule("failure_rate", 20.0, kind="slow"), {"lately": {"noop": figures(7, 3)}}, None),
        (rule("failure_rate", 20.0, kind="noop"), {"lately": {"noop": figures(7, 3)}}, "3 of the last 10 jobs of kind"),
        (rule("failure_rate", 30.0), {"lately": {"noop": figures(7, 3)}}, None),
        (rule("failure_rate", 1.0), {"lately": {"noop": figures(0, 4)}}, None),
        (rule("lost_worker"), {"workers": [worker(WorkerState.LOST, 61)]}, "Worker w has been silent for 61 s"),
        (rule("lost_worker"), {"workers": [worker(WorkerState.LOST, 59)]}, None),
        (rule("lost_worker"), {"workers": [worker(WorkerState.LOST, 61, forgotten=True)]}, None),
        (rule("lost_worker"), {"workers": None}, None),
        (rule("no_worker"), LONG, "3 jobs wait, the first for 90 s, and no worker takes any."),
        (rule("no_worker"), LONG | {"workers": [worker(WorkerState.RUNNING, 0)]}, None),
        (rule("no_worker"), LONG | {"workers": None}, None),
        (rule("silent_job"), {"silences": [Silence(JOB, "slow", NOW - timedelta(seconds=61))]}, f"Job {str(JOB)[-8:]}"),
        (rule("silent_job"), {"silences": [Silence(JOB, "slow", NOW - timedelta(seconds=59))]}, None),
        (rule("silent_job", kind="noop"), {"silences": [Silence(JOB, "slow", NOW - timedelta(hours=1))]}, None),
        (
            rule("queue_growing", 3.0),
            {"samples": growing(1, 2, 2, 9)},
            "The queue grew from 1 to 9 jobs with 5",
        ),
        (rule("queue_growing", 3.0), {"samples": growing(1, 3, 2, 9)}, None),
        (rule("queue_growing", 3.0), {"samples": growing(9, 9, 9, 9)}, None),
        (rule("queue_growing", 3.0), {"samples": growing(1, 2)}, None),
        (rule("queue_growing", 3.0), {"samples": growing(1, 2, 2, 9), "running": 5}, None),
        (rule("storage", 0.5), {}, "The database takes 1 MB"),
        (rule("storage", 1.0), {}, None),
    ],
)
def test_a_condition_holds_or_not(wanted, system, said):
    found = list(causes(wanted, replace(WELL, **system)).values())

    assert [text[: len(said)] for text in found] == [said] if said else found == []


@pytest.fixture
def alerts(world):
    return Alerts(AlertStore(world.database), catalogue())


async def made(alerts, **more):
    given = {"name": "Waiting", "condition": "wait", "threshold": 60.0, **more}
    return await alerts.create(RuleDraft(**given))


async def test_an_alert_is_given_once_for_a_cause_until_it_clears(alerts):
    await made(alerts)
    waits = replace(WELL, **LONG)

    fired, _ = await alerts.evaluate(waits)
    again, _ = await alerts.evaluate(replace(waits, now=NOW + timedelta(minutes=5)))
    assert ([alert.text for alert in fired], again) == (["A job has waited for 90 s; 3 jobs wait in all."], [])
    assert len(await alerts.store.alerts(only_open=True)) == 1

    _, cleared = await alerts.evaluate(replace(WELL, now=NOW + timedelta(minutes=6)))
    assert [alert.id for alert in cleared] == [fired[0].id]
    assert await alerts.store.alerts(only_open=True) == []

    fired, _ = await alerts.evaluate(waits)
    assert (len(fired), len(await alerts.store.alerts())) == (1, 2)


async def test_each_cause_has_its_own_alert(alerts):
    await made(alerts, name="Silent", condition="silent_job")
    old, older = (Silence(UUID(int=n), "slow", NOW - timedelta(hours=n)) for n in (1, 2))

    assert len((await alerts.evaluate(replace(WELL, silences=[old])))[0]) == 1
    fired, cleared = await alerts.evaluate(replace(WELL, silences=[older]))

    assert ([alert.cause for alert in fired], [alert.cause for alert in cleared]) == (
        [str(older.job_id)],
        [str(old.job_id)],
    )


@pytest.mark.parametrize("change", [{"threshold": 2e9}, {"condition": "queue_growing"}])
async def test_a_change_that_makes_no_sense_with_what_stays_is_refused(alerts, change):
    growing = await made(alerts, condition="queue_growing" if "threshold" in change else "storage", threshold=1400.0)
    if "condition" in change:
        await alerts.change(growing.id, RulePatch(threshold=1e6))

    with pytest.raises(InvalidInput, match="threshold"):
        await alerts.change(growing.id, RulePatch(**change))


async def test_a_rule_that_cannot_be_evaluated_keeps_no_other_from_it(alerts, caplog):
    """Such as one that an earlier version let in."""
    await alerts.store.insert(RuleDraft(name="A", condition="queue_growing", threshold=2e9).model_dump())
    await made(alerts, name="B")

    fired, _ = await alerts.evaluate(replace(WELL, **LONG, samples=growing(1, 2)))

    assert [alert.rule for alert in fired] == ["B"]
    assert "The rule 'A' cannot be evaluated" in caplog.text
    assert "OverflowError" in caplog.text


async def test_a_paused_rule_is_silent_and_its_alerts_are_over(alerts):
    rule = await made(alerts)
    await alerts.evaluate(replace(WELL, **LONG))

    await alerts.change(rule.id, RulePatch(paused=True))

    assert await alerts.store.alerts(only_open=True) == []
    assert await alerts.evaluate(replace(WELL, **LONG)) == ([], [])


async def test_an_evaluation_that_began_before_its_rule_was_changed_gives_no_alert(alerts):
    as_it_was = await made(alerts)
    await alerts.change(as_it_was.id, RulePatch(paused=True))

    turn = await alerts.store.turn(as_it_was, {"wait": "A job has waited."}, NOW)

    assert (turn.fired, turn.cleared) == ([], [])
    assert await alerts.store.alerts() == []


@pytest.mark.parametrize("change", [{"paused": True}, {"condition": "no_worker"}, {"kind": "noop"}])
async def test_alerts_that_end_because_their_rule_was_changed_are_told_to_be_over(alerts, change):
    rule = await made(alerts, webhook_url="https://1.1.1.1/hook")
    [fired], _ = await alerts.evaluate(replace(WELL, **LONG))

    _, [cleared] = await alerts.change(rule.id, RulePatch(**change, webhook_url="https://1.1.1.1/other"))

    assert (cleared.id, cleared.cleared_at is not None) == (fired.id, True)
    newest, _ = await alerts.store.deliveries()
    assert (newest.what, newest.url) == ("alert.cleared", "https://1.1.1.1/hook")
    assert newest.body["data"]["id"] == str(fired.id)


async def test_the_second_of_two_people_who_change_a_rule_is_told_what_the_first_did(alerts):
    rule = await made(alerts)
    await alerts.change(rule.id, RulePatch(threshold=90.0, version=rule.version))

    with pytest.raises(Conflict, match=r"changed the rule 'Waiting': now it is .*threshold 90"):
        await alerts.change(rule.id, RulePatch(threshold=30.0, version=rule.version))

    assert [rule.threshold for rule in await alerts.store.rules()] == [90.0]


async def test_a_message_whose_rule_is_deleted_while_it_is_sent_is_no_more(alerts):
    rule = await made(alerts, webhook_url="https://1.1.1.1/hook")
    await alerts.evaluate(replace(WELL, **LONG))
    delivery, _ = await alerts.store.take_due(NOW)

    await alerts.store.delete(rule.id)

    with pytest.raises(RuleNotFound):
        await alerts.store.save_outcome(delivery, Answer(204, ""), NOW)


async def test_a_message_goes_with_the_alert_and_is_sent_again_until_it_is_given_up(alerts, monkeypatch):
    await made(alerts, webhook_url="https://1.1.1.1/hook")
    await alerts.evaluate(replace(WELL, **LONG))
    tries, now = [], NOW

    for _ in range(len(AGAIN_AFTER) + 1):
        delivery, rule = await alerts.store.take_due(now)
        assert await alerts.store.take_due(now) is None
        await alerts.store.save_outcome(delivery, Answer(500, "It answered 500."), now)
        [told] = await alerts.store.deliveries()
        tries.append(told.next_at and told.next_at - now)
        now = told.next_at or now

    assert tries == [*AGAIN_AFTER, None]
    assert (told.state, told.attempts, told.trouble) == ("given up", 6, "It answered 500.")
    assert told.body["type"] == "alert.fired"
    assert told.body["data"]["text"] == "A job has waited for 90 s; 3 jobs wait in all."
    assert rule.secret not in json.dumps(told.body)


async def test_what_arrived_is_not_sent_again(alerts):
    await made(alerts, webhook_url="https://1.1.1.1/hook")
    await alerts.evaluate(replace(WELL, **LONG))
    delivery, _ = await alerts.store.take_due(NOW)

    await alerts.store.save_outcome(delivery, Answer(204, ""), NOW)

    assert await alerts.store.take_due(NOW + timedelta(days=1)) is None
    assert (await alerts.store.deliveries())[0].state == "sent"


async def test_what_a_lost_server_was_sending_is_sent_by_another(alerts):
    await made(alerts, webhook_url="https://1.1.1.1/hook")
    await alerts.evaluate(replace(WELL, **LONG))
    delivery, _ = await alerts.store.take_due(NOW)

    again, _ = await alerts.store.take_due(NOW + timedelta(minutes=1))

    assert again.id == delivery.id


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"kind": "nothing"}, "kind"),
        ({"condition": "queue_growing", "threshold": 2e9}, "threshold"),
        ({"condition": "failure_rate", "threshold": 101.0}, "threshold"),
        ({"webhook_url": "ftp://example.com"}, "webhook_url"),
        ({"webhook_url": "https://"}, "webhook_url"),
        ({"webhook_url": "https://user:pass@example.com"}, "webhook_url"),
        ({"webhook_url": "https://example.com:0/"}, "webhook_url"),
        ({"webhook_url": "https://example.com:99999/"}, "webhook_url"),
        ({"webhook_url": "javascript:alert(1)"}, "webhook_url"),
        ({"webhook_url": "http://1.1.1.1/\x01a"}, "webhook_url"),
        ({"webhook_url": "http://1.1.1.1/a b"}, "webhook_url"),
    ],
)
async def test_a_rule_that_makes_no_sense_is_refused(alerts, more, field):
    with pytest.raises(InvalidInput) as refused:
        await made(alerts, **more)

    assert [error.field for error in refused.value.errors] == [field]
    assert await alerts.store.rules() == []


async def test_rules_have_names_of_their_own_and_are_deleted_with_their_alerts(alerts, service, audit):
    rule = await made(alerts)
    with pytest.raises(NameTaken, match="There is a rule named 'Waiting'"):
        await made(alerts)
    await alerts.evaluate(replace(WELL, **LONG))

    await alerts.store.delete(rule.id)

    assert await alerts.store.alerts() == []
    with pytest.raises(RuleNotFound):
        await alerts.change(rule.id, RulePatch(paused=True))
    said = [(action.action, action.target) for action in await audit.page()]
    assert said == [("delete", "alert rule"), ("create", "alert rule")]
    assert rule.secret not in str(await audit.page())


def test_messages_are_signed_as_the_specification_says():
    """The example of the Standard Webhooks specification, computed a second way."""
    secret, body = new_secret(), b'{"test": 2432232314}'
    at = datetime.fromtimestamp(1614265330, UTC)
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.digest(key, b"msg_1.1614265330." + body, hashlib.sha256)).decode()

    assert signature(secret, "msg_1", at, body) == f"v1,{expected}"
    known = signature("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "msg_p5jXN8AQM9LWM0D4loKWxJek", at, body)
    assert known == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_addresses_that_may_be_sent_to():
    assert wrong_with("https://hooks.example.com/x?y=1") == ""
    assert wrong_with("http://[::1]:8080/") == ""
    assert wrong_with("http://[::1") != ""
