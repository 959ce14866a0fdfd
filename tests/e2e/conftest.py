"""The whole product as a person has it: the launcher, real servers, a real browser.

One product serves all tests of the session; each test begins with an empty history and in a browser of its own, which
must stay without console errors and without a request to another host. That costs some seconds a test, most of them for
a page that is loaded again, so what one page can show in one visit is one test.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from testbed import ROOT
from testbed.browser import BROWSER_FLAGS, find_browser
from testbed.once import once
from testbed.ports import free_port
from testbed.postgres_server import GivenServer
from testbed.waiting import PATIENCE_S, until
from tests.support.kinds import WITH_STEERED
from tests.support.steered import Script


@dataclass
class Product:
    """A running product."""

    url: str
    folder: Path
    launcher: psutil.Process
    api: httpx.AsyncClient
    steered_jobs: int = 0

    def process(self, module: str) -> psutil.Process:
        """The launcher's child that runs this module or command: ``worker``, ``jobs_app``."""
        return next(p for p in self.launcher.children(recursive=True) if module in p.cmdline()[3:5])

    async def submit(self, kind: str, **more: Any) -> str:
        """Submit a job; its id."""
        reply = await self.api.post("/api/jobs", json={"kind": kind, **more})
        assert reply.status_code == 201, reply.text
        return str(reply.json()["id"])

    async def submit_when_known(self, kind: str) -> str:
        """Submit a job of a kind that a worker is about to bring; its id."""

        async def kinds() -> set[str]:
            return {known["name"] for known in (await self.api.get("/api/kinds")).json()}

        await until(kinds, lambda names: kind in names)
        return await self.submit(kind)

    async def job(self, job_id: str) -> dict[str, Any]:
        return dict((await self.api.get(f"/api/jobs/{job_id}")).json())

    async def status_is(self, job_id: str, *statuses: str) -> dict[str, Any]:
        """The job, once its status is one of ``statuses``."""
        return await until(lambda: self.job(job_id), lambda job: job["status"] in statuses)

    async def steered(self) -> "SteeredJob":
        """A job that runs, and does what its script says until that ends it."""
        self.steered_jobs += 1
        script = Script(self.folder / f"script-{self.steered_jobs}")
        return SteeredJob(script.path, await self.submit("steered", params=script.params))

    @contextlib.asynccontextmanager
    async def without_workers(self) -> AsyncIterator[None]:
        """For as long as a block lasts, the worker is there and takes no job."""
        [worker] = [w["id"] for w in (await self.api.get("/api/workers")).json() if w["state"] == "running"]
        await self.api.post(f"/api/workers/{worker}/quiet")
        try:
            yield
        finally:
            await self.api.post(f"/api/workers/{worker}/resume")

    async def forget_everything(self) -> None:
        """Let everything run as it does at first, and cancel and delete every job."""
        await self.api.patch("/api/queue", json={"paused": False, "concurrency": None})
        for kind in (await self.api.get("/api/kinds")).json():
            if kind["setting_version"]:
                changes = {"paused": False, "max_running": None, "rate": None}
                await self.api.patch(f"/api/kinds/{kind['name']}", json=changes)
        await self.api.post("/api/jobs/bulk", json={"action": "cancel", "filter": {}})
        await until(lambda: self.api.get("/api/queue"), lambda r: r.json()["counts"]["running"] == 0)
        await self.api.post("/api/jobs/bulk", json={"action": "delete", "filter": {}})


@dataclass(frozen=True)
class SteeredJob(Script):
    """A job whose steps a test decides."""

    id: str


@pytest.fixture(scope="session")
def built_tree(run_folder: Path) -> Path:
    """The checkout, with its pages built."""

    def make(folder: Path) -> None:
        folder.mkdir()
        subprocess.run([sys.executable, "-m", "runlane", "run", "--build"], cwd=ROOT, check=True)

    once(run_folder / "built", make)
    return ROOT


StartProduct = Callable[..., Awaitable[Product]]


