"""The README's own calls, run one after the other by curl against a real server."""

import asyncio
import json
import re
import shlex
import shutil

import pytest

from testbed import ROOT

ADDRESS = "http://127.0.0.1:8000"
_BLOCK = re.compile(r"^```\n(curl .*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def calls():
    text = (ROOT / "README.md").read_text()
    return [line for block in _BLOCK.findall(text) for line in block.replace("\\\n", " ").strip().splitlines()]


@pytest.fixture
async def address(active, config):
    """A port of this machine that serves the API."""
    from granian.constants import Interfaces
    from granian.server.embed import Server

    from jobs_app.api import build_api
    from testbed.ports import free_port

    port = free_port()
    server = Server(build_api(), port=port, interface=Interfaces.ASGI, log_enabled=False)
    serving = asyncio.create_task(server.serve())
    yield f"http://127.0.0.1:{port}"
    server.stop()
    await serving


async def curl(call, address):
    """What curl prints."""
    assert shutil.which("curl"), "curl is not installed"
    words = [*shlex.split(call.replace(ADDRESS, address)), "--max-time", "20", "--fail-with-body"]
    words += ["--retry", "20", "--retry-connrefused", "--retry-delay", "1"] if "-N" not in words else []
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()
    return out.decode()


async def test_every_call_of_the_readme_does_what_it_says(calls, address, start_worker):
    await start_worker()
    submit, follow, schedule = calls

    job = json.loads(await curl(submit.replace('"steps": 10', '"steps": 3, "step_seconds": 0.4'), address))
    stream = await curl(follow.replace("<id>", job["id"]), address)
    made = json.loads(await curl(schedule, address))

    assert "event: end" in stream
    assert stream.count("event: progress") >= 1
    assert len(made["next"]) == 5
