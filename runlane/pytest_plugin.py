"""The plugin of pytest: ``runlane_server``, a whole Runlane for integration tests, once a session.

Its jobs are those of the modules in the ini option ``runlane_jobs``, or in ``RUNLANE_JOBS``. Imports nothing before a
test asks for the fixture: pytest loads it in every project of an environment in which Runlane is installed.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from runlane.testing.server import Server


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addini("runlane_jobs", "the modules whose jobs runlane_server runs", type="args", default=[])


@pytest.fixture(scope="session")
def runlane_server(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Server]":
    """A running Runlane with an empty database: ``.url``, ``.client()``, ``.sync_client()`` and ``.log``."""
    from runlane.testing.server import running

    with running(pytestconfig.getini("runlane_jobs"), tmp_path_factory.mktemp("runlane")) as server:
        yield server
