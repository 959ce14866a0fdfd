"""Kinds: found by being there, strict about their parameters, each with a handler."""

import pytest
from pydantic import Field

from jobs.errors import InvalidInput, StartRefused
from jobs.kinds import MASK, Catalogue, Kind, Params, Secret, catalogue, masked, unmasked
from jobs.limits import Rate
from worker.tasks import handlers

CONTRACT = {
    "web_agent": {"start_url": "https://example.com", "goal": "", "steps": 10, "step_seconds": 1.0},
    "noop": {},
    "always_fails": {"message": "This job always fails."},
    "flaky": {"failures": 2},
    "slow": {"seconds": 30.0},
    "stubborn": {"seconds": 30.0},
    "noisy": {"lines": 1000},
    "big_result": {"bytes": 2_000_000},
}


@pytest.mark.parametrize(("count", "seconds"), [(0, 1.0), (-1, 1.0), (1, 0.0), (1, -1.0), (1, 1e9), (10**9, 1.0)])
def test_a_rate_that_makes_no_sense_is_refused(count, seconds):
    with pytest.raises(ValueError, match="count from 1, seconds from"):
        Rate(count, seconds)


def test_the_kinds_of_the_contract_are_there_with_their_parameters():
    assert {kind.name: kind.defaults for kind in catalogue() if kind.name in CONTRACT} == CONTRACT


def test_all_but_the_web_agent_are_demos():
    assert [kind.name for kind in catalogue() if kind.group != "demo"] == ["web_agent"]


def test_every_kind_has_a_handler():
    assert set(handlers(catalogue())) == {kind.name for kind in catalogue()}


def test_a_kind_without_a_handler_stops_the_worker_with_the_file_to_write():
    orphan = Kind(name="orphan", title="Orphan", description="", params=Params)

    with pytest.raises(StartRefused, match=r"worker/tasks/orphan\.py must define"):
        handlers(Catalogue([orphan]))


def test_secrets_are_masked_at_any_depth_and_only_where_they_are_set():
    kind = catalogue().get("report")
    params = kind.validate({"source": {"api_key": "hunter2"}}).model_dump(mode="json")

    assert masked(kind, params)["source"] == {"url": params["source"]["url"], "api_key": MASK}
    assert masked(kind, kind.defaults) == kind.defaults


class Account(Params):
    user: str
    token: Secret = ""
    others: list["Account"] = Field([])


class Everywhere(Params):
    plain: str = ""
    perhaps: Secret | None = None
    named: dict[str, Secret] = Field({})
    listed: list[Secret] = Field([])
    pair: tuple[str, Secret] | None = None
    account: Account | str | None = None


def test_secrets_are_masked_wherever_a_model_can_have_them_and_come_back():
    kind = Kind(name="everywhere", title="", description="", params=Everywhere)
    account = {"user": "ann", "token": "S1", "others": [{"user": "bob", "token": "S2", "others": []}]}
    params = {
        "plain": "shown",
        "perhaps": "S3",
        "named": {"a": "S4", "b": ""},
        "listed": ["S5", "S6"],
        "pair": ["shown", "S7"],
        "account": account,
    }

    shown = masked(kind, params)

    assert shown == {
        "plain": "shown",
        "perhaps": MASK,
        "named": {"a": MASK, "b": ""},
        "listed": [MASK, MASK],
        "pair": ["shown", MASK],
        "account": {"user": "ann", "token": MASK, "others": [{"user": "bob", "token": MASK, "others": []}]},
    }
    assert unmasked(shown, params) == params
    assert unmasked({**shown, "named": {"a": "new"}}, params)["named"] == {"a": "new"}


@pytest.mark.parametrize("shown", [{"named": {"c": MASK}}, {"listed": [MASK]}, {"perhaps": MASK}])
def test_a_mask_that_stands_for_nothing_is_refused(shown):
    with pytest.raises(InvalidInput, match="type it anew"):
        unmasked(shown, {"named": {"a": "S"}, "listed": ["S1", "S2"], "perhaps": None})


@pytest.mark.parametrize(
    ("kind", "params", "field"),
    [
        ("web_agent", {"steps": 0}, "params.steps"),
        ("web_agent", {"steps": 101}, "params.steps"),
        ("web_agent", {"steps": "10"}, "params.steps"),
        ("web_agent", {"steps": True}, "params.steps"),
        ("web_agent", {"steps": 1.5}, "params.steps"),
        ("web_agent", {"step_seconds": 61}, "params.step_seconds"),
        ("web_agent", {"stepz": 1}, "params.stepz"),
        ("web_agent", {"goal": None}, "params.goal"),
        ("noop", {"x": 1}, "params.x"),
        ("noisy", {"lines": -1}, "params.lines"),
    ],
)
def test_a_wrong_parameter_is_named(kind, params, field):
    with pytest.raises(InvalidInput) as refusal:
        catalogue().get(kind).validate(params)

    assert [error.field for error in refusal.value.errors] == [field]


def test_a_form_may_send_numbers_as_text():
    params = catalogue().get("web_agent").validate({"steps": "7", "step_seconds": "0.5"}, lax=True)

    assert (params.steps, params.step_seconds) == (7, 0.5)
