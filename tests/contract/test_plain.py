"""Plain functions in processes of their own: real processes, a real pool, and a context that keeps what it is given."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from runlane.define.context import Saved
from runlane.engine.loading import load
from runlane.engine.plain.errors import PlainError
from runlane.engine.plain.pool import PlainPool
from runlane.engine.plain.protocol import MAX_MESSAGE_BYTES
from runlane.engine.processes import close_spawner, spawner
from testbed import ROOT, plain_jobs
from testbed.plain import MODULE, Recorder, all_end, is_alive, pids_in
from testbed.waiting import PATIENCE_S, until


def no_grace() -> float:
    return 0.2


def long_grace() -> float:
    return PATIENCE_S


@pytest.fixture(scope="module")
async def pool() -> AsyncIterator[PlainPool]:
    made = PlainPool([MODULE], 2)
    made.open()
    yield made
    await made.close()
    await close_spawner()


@contextlib.asynccontextmanager
async def own_pool(size: int = 1, modules: tuple[str, ...] = (MODULE,), **more: Any) -> AsyncIterator[PlainPool]:
    made = PlainPool(modules, size, **more)
    try:
        yield made
    finally:
        await made.close()


async def run(pool: PlainPool, job: Any, *, context: Recorder | None = None, **params: Any) -> Any:
    return await pool.run(job, params, context or Recorder(), grace_s=long_grace)


async def fails(pool: PlainPool, job: Any, *, context: Recorder | None = None, **params: Any) -> PlainError:
    with pytest.raises(PlainError) as raised:
        await run(pool, job, context=context, **params)
    return raised.value


async def ends(running: "asyncio.Task[Any]") -> None:
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


# What goes in and comes out


async def test_a_model_goes_in_and_comes_back_as_json(pool):
    assert await run(pool, plain_jobs.double, width=4, tags=["a"]) == {
        "width": 8,
        "tags": ["a", "doubled"],
    }


@pytest.mark.parametrize("value", [None, "ünïcode \U0001f600", 2**70, 1.5, [], {"a": [{"b": None}]}, "x" * 3_000_000])
async def test_any_json_comes_back_as_it_was(pool, value):
    assert await run(pool, plain_jobs.echo, value=value) == value


async def test_parameters_that_the_model_refuses_are_not_tried_again(pool):
    error = await fails(pool, plain_jobs.double, width="wide")

    assert (error.type, error.may_retry) == ("InvalidParams", False)
    assert "params.width" in error.message


async def test_the_context_works_as_in_the_worker(pool):
    context = Recorder(Saved(steps=["Part a"]))

    result = await run(pool, plain_jobs.report, context=context)

    assert result == {
        "id": str(context.id),
        "attempt": 2,
        "total": 3,
        "done": ["b"],
        "once": 4,
        "code": 3,
        "threaded": 2,
    }
    assert context.steps_seen == ["Begun", "Part b"]
    assert context.percents == [50.0]
    assert context.artifacts == [
        ("a.bin", b"\x00\xff", "application/x-test"),
        ("picture.png", b"\x89PNG\r\n\x1a\n", "image/png"),
    ]
    assert context.kept == {"values": {"total": 3}, "steps": ["Part a", "Part b"], "once": {"first": 4}}
    assert context.lines[0] == ("by hand", "error", "")
    assert set(context.lines[1:]) == {("out", "info", "sh"), ("err", "warning", "sh")}


async def test_what_the_context_refuses_is_raised_in_the_function(pool):
    assert await run(pool, plain_jobs.refused) == [
        "ValueError: the level 'loud' must be one of debug, info, warning, error",
        "ValueError: 3 of 2: done must be from 0 to total, and total a number above 0",
        "TypeError: the content of the artifact 'a' must be bytes, not str",
        "FileNotFoundError: [Errno 2] This worker has no program 'no-such-program': no folder in PATH has it. "
        "Install it there",
        "ProcessFailed: sh ended with code 4: why",
    ]


async def test_what_it_prints_and_logs_are_lines_of_the_job(pool):
    context = Recorder()

    await run(pool, plain_jobs.talk, context=context)

    assert [line for line in context.lines if line[0] != "from a program"] == [
        ("printed", "info", "stdout"),
        ("to stderr", "warning", "stderr"),
        ("logged 1", "error", "shop.cart"),
        ("from a thread", "info", "stdout"),
        ("no end", "info", "stdout"),
    ]
    assert ("from a program", "info", "stdout") in context.lines


async def test_no_line_is_lost_of_one_that_prints_more_than_can_be_under_way(pool):
    context = Recorder()

    await run(pool, plain_jobs.talk_much, context=context, lines=2000)

    assert context.texts == [str(number) for number in range(2000)]


async def test_it_may_fork_and_what_that_logs_is_a_line(pool):
    context = Recorder()

    assert await run(pool, plain_jobs.forks, context=context) == [0, 1, 4]
    assert sorted(context.texts) == ["logged 0", "logged 1", "logged 2"]


async def test_a_fork_that_comes_back_is_not_taken_for_the_job():
    async with own_pool() as pool:
        assert await run(pool, plain_jobs.comes_back_twice) == await run(pool, plain_jobs.where)


# How it fails


@pytest.mark.parametrize(
    ("how", "type", "message", "may_retry"),
    [
        ("error", "OSError", "the disk is full", True),
        ("other", "RuntimeError", "no luck", False),
        ("cause", "ValueError", "not found", False),
        ("give up", "GiveUp", "it is closed", False),
        ("no json", "LookupError", "odd � text ?", False),
        (
            "exit",
            "SystemExit",
            "The function called sys.exit(3). Return a result, or raise an error that says what failed.",
            False,
        ),
    ],
)
async def test_an_error_comes_back_in_words_and_with_the_users_own_frames(pool, how, type, message, may_retry):
    error = await fails(pool, plain_jobs.fail, how=how)

    assert (error.type, error.message, error.may_retry) == (type, message, may_retry)
    assert "plain_jobs.py" in error.traceback
    assert "runlane/engine" not in error.traceback


async def test_a_cause_is_in_the_traceback(pool):
    error = await fails(pool, plain_jobs.fail, how="cause")

    assert "KeyError: 'missing'" in error.traceback
    assert "direct cause" in error.traceback


async def test_a_result_that_json_cannot_hold_fails_the_job(pool):
    error = await fails(pool, plain_jobs.returns_no_json)

    assert error.type == "TypeError"
    assert error.message.startswith("The job returned what JSON cannot hold: ")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("exit", "The process of this job ended with code 7, before the function had returned."),
        ("segfault", "The process of this job ended with signal 11 (SIGSEGV)."),
        (
            "kill",
            "The process of this job ended with signal 9 (SIGKILL). Often that is a machine without memory left.",
        ),
    ],
)
async def test_a_process_that_ends_under_a_job_fails_it_and_the_next_job_runs(pool, how, message):
    error = await fails(pool, plain_jobs.end, how=how)

    assert (error.type, error.message, error.may_retry) == ("ProcessEnded", message, True)
    assert await run(pool, plain_jobs.echo, value=1) == 1


async def test_a_crash_leaves_its_stack_in_the_log(pool):
    context = Recorder()

    await fails(pool, plain_jobs.end, context=context, how="segfault")

    assert any("plain_jobs.py" in text for text in context.texts)


async def test_a_module_that_cannot_be_imported_is_named():
    async with own_pool(modules=("no_such_module",)) as pool:
        error = await fails(pool, plain_jobs.where)

    assert "'plain_jobs.where'" in error.message
    assert "no_such_module" in error.message
    assert not error.may_retry


# How it is ended


@pytest.mark.parametrize("job", [plain_jobs.busy, plain_jobs.deaf, plain_jobs.sleeping, plain_jobs.stubborn])
async def test_a_cancel_ends_any_code(pool, tmp_path, job):
    context = Recorder()
    running = asyncio.create_task(pool.run(job, {"pids": str(tmp_path / "pids")}, context, grace_s=no_grace))
    pids = await pids_in(tmp_path / "pids", 1)

    await ends(running)

    assert not any(map(is_alive, pids))


async def test_a_cancelled_function_may_clean_up(pool, tmp_path):
    context = Recorder()
    running = asyncio.create_task(
        pool.run(plain_jobs.busy, {"pids": str(tmp_path / "pids")}, context, grace_s=long_grace)
    )
    await pids_in(tmp_path / "pids", 1)

    await ends(running)

    assert context.texts == ["cleaned up, cancelled=True"]


@pytest.mark.parametrize("how", ["loop", "program", "threads", "late"])
async def test_code_that_waits_is_interrupted_however_it_waits(pool, how):
    context = Recorder()
    running = asyncio.create_task(pool.run(plain_jobs.waits, {"how": how}, context, grace_s=long_grace))
    await until(lambda: _copy(context.steps_seen))

    await ends(running)

    assert context.texts == ["cleaned up"]


async def test_a_clean_up_that_fails_is_raised(pool, tmp_path):
    context = Recorder()
    running = asyncio.create_task(
        pool.run(plain_jobs.unclean, {"pids": str(tmp_path / "pids")}, context, grace_s=long_grace)
    )
    await until(lambda: _copy(context.steps_seen))
    running.cancel()

    with pytest.raises(PlainError, match="the door is stuck"):
        await running


async def _copy(seen: list[str]) -> list[str]:
    return list(seen)


async def test_a_second_cancel_changes_nothing(pool, tmp_path):
    running = asyncio.create_task(
        pool.run(plain_jobs.stubborn, {"pids": str(tmp_path / "pids")}, Recorder(), grace_s=no_grace)
    )
    pids = await pids_in(tmp_path / "pids", 1)
    running.cancel()
    await asyncio.sleep(0)

    await ends(running)

    assert not any(map(is_alive, pids))


async def test_a_cancel_ends_all_that_it_has_started(pool, tmp_path):
    running = asyncio.create_task(
        pool.run(plain_jobs.parent, {"pids": str(tmp_path / "pids")}, Recorder(), grace_s=no_grace)
    )
    pids = await pids_in(tmp_path / "pids", 5)
    assert all(map(is_alive, pids))

    await ends(running)

    assert not any(map(is_alive, pids))


async def test_sigterm_to_the_process_alone_ends_no_job(pool, tmp_path):
    context = Recorder()
    running = asyncio.create_task(
        pool.run(plain_jobs.compute, {"stop": str(tmp_path / "stop")}, context, grace_s=no_grace)
    )
    [pid] = await until(lambda: _copy(context.steps_seen))
    os.kill(int(pid), signal.SIGTERM)
    (tmp_path / "stop").touch()

    assert await running > 0


@pytest.mark.parametrize(("job", "count"), [("deaf", 1), ("parent", 5)])
async def test_a_worker_that_is_killed_leaves_nobody(tmp_path, job, count):
    path = tmp_path / "pids"
    worker = await asyncio.create_subprocess_exec(*(sys.executable, "-m", "testbed.plain", job, str(path)), cwd=ROOT)
    pids = await pids_in(path, count)
    assert all(map(is_alive, pids))

    worker.kill()
    await worker.wait()

    await all_end(pids)


async def test_when_the_spawner_is_killed_its_jobs_fail_and_the_next_ones_run(tmp_path):
    async with own_pool() as pool:
        running = asyncio.create_task(fails(pool, plain_jobs.deaf, pids=str(tmp_path / "pids")))
        pids = await pids_in(tmp_path / "pids", 1)

        os.kill(spawner().pid, signal.SIGKILL)

        assert (await running).type == "ProcessEnded"
        await all_end(pids)
        assert await run(pool, plain_jobs.echo, value=1) == 1


# How processes are kept


async def test_five_that_compute_run_at_once_and_leave_the_loop_free(tmp_path):
    contexts = [Recorder() for _ in range(5)]
    async with own_pool(size=2) as pool:
        running = [
            asyncio.create_task(run(pool, plain_jobs.compute, context=context, stop=str(tmp_path / "stop")))
            for context in contexts
        ]

        async def reports() -> int:
            return min(len(context.percents) for context in contexts)

        # Each report is a turn of this loop, and they end only when it creates the file.
        await until(reports, lambda count: count >= 3)
        (tmp_path / "stop").touch()
        pids = await asyncio.gather(*running)

    assert len({*pids, os.getpid()}) == 6


async def test_jobs_one_after_another_share_a_process_and_its_modules_but_not_the_workers():
    async with own_pool() as pool:
        assert await run(pool, plain_jobs.remember, number=1) == [1]
        assert await run(pool, plain_jobs.remember, number=2) == [1, 2]

    assert plain_jobs.seen == []


async def test_a_process_is_replaced_after_so_many_jobs():
    async with own_pool(max_runs=2) as pool:
        pids = [await run(pool, plain_jobs.where) for _ in range(3)]

    assert pids[0] == pids[1] != pids[2]


async def test_a_process_in_which_a_job_left_a_program_running_is_not_used_again(tmp_path):
    async with own_pool() as pool:
        first = await run(pool, plain_jobs.leaves_a_program, pids=str(tmp_path / "pids"))

        assert await run(pool, plain_jobs.where) != first
        await all_end(await pids_in(tmp_path / "pids", 2))


async def test_processes_are_ready_before_the_first_job():
    async with own_pool(size=2) as pool:
        pool.open()

        async def ready() -> int:
            return pool.ready

        await until(ready, lambda count: count == 2)


async def test_a_resource_is_made_once_a_process_and_closed_with_it(tmp_path, monkeypatch):
    path = tmp_path / "resource"
    monkeypatch.setenv("PLAIN_JOBS_RESOURCES", str(path))
    async with own_pool() as pool:
        assert [await run(pool, plain_jobs.counts) for _ in range(3)] == [1, 2, 3]
        assert path.read_text() == "made\n"

    assert path.read_text() == "made\nclosed\n"


async def test_a_resource_that_cannot_be_made_fails_the_job_and_is_tried_again_for_the_next(tmp_path, monkeypatch):
    path, broken = tmp_path / "resource", tmp_path / "resource.broken"
    monkeypatch.setenv("PLAIN_JOBS_RESOURCES", str(path))
    broken.touch()
    async with own_pool() as pool:
        error = await fails(pool, plain_jobs.counts)
        broken.unlink()

        assert (error.type, error.message) == ("ConnectionError", "nobody answers")
        assert await run(pool, plain_jobs.counts) == 1


async def test_a_context_that_cannot_report_ends_the_job(pool, tmp_path):
    class Broken(Recorder):
        async def log_line(self, text: str, level: Any, logger: str) -> None:
            raise ConnectionError("the database is away")

    with pytest.raises(ConnectionError):
        await run(pool, plain_jobs.talk_much, context=Broken(), lines=10)
    assert await run(pool, plain_jobs.echo, value=1) == 1


async def test_the_environment_of_the_worker_is_the_jobs_too(pool):
    context = Recorder()

    await run(pool, plain_jobs.environment, context=context)

    assert context.texts == [repr(os.environ.get("PYTHONPATH"))]


async def test_more_than_a_worker_should_hold_never_leaves_the_process_of_the_job(pool):
    context = Recorder()

    error = await fails(pool, plain_jobs.returns_much, context=context, size=MAX_MESSAGE_BYTES)

    assert (error.type, error.may_retry) == ("TooLarge", False)
    assert error.message.startswith(f"A plain function can hand over {MAX_MESSAGE_BYTES} bytes at once")
    assert [text.partition(" bytes")[0] for text in context.texts] == [error.message.partition(" bytes")[0]]
    assert await run(pool, plain_jobs.echo, value="\u00fc" * 1000) == "\u00fc" * 1000


async def test_files_of_the_user_that_are_called_as_pythons_own_modules_keep_no_process_from_starting(
    tmp_path, monkeypatch
):
    for name in ("email.py", "socket.py", "json.py"):
        (tmp_path / name).write_text("raise RuntimeError('this is not the one that was wanted')\n")
    module = tmp_path / "jobs_beside_email.py"
    module.write_text("from runlane import job\n\n\n@job\ndef answer_beside_email() -> int:\n    return 42\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *filter(None, sys.path)])  # as ``load`` leaves it in a worker
    await close_spawner()  # the next one starts here
    job = load([module.stem]).jobs["answer_beside_email"]

    async with own_pool(modules=(module.stem,)) as pool:
        assert await run(pool, job) == 42
    await close_spawner()
