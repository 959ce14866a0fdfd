"""The code of the guide runs as it stands: each block is written to the file that it names, and does what it is for.

A module is imported and its jobs that need no parameters are run; tests are run by pytest; mypy reads all of a page.
A later block of the same name takes the place of an earlier one, as when a reader edits the file. What needs a server
has that behind its name.
"""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from testbed import ROOT
from tests.support.guide import GUIDE, PAGES, WITH_CODE, blocks
from tests.support.user_projects import PROJECT

RUN = """
import importlib, sys
from runlane.define.job import defined
from runlane.testing import run_job_sync

importlib.import_module(sys.argv[1])
for job in defined().values():
    assert job.kind.digest and job.title
    if not set(job.kind.params_schema.get("required", ())) and not job.signature.resources:
        outcome = run_job_sync(job)
        assert outcome.status == "completed", outcome.error
        print(job.name, outcome.result)
"""


def python(*words: str, folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, *words], cwd=folder, env=environ_of(folder), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def environ_of(folder: Path) -> dict[str, str]:
    return {"PATH": "/usr/bin:/bin", "HOME": str(folder), "PYTHONPATH": f"{folder}:{ROOT}", "PYTHONWARNINGS": "error"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_block_has_a_file_or_is_what_one_types(page):
    for block in blocks(page):
        assert (block.language, bool(block.file)) in (("python", True), ("toml", True), ("sh", False)), block
        assert set(block.needs) <= {"server"}, block


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: page.stem)
def test_the_code_of_a_page_runs_as_it_stands(page, tmp_path):
    for block in blocks(page):
        if block.language != "python":
            continue
        (tmp_path / block.file).write_text(block.code)
        if block.is_test:
            python("-m", "pytest", "-q", "-p", "no:valkey", "-p", "no:asyncio", block.file, folder=tmp_path)
        elif "server" not in block.needs:
            python("-c", RUN, Path(block.file).stem, folder=tmp_path)


def test_the_code_is_typed_and_looks_like_that_of_a_project_of_ones_own(tmp_path):
    """Each page as a package, for they share names of files, so that one run reads them all."""
    for page in WITH_CODE:
        package = page.stem.replace("-", "_")
        modules = {block.file: block.code for block in blocks(page) if block.language == "python"}
        for file, code in modules.items():
            (tmp_path / package).mkdir(exist_ok=True)
            siblings = "|".join(Path(each).stem for each in modules)
            code = re.sub(rf"^from ({siblings}) ", rf"from {package}.\1 ", code, flags=re.MULTILINE)
            (tmp_path / package / file).write_text(code)
    rules = ["--isolated", "--line-length", "120"]

    python("-m", "ruff", "format", "--check", *rules, ".", folder=tmp_path)
    python("-m", "ruff", "check", *rules, "--select", "E,F,W,I,UP,B,SIM", "--ignore", "B006", ".", folder=tmp_path)
    cache = str(ROOT / ".mypy_cache" / "guide")
    python("-m", "mypy", "--strict", "--explicit-package-bases", "--cache-dir", cache, ".", folder=tmp_path)


def test_the_project_that_is_deployed_is_the_one_that_the_page_has():
    [block] = [block for block in blocks(GUIDE / "deploy.md") if block.language == "toml"]

    assert tomllib.loads(block.code) == tomllib.loads((PROJECT / "pyproject.toml").read_text())


def test_the_list_of_pages_is_whole():
    listed = re.findall(r"\]\(([\w-]+\.md)\)", (GUIDE / "README.md").read_text())

    assert sorted(listed) == [page.name for page in PAGES]
