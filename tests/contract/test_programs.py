"""Programs that run for a job, on real processes: their output, and that none of it outlives the job."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from typing import Any

import psutil
import pytest

from runlane.define.context import ProcessFailed
from runlane.engine import programs
from runlane.engine.pipes import MAX_LINE_LENGTH
from runlane.engine.processes import close_spawner
from testbed import ROOT
from testbed.plain import all_end, is_alive, pids_in
from testbed.waiting import until

Lines = list[tuple[str, bool]]


@pytest.fixture(scope="module", autouse=True)
async def own_spawner() -> AsyncIterator[None]:
    yield
    await close_spawner()


async def run(*argv: str, lines: Lines | None = None, **more: Any) -> programs.Finished:
    async def on_line(text: str, is_error: bool) -> None:
        if lines is not None:
            lines.append((text, is_error))

    return await programs.run(argv, on_line=on_line, **more)


async def ends(running: "asyncio.Task[Any]") -> None:
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_its_lines_come_one_by_one_and_the_last_ones_are_kept():
    lines: Lines = []

    finished = await run("sh", "-c", "echo one; echo two >&2; printf three", lines=lines)

    assert sorted(lines) == [("one", False), ("three", False), ("two", True)]
    assert finished.code == 0
    assert set(finished.output.split("\n")) == {"one", "two", "three"}


async def test_a_line_comes_while_the_program_runs(tmp_path):
    lines: Lines = []
    script = f"echo begun; while [ ! -e {tmp_path}/go ]; do sleep 0.01; done"
    running = asyncio.create_task(run("sh", "-c", script, lines=lines))

    await until(lambda: _copy(lines), lambda seen: seen == [("begun", False)])
    (tmp_path / "go").touch()

    assert (await running).code == 0


async def _copy(lines: Lines) -> Lines:
    return list(lines)


async def test_it_has_the_workers_environment_and_what_is_added_and_the_folder(tmp_path):
    finished = await run("sh", "-c", 'echo "$HOME $EXTRA"; pwd', env={"EXTRA": "more"}, cwd=str(tmp_path))

    assert finished.output == f"{os.environ['HOME']} more\n{tmp_path}"


async def test_it_has_nothing_to_read():
    assert (await run("cat")).output == ""


async def test_another_code_than_0_is_raised_unless_it_is_not_to_be_checked():
    with pytest.raises(ProcessFailed, match="sh ended with code 3: no such thing") as raised:
        await run("sh", "-c", "echo no such thing >&2; exit 3")

    assert raised.value.finished.code == 3
    assert (await run("sh", "-c", "kill -9 $$", check=False)).code == -9


@pytest.mark.parametrize(
    ("argv", "cwd", "error", "sentence"),
    [
        (["no-such-program"], None, FileNotFoundError, "This worker has no program 'no-such-program'"),
        (["/no/such/program"], None, FileNotFoundError, "there is no such file"),
        (["/etc/passwd"], None, PermissionError, "'/etc/passwd' may not be executed"),
        (["ls"], "/no/such/folder", NotADirectoryError, "'ls' cannot be run in '/no/such/folder', which is no folder"),
        (["ls", "a\0b"], None, OSError, "'ls' cannot be started: embedded null byte"),
        ([], None, ValueError, "needs the name of a program"),
    ],
)
async def test_a_program_that_cannot_be_started_is_named(argv, cwd, error, sentence):
    with pytest.raises(error, match=sentence):
        await run(*argv, cwd=cwd)


async def test_bytes_that_are_no_text_and_lines_without_end_become_lines():
    lines: Lines = []

    await run(
        sys.executable, "-c", r"import os; os.write(1, b'\xff\xfe!\n' + b'x' * 1_000_000 + b'\nlast')", lines=lines
    )

    assert [text for text, _ in lines] == ["��!", "x" * (MAX_LINE_LENGTH - 1) + "…", "last"]


async def test_of_a_progress_bar_the_last_state_is_kept():
    lines: Lines = []

    await run("printf", r"10%%\r50%%\r100%%\r\nnext\r\n", lines=lines)

    assert [text for text, _ in lines] == ["100%", "next"]


async def test_a_program_that_writes_100_mb_ends_and_says_how_much_was_left_out():
    lines: Lines = []
    count = 10**8 // 64

    finished = await run("sh", "-c", f"yes {'x' * 63} | head -n {count}; echo the end >&2", lines=lines)

    kept = [text for text, _ in lines]
    assert len(kept) == programs.MAX_LINES + 1
    left_out = count + 1 - programs.MAX_LINES
    assert kept[-1] == f"… {left_out} more lines were written; a program's first {programs.MAX_LINES} are kept."
    assert len(finished.output.split("\n")) == programs.LAST_LINES


async def test_one_that_closes_its_output_is_waited_for(tmp_path):
    running = asyncio.create_task(
        run("sh", "-c", f"exec >&- 2>&-; echo $$ > {tmp_path}/pid; while [ ! -e {tmp_path}/go ]; do sleep 0.01; done")
    )
    await pids_in(tmp_path / "pid", 1)

    assert not running.done()
    (tmp_path / "go").touch()
    assert (await running).code == 0


async def test_a_cancel_lets_it_clean_up():
    lines: Lines = []
    script = "trap 'echo cleaned; exit 0' TERM; echo ready; while true; do :; done"
    running = asyncio.create_task(run("sh", "-c", script, lines=lines, grace_s=60))
    await until(lambda: _copy(lines))

    await ends(running)

    assert lines == [("ready", False), ("cleaned", False)]


async def test_a_cancel_kills_one_that_ignores_it_and_all_that_it_started(tmp_path):
    path = tmp_path / "pids"
    script = (
        f"trap '' TERM; setsid sleep 600 & echo $! >> {path}; sleep 600 & echo $! >> {path}; echo $$ >> {path}; wait"
    )
    running = asyncio.create_task(run("sh", "-c", script, grace_s=0.1))
    pids = await pids_in(path, 3)

    await ends(running)

    assert not any(map(is_alive, pids))


async def test_what_it_leaves_running_ends_with_it(tmp_path):
    path = tmp_path / "pids"

    await run("sh", "-c", f"(setsid sleep 600 & echo $! >> {path}); sleep 600 & echo $! >> {path}")

    assert not any(map(is_alive, await pids_in(path, 2)))


async def test_a_line_that_cannot_be_reported_ends_it(tmp_path):
    async def on_line(text: str, is_error: bool) -> None:
        raise ConnectionError("the database is away")

    with pytest.raises(ConnectionError):
        await programs.run(["sh", "-c", f"echo $$ > {tmp_path}/pid; echo line; exec sleep 600"], on_line=on_line)

    assert not any(map(is_alive, await pids_in(tmp_path / "pid", 1)))


@pytest.mark.parametrize("turns", range(4))
async def test_one_that_is_cancelled_while_it_starts_does_not_stay(turns):
    running = asyncio.create_task(run("sleep", "600.125"))
    for _ in range(turns):
        await asyncio.sleep(0)

    await ends(running)

    assert not [pid for pid in psutil.pids() if _is_sleep(pid, "600.125")]


def _is_sleep(pid: int, seconds: str) -> bool:
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).cmdline() == ["sleep", seconds] and is_alive(pid)
    return False


async def test_a_worker_that_is_killed_leaves_nothing(tmp_path):
    path = tmp_path / "pids"
    script = f"trap '' TERM HUP; setsid sleep 600 & echo $! >> {path}; echo $$ >> {path}; wait"
    program = (
        "import asyncio\nfrom runlane.engine import programs\n"
        "async def on_line(text, is_error): ...\n"
        f"asyncio.run(programs.run(['sh', '-c', {script!r}], on_line=on_line))"
    )
    worker = await asyncio.create_subprocess_exec(sys.executable, "-c", program, cwd=ROOT)
    pids = await pids_in(path, 2)
    assert all(map(is_alive, pids))

    worker.kill()
    await worker.wait()

    await all_end(pids)
