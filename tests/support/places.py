"""An app and a worker as people start them, for all tests of a file that talk to them over REST alone."""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from testbed import ROOT
from testbed.redis_server import RedisServer
from tests.support.processes import App, running_app


@dataclass
class Place:
    """An app and a worker, for all tests of a file."""

    app: App
    redis_url: str
    database_url: str
    folder: Path

    @property
    def url(self) -> str:
        return self.app.url


@pytest.fixture(scope="module")
async def place(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> AsyncIterator[Place]:
    folder = tmp_path_factory.mktemp("place")
    redis = RedisServer(tmp_path_factory.mktemp("redis"))
    shutil.copy(migrated_file, folder / "runlane.db")
    database_url = f"sqlite:///{folder / 'runlane.db'}"
    redis.start()
    given = {"REDIS_URL": redis.url, "DATABASE_URL": database_url, "RUNLANE_DATA_DIR": str(folder)}
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "worker"),
        cwd=ROOT,
        env=os.environ | given | {"RUNLANE_RETRY_BASE_S": "0.05", "RUNLANE_CONCURRENCY": "20"},
        start_new_session=True,
    )
    try:
        async with running_app(folder / "app", redis.url, database_url) as app:
            yield Place(app, redis.url, database_url, folder)
    finally:
        os.killpg(worker.pid, signal.SIGKILL)
        await worker.wait()
        redis.stop()
