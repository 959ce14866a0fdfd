"""The API does what its own description says, and refuses what that does not say: asked many times by Schemathesis."""

import asyncio
import sys
from pathlib import Path

import pytest

from runlane.model.status import EventType
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
        assert b"Selected: 66/69" in said
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


async def test_the_streams_are_described_with_every_event_and_its_shape(api):
    described = (await api.get("/api/openapi.json")).json()
    events = {"job", *EventType, "end"}

    for path, names in (("/api/jobs/{id}/stream", events), ("/api/stream", {"job", "deleted", "gap"})):
        answer = described["paths"][path]["get"]["responses"]["200"]
        shapes = answer["content"]["text/event-stream"]["itemSchema"]["oneOf"]
        assert {shape["properties"]["event"]["const"] for shape in shapes} == names
        for name in names:
            assert f"`event: {name}`" in answer["description"]
        for shape in shapes:
            reference = shape["properties"]["data"]["contentSchema"].get("$ref", "#/components/schemas/JobEvent")
            assert reference.rpartition("/")[2] in described["components"]["schemas"]
    [resume] = [
        each for each in described["paths"]["/api/jobs/{id}/stream"]["get"]["parameters"] if each["in"] == "header"
    ]
    assert resume["name"].lower() == "last-event-id"
    assert "last message" in resume["description"]
