"""The plugin of pytest, in a project of a user's: a whole Runlane once a session, and nothing left of it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from testbed import ROOT
from testbed.waiting import PATIENCE_S, until

JOBS = """
from runlane import job

@job
async def double(number: int) -> int:
    return 2 * number
"""
TESTS = """
import asyncio
from my_jobs import double

def test_a_job_is_run(runlane_server):
    with runlane_server.sync_client() as client:
        assert client.submit(double, 21).result(timeout=60) == 42

def test_the_server_is_the_same_one(runlane_server):
    async def read():
        async with runlane_server.client() as client:
            return [job.kind async for job in client.list()], [kind.name for kind in await client.kinds()]

    assert asyncio.run(read()) == (["double"], ["double"])
"""
STOPPED = """
import os, signal

def test_that_is_killed(runlane_server):
    os.kill(os.getpid(), signal.SIGKILL)
"""
LIGHT = """
import sys

def test_nothing_is_imported():
    heavy = {"pydantic", "sqlalchemy", "redis", "httpx", "reflex", "asyncio"} & set(sys.modules)
    ours = {name for name in sys.modules if name.startswith("runlane")}
    assert (heavy, ours) == (set(), {"runlane", "runlane.pytest_plugin", "runlane.version"})
"""


def start_pytest(folder: Path, tests: str, **environ: str) -> subprocess.Popen[str]:
    (folder / "test_own.py").write_text(tests)
    (folder / "my_jobs.py").write_text(JOBS)
    (folder / "pyproject.toml").write_text('[tool.pytest.ini_options]\nrunlane_jobs = ["my_jobs"]\n')
    environ = os.environ | {"PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"} | environ
    command = [sys.executable, "-m", "pytest", "-p", "runlane.pytest_plugin", "-p", "no:randomly", "-q"]
    return subprocess.Popen(
        [*command, "--basetemp", str(folder / "temp")], cwd=folder, env=environ, stdout=subprocess.PIPE, text=True
    )


def programs_in(folder: Path) -> list[str]:
    """What runs with its data in the folder."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(folder) in process.environ().get("RUNLANE_DATA_DIR", "") and process.status() != "zombie":
                found.append(" ".join(process.cmdline()))
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ".env").write_text("DATABASE_URL=postgresql://nobody@127.0.0.1:1/production\n")
    return tmp_path


def test_tests_of_a_project_share_one_server_that_ends_with_them(folder):
    run = start_pytest(folder, TESTS, REDIS_URL="redis://127.0.0.1:1")

    out, _ = run.communicate(timeout=PATIENCE_S * 2)

    assert "2 passed" in out, out
    assert programs_in(folder) == []


async def test_a_run_that_is_killed_leaves_nothing(folder):
    run = start_pytest(folder, STOPPED)

    run.communicate(timeout=PATIENCE_S * 2)

    assert run.returncode == -signal.SIGKILL

    async def left() -> list[str]:
        return programs_in(folder)

    await until(left, lambda programs: programs == [])


def test_a_server_that_may_not_start_says_why(folder):
    run = start_pytest(folder, TESTS, RUNLANE_LOG_LEVEL="LOUD")

    out, _ = run.communicate(timeout=PATIENCE_S)

    assert "Runlane ended with code 2 before it was ready." in out
    assert "RUNLANE_LOG_LEVEL is 'LOUD', but it must be DEBUG, INFO, WARNING or ERROR." in out


def test_a_project_that_does_not_use_it_loads_next_to_nothing(folder):
    run = start_pytest(folder, LIGHT)

    out, _ = run.communicate(timeout=PATIENCE_S)

    assert "1 passed" in out, out
