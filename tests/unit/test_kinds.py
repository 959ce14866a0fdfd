"""Kinds: found by being there, strict about their parameters, each with a handler."""

import sys
from unittest.mock import create_autospec

import pytest
from pydantic import Field

from runlane.define.kind import MASK, Kind, Params, Secret, masked, unmasked
from runlane.engine.handlers import load
from runlane.engine.progress import Progress
from runlane.errors import InvalidInput, StartRefused
from runlane.kinds.bundled.flaky import FlakyParams
from runlane.kinds.catalogue import Catalogue, catalogue
from runlane.model.limits import Rate
from worker import tasks
from worker.tasks import flaky

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
    loaded = load("worker.tasks", catalogue())

    assert set(loaded.handlers) == {kind.name for kind in catalogue()}
    assert loaded.off == {}


async def test_a_handler_is_tried_without_a_worker():
    """With parameters as they come from the form, and a stand-in that takes what the handler says."""
    params, job = catalogue().get("slow").validate({"seconds": 0}), create_autospec(Progress, instance=True)

    result = await load("worker.tasks", catalogue()).handlers["slow"](params, job)

    assert result == {"seconds": 0.0}
    job.step.assert_awaited_once_with("Taking its time")


async def test_a_handler_that_fails_is_tried_without_a_worker():
    params, job = FlakyParams(failures=2), create_autospec(Progress, instance=True, attempt=2)

    with pytest.raises(ConnectionError, match="Failure 2 of 2"):
        await flaky.run(params, job)


@pytest.fixture
def kinds(tmp_path, monkeypatch):
    """Kinds with handlers in a folder of the test, by the text of each; ``None``: there is no file."""

    def made(**files: str | None) -> Catalogue:
        for name, text in files.items():
            if text is not None:
                (tmp_path / f"{name}.py").write_text(text)
        return Catalogue([Kind(name=name, title=name, description="", params=Params) for name in files])

    monkeypatch.setattr(tasks, "__path__", [str(tmp_path)])
    yield made
    for name in [name for name in sys.modules if name.startswith("worker.tasks.made_")]:
        del sys.modules[name]


def test_a_kind_that_cannot_be_loaded_is_off_with_the_real_reason_and_keeps_no_other_from_running(kinds, caplog):
    good = "async def run(params, job): return 1"
    loaded = load(
        "worker.tasks",
        kinds(
            made_good=good,
            made_lacking="import pandas_of_nobody\n" + good,
            made_broken="1 / 0\n" + good,
            made_old="from types import SimpleNamespace as numpy\nnumpy().float\n" + good,
            made_leaving="raise SystemExit(3)",
            made_empty="",
            made_nowhere=None,
        ),
    )

    assert list(loaded.handlers) == ["made_good"]
    assert loaded.off == {
        "made_lacking": "worker/tasks/made_lacking.py cannot be loaded: "
        "ModuleNotFoundError: No module named 'pandas_of_nobody'",
        "made_broken": "worker/tasks/made_broken.py cannot be loaded: ZeroDivisionError: division by zero",
        "made_old": "worker/tasks/made_old.py cannot be loaded: "
        "AttributeError: 'types.SimpleNamespace' object has no attribute 'float'",
        "made_leaving": "worker/tasks/made_leaving.py cannot be loaded: SystemExit: 3",
        "made_empty": "worker/tasks/made_empty.py must define `async def run(params, job)`",
        "made_nowhere": "worker/tasks/made_nowhere.py must define `async def run(params, job)`",
    }
    assert "import pandas_of_nobody" in caplog.text, "with its traceback"


def test_a_worker_that_can_run_nothing_is_refused_in_words(kinds):
    with pytest.raises(StartRefused, match=r"No kind of job can be run\. worker/tasks/made_nowhere\.py must define"):
        load("worker.tasks", kinds(made_nowhere=None))


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
    with pytest.raises(InvalidInput, match="type it again"):
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
