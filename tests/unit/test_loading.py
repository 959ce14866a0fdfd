"""Loading jobs: from modules and packages, each with its own fate."""

import sys

import pytest

from runlane.define import job as job_module
from runlane.engine.loading import load
from runlane.errors import StartRefused
from runlane.testing import run_job
from worker.tasks.flaky import flaky
from worker.tasks.slow import slow

GOOD = "from runlane import job\n@job\nasync def {name}() -> int: return 1\n"


@pytest.fixture
def modules(tmp_path, monkeypatch):
    """Modules in a folder of the test, by the text of each."""

    def made(**texts: str) -> list[str]:
        for name, text in texts.items():
            path = tmp_path / f"{name.replace('__', '/', 1)}.py"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        return [name for name in texts if "__" not in name]

    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(job_module, "_defined", {})
    yield made
    for name in [name for name in sys.modules if name.startswith("made_")]:
        del sys.modules[name]


async def test_bundled_jobs_are_tried_without_a_worker():
    assert (await run_job(slow, seconds=0.0)).result == {"seconds": 0.0}
    assert (await run_job(flaky, failures=2)).attempts == 3


def test_a_module_that_cannot_be_imported_is_off_with_the_real_reason_and_keeps_no_other_from_running(modules, caplog):
    loaded = load(
        [
            *modules(
                made_good=GOOD.format(name="good"),
                made_lacking="import pandas_of_nobody\n" + GOOD.format(name="lacking"),
                made_broken="\n\n1 / 0\n",
                made_wrong="def f(:\n",
                made_leaving="raise SystemExit(3)",
            ),
            "made_nowhere",
        ]
    )

    assert list(loaded.jobs) == ["good"]
    assert {name: why.removeprefix(f"The module {name} cannot be imported: ") for name, why in loaded.off.items()} == {
        "made_lacking": "made_lacking.py, line 1: ModuleNotFoundError: No module named 'pandas_of_nobody'",
        "made_broken": "made_broken.py, line 3: ZeroDivisionError: division by zero",
        "made_wrong": "made_wrong.py, line 1: SyntaxError: invalid syntax",
        "made_leaving": "made_leaving.py, line 1: SystemExit: 3",
        "made_nowhere": "ModuleNotFoundError: No module named 'made_nowhere'",
    }
    assert "import pandas_of_nobody" in caplog.text, "with its traceback"
    assert "importlib" not in caplog.text, "from the user's first line on"


def test_a_job_that_is_refused_is_named_in_one_sentence_with_its_place(modules, caplog):
    text = "from runlane import job\n@job\nasync def wrong(what: print) -> int: return 1\n"

    loaded = load([*modules(made_refused=text, made_good=GOOD.format(name="good"))])

    why = loaded.off["made_refused"]
    assert why.startswith("The module made_refused cannot be imported: /")
    assert "made_refused.py:2: wrong: The parameter 'what' is of a type that JSON cannot hold" in why
    assert why in caplog.text
    assert "Traceback" not in caplog.text and "DefinitionError" not in caplog.text


def test_a_package_brings_the_jobs_of_all_its_modules_but_private_ones(modules):
    modules(
        made_shop____init__="",
        made_shop__crawl=GOOD.format(name="crawl"),
        made_shop___drafts=GOOD.format(name="draft"),
        made_shop__broken="1 / 0",
    )

    loaded = load(["made_shop"])

    assert list(loaded.jobs) == ["crawl"]
    assert list(loaded.off) == ["made_shop.broken"]


def test_jobs_that_a_module_imports_are_its_jobs_too(modules):
    names = modules(made_here="from made_there import there", made_there=GOOD.format(name="there"))

    assert list(load(names[:1]).jobs) == ["there"]


def test_a_worker_without_jobs_is_refused_in_words(modules):
    with pytest.raises(StartRefused, match=r"There is no job in made_empty \(RUNLANE_JOBS\)\. Put @job before"):
        load(modules(made_empty=""))
    with pytest.raises(StartRefused, match=r"made_broken cannot be imported: made_broken\.py, line 1: ZeroDivision"):
        load(modules(made_broken="1 / 0"))


def test_a_file_that_is_called_as_a_module_of_pythons_own_is_off_and_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    for name in ("email", "sys"):
        (tmp_path / f"{name}.py").write_text(GOOD.format(name="send"))

    with pytest.raises(StartRefused) as refused:
        load(["email", "sys"])

    assert "Python has another module email, in " in refused.value.message
    assert "rename your file email.py." in refused.value.message
    assert "Python has another module sys, in itself; rename your file sys.py." in refused.value.message
