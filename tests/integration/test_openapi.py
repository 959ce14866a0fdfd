"""The API does what its own description says, and refuses what that does not say: asked many times by Schemathesis."""

import asyncio
import sys
from pathlib import Path

import pytest

from testbed.waiting import PATIENCE_S
from tests.support.processes import running_app

CONFIG = Path(__file__).parent / "schemathesis.toml"
EXAMPLES = 10
"""Of each operation, in each phase that makes some up."""
LEFT_OUT = ("/api/stream", "/api/jobs/{id}/stream", "/api/workers/{worker_id}/{command}")
"""What never ends, and what would end the worker."""


@pytest.mark.faults
async def test_every_operation_answers_as_it_is_described(config, start_worker, tmp_path):
    (tmp_path / "app").mkdir()
    await start_worker()
    async with running_app(tmp_path / "app", str(config.redis_url), config.resolved_database_url) as app:
        told = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run"),
            *(
                f"{app.url}/api/openapi.json",
                "--checks",
                "all",
                "--max-examples",
                str(EXAMPLES),
                "--seed",
                "1",
                "--no-color",
            ),
            *(
                "--continue-on-failure",
                "--request-timeout",
                str(PATIENCE_S),
                "--max-response-time",
                str(PATIENCE_S),
                "--generation-database",
                "none",
            ),
            *(part for path in LEFT_OUT for part in ("--exclude-path", path)),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
        )
        said, _ = await told.communicate()
        assert told.returncode == 0, said.decode()
        assert b"Selected: 65/68" in said
        assert "Traceback" not in app.log.read_text()


async def test_every_refusal_is_described_as_a_problem(api):
    described = (await api.get("/api/openapi.json")).json()

    for path, item in described["paths"].items():
        for method, operation in item.items():
            refusals = {status: answer for status, answer in operation["responses"].items() if status[0] in "45"}
            assert refusals.keys() >= {"421", "429", "503"}, (method, path)
            if path != "/readyz":
                assert {kind for each in refusals.values() for kind in each["content"]} == {"application/problem+json"}
            assert ("404" in refusals) == ("{" in path), (method, path)
