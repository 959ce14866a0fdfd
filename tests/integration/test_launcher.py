"""The launcher: one command starts everything, nothing is left when it ends, and what cannot work is said at once.

Most of these start the whole product, some twice, which is what they take.
"""

import asyncio
import contextlib
import os
import signal
import sqlite3
import stat
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from runlane.db import schema
from runlane.launcher import ui_build
from testbed import ROOT
from testbed.ports import free_port
from testbed.waiting import PATIENCE_S, until
from tests.support.launchers import Launch, Run, launching


@pytest.fixture
async def launch(tmp_path: Path) -> AsyncIterator[Launch]:
    """Starts launchers on one data folder; whatever they led to is killed when the test ends."""
    async with launching(tmp_path) as start:
        yield start


@pytest.fixture(scope="module")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Run, Launch]]:
    """A product that runs already, for tests which it survives; and a way to start another on its data."""
    async with launching(tmp_path_factory.mktemp("running")) as start:
        run = await start()
        await run.ready()
        yield run, start


def modes(folder: Path) -> dict[str, int]:
    """Who may do what with the folder and with those things in it that hold what people gave the product."""
    paths = [folder / name for name in (".", "runlane.db", "runlane.db-wal", "redis")]
    return {path.relative_to(folder).as_posix(): stat.S_IMODE(path.stat().st_mode) for path in paths}


async def test_a_data_folder_whose_path_is_too_long_for_a_socket_works(launch, tmp_path):
    folder = tmp_path / ("long " * 30) / "data #%"
    folder.mkdir(parents=True, mode=0o755)
    run = await launch(RUNLANE_DATA_DIR=str(folder))
    await run.ready()
    await until(lambda: run.get("/readyz"), lambda reply: reply is not None and reply.status_code == 200)

    assert modes(folder)["."] == 0o700
    [socket] = {c.laddr for p in run.family() for c in p.net_connections("unix") if "redis.sock" in c.laddr}
    run.process.send_signal(signal.SIGTERM)
    assert await run.ends() == 0
    assert not Path(socket).parent.exists()


async def test_it_answers_when_it_says_so_and_keeps_jobs_and_queue_between_runs(launch, tmp_path):
    first = await launch()
    await first.ready()
    await first.logged(f"export RUNLANE_URL={first.url}")
    assert "WARNING" not in first.log.read_text(), "nothing is wrong with a first start"
    assert (await first.get("/readyz")).status_code == 200
    async with httpx.AsyncClient(base_url=first.url, timeout=PATIENCE_S) as client:
        job = (await client.post("/api/jobs", json={"kind": "noop", "delay_s": 3600})).json()
    assert "<html" in (await first.get("/")).text
    assert modes(tmp_path / "data") == {".": 0o700, "runlane.db": 0o600, "runlane.db-wal": 0o600, "redis": 0o700}
    assert [c.laddr.port for p in first.family() for c in p.net_connections("inet") if c.status == "LISTEN"] == [
        int(first.url.rpartition(":")[2])
    ], "the built-in Redis listens on no port"

    first.process.send_signal(signal.SIGTERM)
    assert await first.ends() == 0
    assert first.family() == []
    assert not (tmp_path / "data" / "lock").exists()
    assert list((tmp_path / "data" / "redis").rglob("*.aof"))

    second = await launch()
    await second.ready()
    assert (await second.get(f"/api/jobs/{job['id']}")).json() == job


async def test_ctrl_c_stops_everything_also_when_a_child_hangs(launch):
    run = await launch()
    await run.ready()
    for word in ("jobs_app", "worker"):
        run.child(word).suspend()

    run.process.send_signal(signal.SIGINT)

    await run.ends()
    assert "did not end within 3 s; killing it" in run.log.read_text()
    assert run.family() == []


async def test_a_second_signal_ends_it_at_once(launch):
    run = await launch()
    await run.ready()
    run.child("jobs_app").suspend()

    run.process.send_signal(signal.SIGTERM)
    await run.logged("Stopping.")
    run.process.send_signal(signal.SIGTERM)

    await run.ends()
    assert "did not end within" not in run.log.read_text(), "nobody was given the time to"
    assert run.family() == []


async def test_when_the_launcher_alone_is_killed_its_children_notice_and_the_next_run_starts(launch):
    run = await launch()
    await run.ready()
    run.child("worker").suspend()

    run.process.kill()

    await run.all_ended()
    again = await launch()
    await again.ready()


@pytest.mark.xdist_group("one launcher")
async def test_a_child_that_dies_is_started_again_and_the_log_says_so(running):
    run, _ = running

    for word, name in (("worker", "worker"), ("valkey", "redis"), ("jobs_app", "app")):
        before = run.child(word).pid
        os.kill(before, signal.SIGKILL)
        await run.logged(f"The {name} ended (SIGKILL); starting it again")

        async def pid(word: str = word) -> int | None:
            return next((p.pid for p in run.family() if any(word in part for part in p.cmdline()[:5])), None)

        await until(pid, lambda now, before=before: now not in (None, before))

    async def is_ready() -> bool:
        reply = await run.get("/readyz")
        return reply is not None and reply.status_code == 200

    await until(is_ready)


@pytest.mark.xdist_group("one launcher")
async def test_a_second_run_on_the_same_data_is_refused(running):
    run, launch = running

    other = await launch()

    assert await other.ends() == 2
    assert "is in use by another run" in other.log.read_text()
    assert (await run.get("/healthz")).status_code == 200


