"""What people write is checked by mypy and by pyright: good calls pass, each wrong one is refused where it stands."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from testbed import ROOT

CALLS = ROOT / "tests/support/typed_calls.py"
WRONG = re.compile(r"# wrong\b")


def wrong_lines() -> set[int]:
    return {number for number, line in enumerate(CALLS.read_text().splitlines(), start=1) if WRONG.search(line)}


def of_mypy(folder: Path) -> dict[int, str]:
    """What it finds, by line."""
    said = subprocess.run(
        [sys.executable, "-m", "mypy", "--output=json", "--cache-dir", str(ROOT / ".mypy_cache"), str(CALLS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode in (0, 1), said.stdout + said.stderr
    found = [json.loads(line) for line in said.stdout.splitlines() if line.startswith("{")]
    assert {Path(each["file"]).name for each in found} <= {CALLS.name}, said.stdout
    return {each["line"]: each["message"] for each in found if each["severity"] == "error"}


def of_pyright(folder: Path) -> dict[int, str]:
    """What it finds, by line, as it is set for everybody who does not choose."""
    settings = {"include": [str(CALLS)], "extraPaths": [str(ROOT)], "typeCheckingMode": "standard"}
    (folder / "pyrightconfig.json").write_text(json.dumps(settings))
    said = subprocess.run(
        [sys.executable, "-m", "basedpyright", "-p", str(folder), "--pythonpath", sys.executable, "--outputjson"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    found = json.loads(said.stdout)["generalDiagnostics"]
    errors = [each for each in found if each["severity"] == "error"]
    return {each["range"]["start"]["line"] + 1: each["message"] for each in errors}


@pytest.mark.parametrize("checker", [of_mypy, of_pyright])
def test_type_checkers_accept_good_calls_and_refuse_each_wrong_one(checker, tmp_path):
    found, wrong = checker(tmp_path), wrong_lines()

    assert {line: found[line] for line in found.keys() - wrong} == {}
    assert wrong - found.keys() == set()
