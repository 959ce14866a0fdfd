"""The service, a Redis server and worker processes, all of them real, for every test of this page."""

import asyncio
import contextlib
import os
import shutil
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from runlane.composition import Services, compose
from runlane.core.counts import Counts
from runlane.db.database import Database
from runlane.errors import WrongStatus
from runlane.model.requests import Submission
from runlane.model.snapshot import JobSnapshot
from runlane.model.status import JobStatus
from runlane.queue.change_feed import RedisEvents
from runlane.queue.client import JobQueue
from runlane.settings import Settings, read_settings
from testbed import ROOT
from testbed.redis_server import RedisServer
from testbed.waiting import until
from tests.support.farm import LEASE_S
from tests.support.kinds import WITH_STEERED, with_steered
from tests.support.steered import Script


@dataclass
class Product:
    """A service to ask, and the workers that do what it is asked for."""

    services: Services
    counts: Counts
    config: Settings
    workers: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def submit(self, kind: str, **more: object) -> JobSnapshot:
        job, _ = await self.services.jobs.submit(Submission(kind=kind, **more))
        return job

    async def job(self, job: JobSnapshot) -> JobSnapshot:
        return await self.services.store.get(job.id)

    async def becomes(self, job: JobSnapshot, status: str) -> JobSnapshot:
        """The job, once it has this status."""
        return await until(lambda: self.job(job), lambda found: found.status == status)

    async def timeline(self, job: JobSnapshot) -> list[str]:
        """What happened to the job, in words, the oldest first."""
        return [event.message for event in await self.services.store.events(job.id)]

    async def start_worker(self) -> None:
        environ = os.environ | {
            "REDIS_URL": self.config.resolved_redis_url,
            "DATABASE_URL": self.config.resolved_database_url,
            "RUNLANE_DATA_DIR": str(self.config.data_dir),
            "RUNLANE_RETRY_BASE_S": "0.01",
            "RUNLANE_LEASE_S": str(LEASE_S),
            "RUNLANE_LOG_LEVEL": "WARNING",
            "RUNLANE_JOBS": WITH_STEERED,
        }
        self.workers.append(
            await asyncio.create_subprocess_exec(sys.executable, "-m", "runlane", "worker", cwd=ROOT, env=environ)
        )

    async def kill_worker(self) -> None:
        """As a power cut would: without a goodbye."""
        worker = self.workers.pop()
        worker.kill()
        await worker.wait()


@pytest.fixture(scope="module")
async def product(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Product]:
    """One worker, a database and a Redis server, started once for the page."""
    folder = tmp_path_factory.mktemp("fundamentals")
    shutil.copy(migrated_file, folder / "runlane.db")
    redis = RedisServer(folder)
    redis.start()
    config = read_settings(_env_file=None, data_dir=folder, redis_url=redis.url)
    queue, events = JobQueue(redis.url), RedisEvents(redis.url)
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(redis.stop)
        database = Database(config.resolved_database_url)
        for part in (database, queue, events):
            stack.push_async_callback(part.close)
        product = Product(compose(database, queue, events, with_steered(), config), Counts(database), config)
        await product.start_worker()
        yield product
        while product.workers:
            await product.kill_worker()


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """What a ``steered`` job does; written by the test."""
    return Script(tmp_path / "script")


@pytest.fixture(autouse=True)
async def nothing_runs(product: Product) -> AsyncIterator[None]:
    """Every test leaves the worker free for the next one."""
    yield
    for job in (await product.services.store.page()).jobs:
        with contextlib.suppress(WrongStatus):  # it has just ended
            await product.services.jobs.cancel(job.id)
    await until(product.counts.all, lambda counts: counts[JobStatus.RUNNING] == 0)