@pytest.fixture(scope="session")
async def products(built_tree: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[StartProduct]:
    """The product on a database, started when it is first asked for, and then the same for all tests."""
    running: dict[str, Product] = {}
    async with contextlib.AsyncExitStack() as stack:

        async def product_on(database_url: str) -> Product:
            if database_url not in running:
                folder = tmp_path_factory.mktemp("product")
                running[database_url] = await stack.enter_async_context(_started(built_tree, folder, database_url))
            return running[database_url]

        yield product_on


@pytest.fixture
async def product(database_kind: str, products: StartProduct, request: pytest.FixtureRequest) -> Product:
    return await products("" if database_kind == "sqlite" else request.getfixturevalue("product_database"))


@pytest.fixture(scope="session")
def product_database(session_postgres: GivenServer) -> Iterator[str]:
    with session_postgres.scratch() as url:
        yield url


@contextlib.asynccontextmanager
async def _started(tree: Path, folder: Path, database_url: str) -> AsyncIterator[Product]:
    """The product on a database; on its own SQLite file without one."""
    port = free_port()
    environ = {k: v for k, v in os.environ.items() if k not in ("REDIS_URL", "DATABASE_URL")}
    environ |= {"DATABASE_URL": database_url} if database_url else {}
    environ |= {"PORT": str(port), "RUNLANE_DATA_DIR": str(folder / "data"), "RUNLANE_RETRY_BASE_S": "0.2"}
    environ |= {"RUNLANE_JOBS": WITH_STEERED}
    with (folder / "log").open("wb") as log:
        launcher = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "runlane", "run", cwd=tree, env=environ, stdout=log, stderr=log
        )
    url = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE_S) as api:
        try:
            await _ready(api, launcher, folder / "log")
            yield Product(url, folder, psutil.Process(launcher.pid), api)
        finally:
            if launcher.returncode is None:
                launcher.send_signal(signal.SIGTERM)
                await asyncio.wait_for(launcher.wait(), PATIENCE_S)
            print((folder / "log").read_text()[-20_000:])


async def _ready(api: httpx.AsyncClient, launcher: asyncio.subprocess.Process, log: Path) -> None:
    ends_at = time.monotonic() + PATIENCE_S
    while True:
        assert launcher.returncode is None, log.read_text()
        assert time.monotonic() < ends_at, log.read_text()
        try:
            if (await api.get("/readyz")).status_code == 200:
                return
        except httpx.TransportError:
            pass
        await asyncio.sleep(0.1)


@pytest.fixture(autouse=True)
async def empty_history(product: Product) -> None:
    await product.forget_everything()


@pytest.fixture(scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        expect.set_options(timeout=PATIENCE_S * 1000)
        running = await playwright.chromium.launch(executable_path=find_browser(), args=BROWSER_FLAGS)
        yield running
        await running.close()


@dataclass
class Watched:
    """A page, and what went wrong on it."""

    page: Page
    faults: list[str]


@pytest.fixture
async def open_page(product: Product, browser: Browser) -> AsyncIterator[Callable[..., Awaitable[Page]]]:
    """Opens a path of the product in a browser of its own; fails the test if the page complained."""
    watched: list[Watched] = []

    async def open_path(path: str = "/", **context: Any) -> Page:
        page = await (await browser.new_context(**context)).new_page()
        page.set_default_timeout(PATIENCE_S * 1000)
        faults = _watch(page, product.url)
        watched.append(Watched(page, faults))
        await page.goto(product.url + path)
        await page.locator("#live-mark", has_text="Live").wait_for()
        return page

    yield open_path
    for each in watched:
        await each.page.context.close()
    assert [fault for each in watched for fault in each.faults] == []


def _watch(page: Page, url: str) -> list[str]:
    faults: list[str] = []
    host = url.removeprefix("http://")
    page.on("pageerror", lambda error: faults.append(f"page error: {error}"))
    page.on(
        "console",
        lambda message: (
            faults.append(f"console: {message.text} {message.location}")
            if message.type == "error" and "WebSocket connection" not in message.text
            else None
        ),
    )
    page.on(
        "request",
        lambda request: (
            faults.append(f"request to another host: {request.url}")
            if host not in request.url and not request.url.startswith(("data:", "blob:"))
            else None
        ),
    )
    return faults
