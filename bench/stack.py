"""The product's real parts under a bench: a Redis server, worker and app processes, a service in this process.

Works on what is visible from outside: commands, environment, ``JobService``, and the rows of the SQLite file. Workers
bring three jobs more (``bench.jobs``); nothing of yours is touched.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psutil

from bench.jobs import MODULES
from runlane.composition import compose
from runlane.core.counts import Counts
from runlane.core.service import MAX_IN_BATCH
from runlane.db import schema
from runlane.db.database import Database
from runlane.engine.loading import load
from runlane.kinds.catalogue import Catalogue
from runlane.model.requests import Submission
from runlane.model.snapshot import JobSnapshot
from runlane.queue.change_feed import RedisEvents
from runlane.queue.client import JobQueue
from runlane.queue.redis_client import REDIS_TROUBLE
from runlane.queue.worker_registry import WorkerRegistry
from runlane.settings import read_settings
from testbed import ROOT
from testbed.ports import free_port
from testbed.redis_server import RedisServer
from testbed.waiting import until

POLL_EVERY_S = 0.02


class Redis:
    """A server with an append-only file, on a port and in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._server = RedisServer(folder)
        self.url = self._server.url

    def start(self) -> None:
        self._server.start()
        self._admin = self._server.client()

    def stop(self) -> None:
        self._admin.close()
        self._server.stop()

    def flush(self) -> None:
        self._admin.flushall()

    def version(self) -> str:
        facts = self._admin.info("server")
        return f"{facts.get('server_name', 'redis')} {facts.get('valkey_version', facts['redis_version'])}"

    def used_bytes(self) -> int:
        return int(self._admin.info("memory")["used_memory"])

    def commands(self) -> int:
        """How many commands it has answered, all of ours included."""
        return int(self._admin.info("stats")["total_commands_processed"])

    def queued(self, key: str) -> int:
        return int(self._admin.zcard(key))


