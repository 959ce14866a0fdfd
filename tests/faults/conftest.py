"""This folder has a Redis for each test alone, which may be mistreated, and a farm of workers on it.

A worker takes a second of a core to start and a lease a second to be over: most tests here take two to five of them.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs_app.runtime import Runtime
from runlane.core.store import Store
from runlane.settings import Settings
from testbed.redis_server import RedisServer
from tests.support.processes import on_real_servers


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    (tmp_path / "redis").mkdir()
    server = RedisServer(tmp_path / "redis")
    server.start()
    yield server
    os.kill(server.pid, signal.SIGCONT)
    server.stop()


@pytest.fixture
def config(tmp_path: Path, redis_server: RedisServer, database_url: str) -> Settings:
    return on_real_servers(tmp_path, redis_server, database_url)


@pytest.fixture
def store(active: Runtime) -> Store:
    return Store(active.database)
