"""What somebody who wants the product to stop can do to it: it goes on answering, and gives back what they took.

The attacks are those of ``testbed.attacks``, on the app as it is started by ``python -m jobs_app``. How fast it answers
meanwhile is measured by ``bench.hostile``.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import psutil
import pytest

from testbed import ROOT
from testbed.attacks import CLIENTS, PAGES, PATHS, STREAMS
from testbed.ports import free_port
from testbed.product_copy import BUILT, copy_product
from testbed.waiting import PATIENCE_S, until

pytestmark = [pytest.mark.faults, pytest.mark.xdist_group("attacks")]


@dataclass
class Attacked:
    api: httpx.AsyncClient
    process: psutil.Process

    async def clients(self) -> int:
        """How many are connected."""
        return sum(each.status == psutil.CONN_ESTABLISHED for each in self.process.net_connections("tcp"))

    async def goes_on(self) -> None:
        """It takes a job, and shows it."""
        job = (await self.api.post("/api/jobs", json={"kind": "noop"})).json()
        assert (await self.api.get(f"/api/jobs/{job['id']}")).json() == job
        assert (await self.api.get("/readyz")).json()["down"] == []


@pytest.fixture
async def attacked(config, tmp_path) -> AsyncIterator[Attacked]:
    """The app as people start it; its API and websockets answer, its pages are not built."""
    tree, port = tmp_path / "tree", free_port()
    copy_product(tree, ("jobs", "jobs_app", "rxconfig.py"), ROOT / "tests" / "support" / "overlay")
    (tree / BUILT).mkdir(parents=True)
    environ = {
        "REDIS_URL": str(config.redis_url),
        "DATABASE_URL": config.resolved_database_url,
        "JOBS_DATA_DIR": str(config.data_dir),
        "PORT": str(port),
    }
    with (tmp_path / "app.log").open("wb") as log:
        app = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "jobs_app"), cwd=tree, env=os.environ | environ, stdout=log, stderr=log
        )
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE_S) as api:

        async def answers() -> bool:
            assert app.returncode is None, (tmp_path / "app.log").read_text()
            with contextlib.suppress(httpx.TransportError):
                return (await api.get("/healthz")).status_code == 200
            return False

        await until(answers)
        yield Attacked(api, psutil.Process(app.pid))
    app.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(app.wait(), PATIENCE_S) == 0
    said = (tmp_path / "app.log").read_text()
    print(said)
    assert "Traceback" not in said


@contextlib.asynccontextmanager
async def attack(name: str, target: Attacked) -> AsyncIterator[dict[str, int]]:
    """The block runs while the attack has all it wants; what came of it is known after."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "testbed.attacks", name, str(target.api.base_url).rstrip("/")),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    found: dict[str, int] = {}
    try:
        assert await asyncio.wait_for(process.stdout.readline(), PATIENCE_S) == b"ready\n"
        yield found
        process.stdin.close()
        found |= json.loads(await asyncio.wait_for(process.stdout.readline(), PATIENCE_S))
        await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_two_thousand_readers_and_two_hundred_half_requests_keep_nobody_out(attacked):
    before = await attacked.clients()

    async with attack("crowd", attacked) as kept:
        await attacked.goes_on()

    assert kept == {"streams": STREAMS, "pages": PAGES, "halves": 0}
    await until(attacked.clients, lambda number: number <= before + 1)
    await attacked.goes_on()


async def test_large_bodies_of_nothing_are_all_refused_in_words(attacked):
    async with attack("bodies", attacked) as answers:
        await attacked.goes_on()

    assert sum(answers.values()) == CLIENTS * len(PATHS)
    assert not {status for status in answers if status.startswith("2") or status.startswith("5")}
    await attacked.goes_on()
