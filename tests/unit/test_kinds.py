"""Kinds: the bundled ones are as the contract says, secrets are masked, and the catalogue is replaced in place."""

import pytest
from pydantic import Field

from runlane.define.params import Params, Secret
from runlane.errors import InvalidInput
from runlane.kinds.catalogue import Catalogue
from runlane.kinds.masking import MASK, masked, title_of, unmasked
from runlane.kinds.validation import validated
from runlane.model.limits import Rate
from tests.support.kinds import bundled, kind_of

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
    assert {kind.name: kind.defaults for kind in bundled() if kind.name in CONTRACT} == CONTRACT


def test_all_but_the_web_agent_are_demos():
    assert [kind.name for kind in bundled() if kind.group != "demo"] == ["web_agent"]


def test_the_catalogue_lists_main_kinds_first_then_groups_each_by_title():
    names = {"b": ("Zebra", "main"), "c": ("Ant", "tools"), "a": ("Bee", "main"), "d": ("Cat", "demo")}
    kinds = Catalogue([kind_of(name=name, title=title, group=group) for name, (title, group) in names.items()])

    assert [kind.name for kind in kinds] == ["a", "b", "d", "c"]


def test_who_holds_the_catalogue_reads_what_is_there_now_and_hears_of_changes_alone():
    kinds, heard = Catalogue([kind_of(name="old")]), []
    end = kinds.on_change(lambda: heard.append([kind.name for kind in kinds]))

    kinds.replace([kind_of(name="new")])
    kinds.replace([kind_of(name="new")])
    end()
    kinds.replace([])

    assert heard == [["new"]]
    assert (kinds.find("new"), len(kinds), kinds.version) == (None, 0, 3)


def test_an_unknown_kind_is_refused_with_the_closest_name():
    with pytest.raises(InvalidInput, match=r"there is no kind 'web_agnt'\. Did you mean 'web_agent'\?"):
        Catalogue(bundled()).get("web_agnt")


def test_a_kind_whose_model_contains_itself_has_its_properties_at_the_top():
    kind = kind_of(Account, summary="{user}")

    assert list(kind.params_schema["properties"]) == ["user", "token", "others"]
    assert masked(kind, {"others": [{"token": "S"}]}) == {"others": [{"token": MASK}]}


def test_fields_in_another_order_are_another_version_since_forms_show_them():
    class Turned(Params):
        second: int = 2
        first: int = 1

    class Straight(Params):
        first: int = 1
        second: int = 2

    turned, straight = kind_of(Turned, title="T"), kind_of(Straight, title="T")

    assert turned.digest != straight.digest


def test_secrets_are_masked_at_any_depth_and_only_where_they_are_set():
    [kind] = [kind for kind in bundled() if kind.name == "report"]
    params = validated(kind, {"source": {"url": "https://example.com", "api_key": "hunter2"}})

    assert masked(kind, params)["source"] == {"url": "https://example.com", "api_key": MASK}
    assert masked(kind, kind.defaults) == kind.defaults


def test_the_title_of_a_job_shows_no_secret():
    kind = kind_of(Account, summary="{user} · {token}")

    assert title_of(kind, {"user": "ann", "token": "hunter2"}) == f"ann · {MASK}"


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
    kind = kind_of(Everywhere)
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
    with pytest.raises(InvalidInput, match="type it again"):
        unmasked(shown, {"named": {"a": "S"}, "listed": ["S1", "S2"], "perhaps": None})
