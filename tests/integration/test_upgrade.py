"""What version 0.1.0, which was called Jobs, left behind is taken over by the first start, without loss.

``of_0_1_0/data.tar.gz`` is the data folder of that version, killed while it was in use: a job ran, three waited behind
a paused queue, and there were ended, deleted, cancelled and scheduled ones, a schedule, a rule, limits and a retry of
many. ``ids.json`` names one job of each sort, and ``backup.db.gz`` is a backup of it. All were made with its own
programs.
"""

import contextlib
import gzip
import json
import sqlite3
import subprocess
import sys
import tarfile
from pathlib import Path

import httpx
import pytest
from redis import Redis

from runlane.db import schema, transfer
from testbed import ROOT
from testbed.waiting import PATIENCE_S, until
from tests.support.launchers import launching

OLD = Path(__file__).parent / "of_0_1_0"
IDS = json.loads((OLD / "ids.json").read_text())


def unpack(folder: Path) -> Path:
    data = folder / "data"
    with tarfile.open(OLD / "data.tar.gz") as archive:
        archive.extractall(data, filter="data")
    return data


async def test_a_data_folder_of_the_old_name_is_taken_over_without_loss(tmp_path):
    data = unpack(tmp_path)

    async with launching(tmp_path) as launch:
        run = await launch()
        await run.ready()

        async with httpx.AsyncClient(base_url=run.url, timeout=PATIENCE_S) as api:

            async def get(path: str):
                reply = await api.get(path)
                assert reply.status_code == 200, f"{path}: {reply.text}"
                return reply.json()

            statuses = {name: (await get(f"/api/jobs/{id}"))["status"] for name, id in IDS.items() if name != "deleted"}
            assert statuses | {"running": "?"} == {
                **dict.fromkeys(("completed", "report", "noisy", "flaky", "web"), "completed"),
                "failed": "failed",
                "scheduled": "scheduled",
                "cancelled": "completed",
                "queued": "queued",
                "running": "?",
            }
            assert (await api.get(f"/api/jobs/{IDS['deleted']}")).status_code == 404
            events = (await get(f"/api/jobs/{IDS['flaky']}/events"))["items"]
            assert [event["version"] for event in events] == list(range(1, len(events) + 1))
            [artifact] = (await get(f"/api/jobs/{IDS['report']}/artifacts"))["items"]
            assert artifact["size_bytes"] > 0
            [schedule] = (await get("/api/schedules"))["items"]
            assert (schedule["name"], schedule["timezone"]) == ("Nightly report", "Europe/Berlin")
            assert [rule["name"] for rule in (await get("/api/alerts/rules"))["items"]] == ["Long queue"]
            queue = await get("/api/queue")
            assert (queue["paused"], queue["concurrency"], queue["counts"]["queued"]) == (True, 4, 3)
            noop = next(kind for kind in await get("/api/kinds") if kind["name"] == "noop")
            assert noop["max_running"] == 2

            await api.patch("/api/queue", json={"paused": False})

            async def queued_one():
                return (await get(f"/api/jobs/{IDS['queued']}"))["status"]

            async def interrupted_one():
                return await get(f"/api/jobs/{IDS['running']}")

            await until(queued_one, lambda status: status == "completed")
            again = await until(interrupted_one, lambda job: job["status"] == "running" and job["attempt"] == 2)
            assert again["worker"] != ""
            await api.post(f"/api/jobs/{IDS['running']}/cancel")
            await until(interrupted_one, lambda job: job["status"] == "cancelled")
            with contextlib.closing(Redis.from_url(run.child("worker").environ()["REDIS_URL"])) as redis:
                assert [key for key in redis.scan_iter() if key.startswith(b"jobs:")] == []

        assert sorted(path.name for path in data.iterdir() if path.name.startswith("jobs.db")) == []
        assert (data / "runlane.db").exists()


def test_migrate_takes_over_the_database_file_too(tmp_path):
    data = unpack(tmp_path)

    done = subprocess.run(
        [sys.executable, "-m", "runlane", "migrate"],
        cwd=ROOT,
        env={"RUNLANE_DATA_DIR": str(data), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    assert not (data / "jobs.db").exists()
    assert count_jobs(data / "runlane.db") == 14


@pytest.mark.databases
def test_a_backup_of_the_old_name_is_restored_into_a_new_database(empty_url, tmp_path):
    backup = tmp_path / "backup.db"
    backup.write_bytes(gzip.decompress((OLD / "backup.db.gz").read_bytes()))

    done = subprocess.run(
        [sys.executable, "-m", "runlane", "restore", str(backup)],
        cwd=ROOT,
        env={"DATABASE_URL": empty_url, "RUNLANE_DATA_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stderr
    assert "Brought back 14 jobs" in done.stdout
    assert transfer.count_jobs(empty_url) == 14
    assert schema.is_current(empty_url)


def test_a_database_of_each_version_is_warned_of_and_the_newer_one_is_used(tmp_path):
    data = unpack(tmp_path)
    environ = {"RUNLANE_DATA_DIR": str(data), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-m", "runlane", "migrate"]
    subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True)
    (data / "jobs.db").write_bytes(b"from elsewhere")

    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert "jobs.db of version 0.1.0 is ignored, since there is runlane.db" in done.stderr
    assert (count_jobs(data / "runlane.db"), (data / "jobs.db").read_bytes()) == (14, b"from elsewhere")


def test_an_old_file_that_is_no_database_stops_the_start_with_a_sentence(tmp_path):
    (tmp_path / "jobs.db").write_bytes(b"no database at all, but long enough to look like one" * 100)

    done = subprocess.run(
        [sys.executable, "-m", "runlane", "migrate"],
        cwd=ROOT,
        env={"RUNLANE_DATA_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )

    assert done.returncode == 2
    assert "of an older version cannot be renamed to runlane.db: file is not a database" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [["run"], ["migrate"], ["worker"], ["app"]], ids=" ".join)
def test_a_setting_of_the_old_name_stops_the_start_and_names_the_new_one(command, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "runlane", *command],
        cwd=ROOT,
        env={"JOBS_CONCURRENCY": "2", "RUNLANE_DATA_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )

    assert done.returncode == 2
    assert "JOBS_CONCURRENCY is set in the environment, but this setting is called RUNLANE_CONCURRENCY now" in (
        done.stderr + done.stdout
    )
    assert "Traceback" not in done.stderr


def count_jobs(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(path)) as database:
        return int(database.execute("select count(*) from job").fetchone()[0])
