"""This floor stands on a real Redis and one database a test."""

from pathlib import Path

import pytest

from runlane.settings import Settings
from testbed.redis_server import RedisServer
from tests.support.processes import on_real_servers


@pytest.fixture
def config(tmp_path: Path, redis_server: RedisServer, database_url: str) -> Settings:
    return on_real_servers(tmp_path, redis_server, database_url)
