"""Handlers: one file a kind, of which each can be tried without a worker."""

import sys
from unittest.mock import create_autospec

import pytest

from runlane.define.kind import Kind, Params
from runlane.engine.handlers import load
from runlane.engine.progress import Progress
from runlane.errors import StartRefused
from runlane.kinds.bundled import slow
from runlane.kinds.bundled.flaky import FlakyParams
from tests.support.kinds import bundled
from worker import tasks
from worker.tasks import flaky


def test_every_kind_has_a_handler():
    loaded = load("worker.tasks", bundled())

    assert set(loaded.handlers) == {kind.name for kind in bundled()}
    assert loaded.off == {}


async def test_a_handler_is_tried_without_a_worker():
    """With parameters as they come from the form, and a stand-in that takes what the handler says."""
    params, job = slow.SlowParams(seconds=0), create_autospec(Progress, instance=True)

    result = await load("worker.tasks", bundled()).handlers["slow"](params, job)

    assert result == {"seconds": 0.0}
    job.step.assert_awaited_once_with("Taking its time")


async def test_a_handler_that_fails_is_tried_without_a_worker():
    params, job = FlakyParams(failures=2), create_autospec(Progress, instance=True, attempt=2)

    with pytest.raises(ConnectionError, match="Failure 2 of 2"):
        await flaky.run(params, job)


@pytest.fixture
def kinds(tmp_path, monkeypatch):
    """Kinds with handlers in a folder of the test, by the text of each; ``None``: there is no file."""

    def made(**files: str | None) -> list[Kind]:
        for name, text in files.items():
            if text is not None:
                (tmp_path / f"{name}.py").write_text(text)
        return [Kind(name=name, title=name, description="", params=Params) for name in files]

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