async def test_a_port_that_is_taken_is_refused_before_anything_is_started(launch, tmp_path):
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    run = await launch(PORT=str(port))

    assert await run.ends() == 2
    assert_one_sentence(run, f"Port {port} on 127.0.0.1 cannot be used")
    assert not (tmp_path / "data" / "redis").exists()
    server.close()
    await server.wait_closed()
    await asyncio.sleep(0)  # what it accepted is closed in the loop's next round


async def test_a_data_folder_that_cannot_be_written_is_refused(launch, tmp_path):
    (tmp_path / "file").write_text("")

    run = await launch(RUNLANE_DATA_DIR=str(tmp_path / "file" / "data"))

    assert await run.ends() == 2
    assert_one_sentence(run, "cannot be used")
    assert "RUNLANE_DATA_DIR" in run.log.read_text()


async def test_a_redis_that_does_not_answer_is_refused_without_showing_its_password(launch):
    run = await launch(REDIS_URL=f"redis://:hunter2@127.0.0.1:{free_port()}/0")

    assert await run.ends() == 2
    assert_one_sentence(run, "does not answer")
    assert "hunter2" not in run.log.read_text()


async def test_a_database_of_a_newer_version_is_refused(launch, tmp_path):
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "runlane.db"
    schema.migrate(f"sqlite:///{path}")
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")

    run = await launch()

    assert await run.ends() == 2
    assert "newer version of this product" in run.log.read_text()
    assert "Traceback" not in run.log.read_text()
    assert run.family() == []


async def test_a_server_that_other_machines_can_reach_is_refused_unless_that_is_meant(launch):
    run = await launch(HOST="0.0.0.0")

    assert await run.ends() == 2
    await run.logged("Set RUNLANE_TRUST_NETWORK=true if that is meant")


async def test_a_bad_setting_is_refused(launch):
    run = await launch(RUNLANE_CONCURRENCY="many")

    assert await run.ends() == 2
    assert_one_sentence(run, "RUNLANE_CONCURRENCY is 'many', but it must be a whole number from 1 to 1000.")


@pytest.mark.xdist_group("one launcher")
async def test_the_pages_are_built_once_and_take_their_address_from_the_browser(running):
    built = (ROOT / ".web" / ".fingerprint").stat().st_mtime_ns

    assert not await ui_build.build_if_changed(ROOT, guard=None)  # type: ignore[arg-type]

    assert (ROOT / ".web" / ".fingerprint").stat().st_mtime_ns == built
    [address] = (ROOT / ".web" / "build" / "client" / "assets").glob("reflex-env-*.js")
    assert "location.origin" in address.read_text()
    assert "localhost" not in address.read_text()


def assert_one_sentence(run: Run, text: str) -> None:
    lines = run.log.read_text().strip().splitlines()
    assert len(lines) == 1, lines
    assert text in lines[0]


async def test_a_database_server_that_does_not_answer_is_waited_for_and_ctrl_c_still_ends_it(launch):
    run = await launch(DATABASE_URL=f"postgresql://runlane:hunter2@127.0.0.1:{free_port()}/runlane")

    await run.logged("Waiting for it.")
    run.process.send_signal(signal.SIGINT)

    assert await run.ends() == 0
    assert "hunter2" not in run.log.read_text()
    assert run.family() == []


@pytest.mark.parametrize("module", ["worker", "jobs_app", "runlane"])
async def test_a_process_that_waits_for_its_database_ends_when_it_is_told(module, redis_server, tmp_path):
    environ = os.environ | {
        "DATABASE_URL": f"postgresql://runlane:hunter2@127.0.0.1:{free_port()}/runlane",
        "REDIS_URL": redis_server.url,
        "RUNLANE_DATA_DIR": str(tmp_path),
    }
    words = [module, "migrate"] if module == "runlane" else [module]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *words), cwd=ROOT, env=environ, stderr=asyncio.subprocess.PIPE
    )
    line = ""
    while "Waiting for it." not in line:
        line = (await asyncio.wait_for(process.stderr.readline(), PATIENCE_S)).decode()
    process.terminate()

    assert await asyncio.wait_for(process.wait(), PATIENCE_S) == 0


async def test_an_edit_is_taken_over_though_another_module_cannot_be_imported_from_the_start(tmp_path):
    """A module that is off already is no reason to keep the old code; one that the edit breaks is."""
    text = "from runlane import job\n@job\nasync def {}() -> int: return 1\n"
    own = tmp_path / "own"
    own.mkdir()
    (own / "made_off.py").write_text("import nothing_of_that_name\n")
    (own / "made_good.py").write_text(text.format("first"))
    command = (sys.executable, "-m", "runlane", "run", "made_good", "made_off")
    async with launching(tmp_path, command, own) as start:
        run = await start(PYTHONPATH=str(ROOT))
        await run.ready()

        (own / "made_good.py").write_text(text.format("second"))
        await run.logged("Your code has changed; the worker runs it now.")
        (own / "made_good.py").write_text("def broken(:\n")
        await run.logged("Your code has changed, and cannot be run as it is; the old code goes on.")

        assert {kind["name"] for kind in (await run.get("/api/kinds")).json() if kind["workers"]} == {"second"}
