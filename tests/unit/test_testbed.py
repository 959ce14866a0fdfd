"""A run of tests: what it may not share, what keeps it from starting, and that nothing of it is left."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import sys
from pathlib import Path

import pytest

from testbed import ROOT, postgres_server
from testbed.errors import CannotRun
from testbed.once import once
from testbed.ports import BLOCK_SIZE, free_port
from testbed.reaper import processes_of
from testbed.run import check_space
from testbed.waiting import until

BEGIN_AND_HANG = """
import subprocess, time
from testbed.run import Run
run = Run()
(run.folder / "file").write_text("left")
subprocess.Popen(["sleep", "600"])
subprocess.Popen(["sh", "-c", "trap '' TERM QUIT; sleep 600"], start_new_session=True)
subprocess.Popen(["env", "-i", "sleep", "600"], cwd=run.folder)
print(run.folder, flush=True)
time.sleep(600)
"""


@contextlib.asynccontextmanager
async def python(*words: str, **environ: str):
    """A Python program with these words, in this checkout."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *words),
        cwd=ROOT,
        env=os.environ | environ,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def test_ports_are_given_in_a_circle_and_one_that_is_taken_is_passed_over():
    port = free_port()

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        following = {free_port() for _ in range(BLOCK_SIZE)}
    later = {free_port() for _ in range(BLOCK_SIZE)}

    assert port not in following
    assert port in later
    assert {given // BLOCK_SIZE for given in following | later} == {port // BLOCK_SIZE}


async def test_two_processes_are_given_ports_of_different_blocks():
    own = free_port()
    script = "from testbed.ports import free_port; print(free_port(), flush=True); input()"
    async with python("-c", script) as one, python("-c", script) as two:
        ports = [int(await process.stdout.readline()) for process in (one, two)]

    assert len({port // BLOCK_SIZE for port in [own, *ports]}) == 3


async def test_what_several_ask_for_is_made_once(tmp_path):
    made = []

    def make(path: Path) -> None:
        made.append(path)
        path.write_text("made")

    found = await asyncio.gather(*(asyncio.to_thread(once, tmp_path / "thing", make) for _ in range(5)))

    assert [path.read_text() for path in found] == ["made"] * 5
    assert len(made) == 1


async def test_a_run_that_is_killed_leaves_no_process_and_no_file():
    async with python("-c", BEGIN_AND_HANG) as run:
        folder = Path((await run.stdout.readline()).decode().strip())
        assert len(processes_of(str(folder))) >= 3

        run.kill()

        async def left() -> tuple[int, bool]:
            return len(processes_of(str(folder))), folder.exists()

        await until(left, lambda seen: seen == (0, False))


async def test_a_run_that_is_cut_off_by_ctrl_c_leaves_nothing(tmp_path):
    """A whole one, with processes side by side and a product: it takes a while to come so far."""
    words = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "1", "tests/integration/test_launcher.py")
    async with python(*words, "-k", "answers_when", TMPDIR=str(tmp_path)) as run:

        async def started() -> int:
            return sum(len(processes_of(str(folder))) for folder in tmp_path.glob("runlane-tests-*"))

        await until(started, lambda count: count >= 6)
        [folder] = tmp_path.glob("runlane-tests-*")

        run.send_signal(signal.SIGINT)
        await run.wait()

    assert processes_of(str(folder)) == []
    assert list(tmp_path.iterdir()) == []


def test_too_little_room_is_said_in_one_sentence(tmp_path):
    with pytest.raises(CannotRun, match=rf"The disk that holds {tmp_path} has \d+ MB left and the tests need \d+ MB\."):
        check_space(tmp_path, 10**18)


def test_no_postgresql_is_said_in_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(postgres_server, "DEBIAN", tmp_path)
    monkeypatch.setattr(postgres_server, "find_spec", lambda name: None)
    monkeypatch.delenv("DATABASE_URL", raising=False)

    with pytest.raises(CannotRun, match=r"no PostgreSQL server here to test on: install one .* or run make test"):
        postgres_server.check_server()


@pytest.mark.parametrize("processes", ["0", "2"])
async def test_no_browser_is_said_in_one_sentence_before_any_test_runs(tmp_path, processes):
    words = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", processes, "tests/e2e/test_appearance.py")
    here = {"PATH": str(Path(sys.executable).parent), "PLAYWRIGHT_BROWSERS_PATH": str(tmp_path), "CHROMIUM": ""}
    async with python(*words, **here) as run:
        said, _ = await run.communicate()

    assert run.returncode == 2
    assert said.decode().count("There is no Chromium here to drive") == 1
    assert "Traceback" not in said.decode()