class Process:
    """A Python program, its output in a file."""

    def __init__(self, module: str, cwd: Path, environ: dict[str, str], log: Path) -> None:
        self._log = log
        with log.open("ab") as output:
            self.process = psutil.Popen(
                [sys.executable, "-m", module], cwd=cwd, env=os.environ | environ, stdout=output, stderr=output
            )
        self.pid = self.process.pid

    def check(self) -> None:
        """Raises ``RuntimeError`` with the end of its output, if it has ended."""
        if self.process.poll() is not None:
            raise RuntimeError(f"it ended with {self.process.returncode}: {self._log.read_text()[-2000:]}")

    def cpu_s(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    async def stop(self, within_s: float = 30.0) -> None:
        """Ask it to end, and wait; it is killed when that takes too long."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(psutil.TimeoutExpired):
            await asyncio.to_thread(self.process.wait, within_s)
        if self.process.poll() is None:
            self.kill()


class Rows:
    """The SQLite file, read over a connection that can do nothing else."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)

    def close(self) -> None:
        self._db.close()

    def count(self, status: str) -> int:
        return int(self._db.execute("SELECT count(*) FROM job WHERE status = ?", (status,)).fetchone()[0])

    def any_unended(self) -> bool:
        query = "SELECT 1 FROM job WHERE status IN ('scheduled', 'queued', 'running') LIMIT 1"
        return self._db.execute(query).fetchone() is not None

    def times(self, column: str, status: str) -> list[float]:
        """Unix times of all jobs in ``status``, in the order in which they were submitted."""
        query = f"SELECT {column} FROM job WHERE status = ? ORDER BY created_at, id"
        return [unix_time(text) for (text,) in self._db.execute(query, (status,))]

    def times_of(self, job_id: UUID, *columns: str) -> list[float | None]:
        query = f"SELECT {', '.join(columns)} FROM job WHERE id IN (?, ?)"
        row = self._db.execute(query, (job_id.hex, str(job_id))).fetchone()
        return [None if text is None else unix_time(text) for text in row]

    def statuses(self) -> dict[str, int]:
        return dict(self._db.execute("SELECT status, count(*) FROM job GROUP BY status").fetchall())

    def file_bytes(self) -> int:
        """The size of the file, once all of its log is in it."""
        with contextlib.closing(sqlite3.connect(self._path)) as writer:
            writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return self._path.stat().st_size


def unix_time(text: str) -> float:
    """What the store wrote, which is UTC with or without a zone."""
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


class Ours:
    """The product with an empty database on an emptied Redis; see ``Stage.ours``."""

    def __init__(self, stage: "Stage", database: Path) -> None:
        self._stage = stage
        url = f"sqlite:///{database}"
        self.environ = {
            "REDIS_URL": stage.redis.url,
            "DATABASE_URL": url,
            "RUNLANE_DATA_DIR": str(stage.folder),
        }
        config = read_settings(_env_file=None, data_dir=stage.folder, redis_url=stage.redis.url, database_url=url)
        self._database, self._queue = Database(url), JobQueue(stage.redis.url)
        self._events, self._registry = RedisEvents(stage.redis.url), WorkerRegistry(stage.redis.url)
        self.services = compose(self._database, self._queue, self._events, _kinds(), config)
        self.service, self.counts = self.services.jobs, Counts(self._database)
        self.rows = Rows(database)

    async def close(self) -> None:
        self.rows.close()
        await self._database.close()
        for part in (self._queue, self._events, self._registry):
            await part.close()

    async def submit(self, kind: str, params: dict[str, Any] | None = None) -> JobSnapshot:
        job, _ = await self.service.submit(Submission(kind=kind, params=params or {}))
        return job

    async def submit_many(self, kind: str, count: int, params: dict[str, Any] | None = None) -> list[JobSnapshot]:
        """Submit in batches as large as the product allows."""
        jobs: list[JobSnapshot] = []
        while len(jobs) < count:
            size = min(MAX_IN_BATCH, count - len(jobs))
            jobs += await self.service.submit_many([Submission(kind=kind, params=params or {})] * size)
        return jobs

    async def start_worker(self, slots: int, *, ready: bool = True) -> Process:
        environ = self.environ | {"RUNLANE_CONCURRENCY": str(slots)}
        worker = Process("bench.worker", ROOT, environ, self._stage.folder / "worker.log")
        if ready:
            await until(lambda: self._is_listed(worker), within_s=30)
            await asyncio.sleep(0.5)  # let it finish what it does at its start
        return worker

    async def _is_listed(self, worker: Process) -> bool:
        worker.check()
        with contextlib.suppress(*REDIS_TROUBLE):
            return any(listed.pid == worker.pid for listed in await self._registry.all())
        return False

    @contextlib.asynccontextmanager
    async def worker(self, slots: int, *, ready: bool = True) -> AsyncIterator[Process]:
        """A worker process; with ``ready`` the block begins when it can take jobs."""
        worker = await self.start_worker(slots, ready=ready)
        try:
            yield worker
        finally:
            await worker.stop()

    @contextlib.asynccontextmanager
    async def app(self) -> AsyncIterator[httpx.AsyncClient]:
        """A client of a running app process, which is in ``process`` as long as the block lasts."""
        environ = self.environ | {"PORT": str(free_port()), "HOST": "127.0.0.1"}
        app = self.process = Process("jobs_app", ROOT, environ, self._stage.folder / "app.log")
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{environ['PORT']}", timeout=60) as client:

                async def is_alive() -> bool:
                    app.check()
                    with contextlib.suppress(httpx.TransportError):
                        return (await client.get("/healthz")).status_code == 200
                    return False

                await until(is_alive, within_s=60, every_s=0.05)
                yield client
        finally:
            await app.stop()

    async def all_ended(self, within_s: float = 600.0) -> None:
        """Return when no job waits or runs."""

        async def read() -> bool:
            return not self.rows.any_unended()

        await until(read, within_s=within_s, every_s=POLL_EVERY_S)

    async def began(self, within_s: float = 60.0) -> None:
        """Return when a first job of those that wait has ended."""
        before = self.rows.count("completed")

        async def read() -> int:
            return self.rows.count("completed")

        await until(read, lambda count_now: count_now > before, within_s=within_s, every_s=POLL_EVERY_S)

    async def rate_for(self, window_s: float) -> float:
        """Jobs that end a second, from now on for so long."""
        before, began = self.rows.count("completed"), time.monotonic()
        await asyncio.sleep(window_s)
        return (self.rows.count("completed") - before) / (time.monotonic() - began)

    async def running(self, count: int, within_s: float = 30.0) -> None:
        """Return when that many jobs run."""

        async def read() -> int:
            return self.rows.count("running")

        await until(read, lambda count_now: count_now == count, within_s=within_s, every_s=0.005)


class Stage:
    """One Redis server and one empty database, for every measurement of a run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.redis = Redis(folder / "redis")
        self._empty = folder / "empty.db"
        self._made = 0

    def start(self) -> None:
        (ROOT / ".web" / "build" / "client").mkdir(parents=True, exist_ok=True)  # Reflex needs the folder
        schema.migrate(f"sqlite:///{self._empty}")
        self.redis.start()

    @contextlib.asynccontextmanager
    async def ours(self) -> AsyncIterator[Ours]:
        """The product, with no job in it and no worker."""
        self.redis.flush()
        self._made += 1
        database = self.folder / f"{self._made}.db"
        shutil.copy(self._empty, database)
        ours = Ours(self, database)
        try:
            yield ours
        finally:
            await ours.close()
            for leftover in self.folder.glob(f"{database.name}*"):
                leftover.unlink()


def _kinds() -> Catalogue:
    return Catalogue([job.kind for job in load(MODULES).jobs.values()])
