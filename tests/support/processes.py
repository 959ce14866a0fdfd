"""The API in this process on a real Redis, and real worker processes, as the fixture ``config`` of a folder sets."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from jobs_app import composition
from jobs_app.api import build_api
from jobs_app.runtime import Runtime
from jobs_app.server import loops
from jobs_app.server.request_user import Naming, acting_over_rest
from jobs_app.server.security import guard
from runlane.db.database import Database
from runlane.kinds.store import KindStore
from runlane.launcher.ui_build import BUILT
from runlane.settings import Settings, read_settings
from testbed import ROOT
from testbed.ports import free_port
from testbed.redis_server import RedisServer
from testbed.waiting import PATIENCE_S, until
from tests.support.kinds import bundled


def on_real_servers(folder: Path, redis: RedisServer, database_url: str) -> Settings:
    """Settings of a product on these servers; for a folder's fixture ``config``."""
    return read_settings(
        _env_file=None, data_dir=folder, redis_url=redis.url, database_url=database_url, retry_base_s=0.05
    )


@pytest.fixture
async def active(config: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Runtime]:
    """The parts of a running server, without the server; figures are rolled up at once."""
    monkeypatch.setattr(loops, "COUNT_EVERY_S", 0.1)
    async with composition.serving(config) as parts:
        # as a worker that has left again
        assert await parts.kinds.register(bundled(), "earlier-worker") == {}
        yield parts


@pytest.fixture
async def api(active: Runtime) -> AsyncIterator[httpx.AsyncClient]:
    app = guard(active.config)(acting_over_rest(build_api(), Naming.of(active.config)))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as client:
        yield client


@dataclass
class Worker:
    """A real worker process, and what it wrote."""

    process: asyncio.subprocess.Process
    lines: list[str] = field(default_factory=list)

    def signal(self, signum: int) -> None:
        os.killpg(self.process.pid, signum)

    async def ends(self, within_s: float = PATIENCE_S) -> int:
        return await asyncio.wait_for(self.process.wait(), within_s)


StartWorker = Callable[..., Awaitable[Worker]]


@pytest.fixture
async def start_worker(config: Settings) -> AsyncIterator[StartWorker]:
    """Starts worker processes; those that still run when the test ends are killed, and all logs are shown."""
    started: list[Worker] = []
    readers: list[asyncio.Task[None]] = []

    async def start(*, cwd: Path = ROOT, ready: bool = True, **environ: str) -> Worker:
        given = os.environ | {
            "REDIS_URL": str(config.redis_url),
            "DATABASE_URL": config.resolved_database_url,
            "RUNLANE_DATA_DIR": str(config.data_dir),
            "RUNLANE_RETRY_BASE_S": "0.05",
            "RUNLANE_CANCEL_GRACE_S": "5",
        }
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "runlane", "worker"),
            cwd=cwd,
            env=given | environ,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        worker = Worker(process)
        started.append(worker)
        readers.append(asyncio.create_task(_read(worker)))

        async def lines() -> list[str]:
            assert process.returncode is None, worker.lines
            return worker.lines

        if ready:
            await until(lines, lambda written: any("is ready" in line for line in written))
        return worker

    yield start
    for worker in started:
        if worker.process.returncode is None:
            worker.signal(signal.SIGKILL)
            await worker.process.wait()
    await asyncio.gather(*readers)
    print("\n".join(line for worker in started for line in [f"-- worker {worker.process.pid}", *worker.lines]))


async def _read(worker: Worker) -> None:
    assert worker.process.stderr is not None
    async for line in worker.process.stderr:
        worker.lines.append(line.decode().rstrip())


@dataclass
class Client:
    """What tests ask of the API again and again."""

    api: httpx.AsyncClient

    async def submit(self, kind: str, **more: Any) -> str:
        reply = await self.api.post("/api/jobs", json={"kind": kind, **more})
        assert reply.status_code == 201, reply.text
        return str(reply.json()["id"])

    async def job(self, job_id: str) -> dict[str, Any]:
        return dict((await self.api.get(f"/api/jobs/{job_id}")).json())

    async def job_is(self, job_id: str, *statuses: str, within_s: float = PATIENCE_S) -> dict[str, Any]:
        return await until(lambda: self.job(job_id), lambda job: job["status"] in statuses, within_s=within_s)

    async def events(self, job_id: str) -> list[dict[str, Any]]:
        reply = await self.api.get(f"/api/jobs/{job_id}/events", params={"limit": 10_000})
        return list(reply.json()["items"])


@pytest.fixture
def client(api: httpx.AsyncClient) -> Client:
    return Client(api)


@dataclass
class App:
    """The app as people start it, on given servers; its API and websockets answer, its pages are not built."""

    url: str
    api: httpx.AsyncClient
    process: asyncio.subprocess.Process
    log: Path


@contextlib.asynccontextmanager
async def running_app(folder: Path, redis_url: str, database_url: str, port: int | None = None) -> AsyncIterator[App]:
    """An app in this folder, whose database has the bundled kinds; afterwards it is killed, and its log is shown."""
    database = Database(database_url)
    await KindStore(database).register(bundled(), "earlier-worker")
    await database.close()
    (folder / BUILT).mkdir(parents=True, exist_ok=True)
    port, log = port or free_port(), folder / "app.log"
    environ = {"PORT": str(port), "REDIS_URL": redis_url, "DATABASE_URL": database_url, "RUNLANE_DATA_DIR": str(folder)}
    environ["REFLEX_WEB_WORKDIR"] = str(folder / BUILT.parts[0])
    with log.open("ab") as written:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "jobs_app"),
            cwd=folder,
            env=os.environ | environ | {"PYTHONPATH": str(ROOT)},
            stderr=written,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_S) as api:

        async def answers() -> bool:
            assert process.returncode is None, log.read_text()
            with contextlib.suppress(httpx.TransportError):
                return (await api.get("/healthz")).status_code == 200
            return False

        try:
            await until(answers)
            yield App(url, api, process, log)
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
            print(log.read_text()[-20_000:])
