"""The product's figures, measured on the real thing: start, first page, live updates, memory.

Starts the product through its launcher on a free port with an empty data folder, so nothing of yours is touched.
Prints a table and writes ``bench/results/<time>.json``.

    make bench
"""

import argparse
import asyncio
import contextlib
import json
import os
import platform
import signal
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import aiohttp
import httpx
import psutil
import socketio
from playwright.async_api import async_playwright

from runlane.model.snapshot import Change, Deleted, JobEvent, JobSnapshot
from runlane.model.status import EventType
from runlane.queue.change_feed import RedisEvents
from testbed.browser import BROWSER_FLAGS, find_browser

ROOT = Path(__file__).parents[1]
ROWS = 100
LINES = 10_000
UPDATES_PER_S = 10
UPDATES = 200
MARK = "sent at "


class Product:
    """One run of the product."""

    def __init__(self, data_dir: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._data_dir = data_dir
        self.process: psutil.Popen | None = None

    async def start(self) -> float:
        """Start it; seconds until ``/readyz`` answers 200."""
        environ = os.environ | {"PORT": str(self.port), "RUNLANE_DATA_DIR": str(self._data_dir)}
        began = time.perf_counter()
        with (self._data_dir.parent / "log").open("ab") as log:
            self.process = psutil.Popen(
                [sys.executable, "-m", "runlane", "run"], cwd=ROOT, env=environ, stdout=log, stderr=log
            )
        async with httpx.AsyncClient(base_url=self.url) as client:
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get("/readyz")).status_code == 200:
                        return time.perf_counter() - began
                if self.process.poll() is not None:
                    sys.exit((self._data_dir.parent / "log").read_text())
                await asyncio.sleep(0.01)

    async def stop(self) -> float:
        """Stop it; seconds until the launcher has ended."""
        assert self.process is not None
        began = time.perf_counter()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        while self.process.poll() is None:
            await asyncio.sleep(0.01)
        return time.perf_counter() - began

    def memory_mb(self) -> dict[str, float]:
        """Unique memory of each process, in MB."""
        assert self.process is not None
        found = {"launcher": _own_mb(self.process)}
        for child in self.process.children(recursive=True):
            line = child.cmdline()
            name = Path(line[-1] if line[0] == sys.executable else line[0]).stem
            found[name] = _own_mb(child)
        return found

    def redis_url(self) -> str:
        assert self.process is not None
        for child in self.process.children(recursive=True):
            if child.cmdline()[-1] == "worker":
                return child.environ()["REDIS_URL"]
        raise LookupError("no worker")


def _own_mb(process: psutil.Process) -> float:
    return round(process.memory_full_info().uss / 1e6, 1)


class Updates:
    """A made-up running job whose steps are announced as a worker would, each carrying when it was sent."""

    def __init__(self, redis_url: str, snapshot: dict[str, Any]) -> None:
        self._events = RedisEvents(redis_url)
        self._job = JobSnapshot.model_validate(snapshot)

    async def send(self, count: int = UPDATES) -> None:
        version = self._job.version
        for number in range(count):
            version += 1
            message = f"{MARK}{time.time():.6f}"
            job = self._job.model_copy(
                update={"version": version, "message": message, "progress": 100 * number / count}
            )
            event = JobEvent(
                version=version,
                at=datetime.now(UTC),
                type=EventType.PROGRESS,
                status=job.status,
                attempt=1,
                progress=job.progress,
                message=message,
            )
            await self._events.publish([Change(job=job, event=event)])
            await asyncio.sleep(1 / UPDATES_PER_S)
        self._job = self._job.model_copy(update={"version": version})

    async def close(self) -> None:
        await self._events.publish([Deleted(deleted=(self._job.id,))])  # off the pages again
        await self._events.close()


async def first_load(url: str) -> dict[str, float]:
    """Bytes over the wire of the first page, and how long until its first live update."""
    async with _browser() as browser:
        page = await browser.new_page()
        paths: set[str] = set()
        page.on("request", lambda request: paths.add(request.url))
        began = time.perf_counter()
        await page.goto(url)
        await page.locator("#slots [data-slot]").first.wait_for()
        to_live_s = time.perf_counter() - began
        await page.wait_for_load_state("networkidle")
    total = 0
    async with httpx.AsyncClient(headers={"Accept-Encoding": "gzip"}) as client:
        for path in paths:
            if path.startswith("http"):
                async with client.stream("GET", path) as reply:
                    total += sum([len(chunk) async for chunk in reply.aiter_raw()])
    return {"requests": len(paths), "gzipped_kb": round(total / 1000, 1), "first_live_s": round(to_live_s, 2)}


async def live_delay(product: Product, pages: int) -> dict[str, float]:
    """Milliseconds from ``publish`` to a page's websocket, over all pages and updates."""
    delays: list[float] = []
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(pages):
            await stack.enter_async_context(_connected_page(product.url, delays))
        await asyncio.sleep(2)  # let the pages load; their own first messages are not measured
        cpu = _app(product)
        before, began = sum(cpu.cpu_times()[:2]), time.perf_counter()
        await _run_five(product)
        percent = 100 * (sum(cpu.cpu_times()[:2]) - before) / (time.perf_counter() - began)
    return {**_percentiles(delays), "received": len(delays), "app_cpu_percent": round(percent, 1)}


async def update_cost(product: Product) -> dict[str, float]:
    """Milliseconds of a browser's main thread that one update takes, with ``ROWS`` rows and five running jobs."""
    async with httpx.AsyncClient(base_url=product.url, timeout=20) as api:
        await api.post("/api/jobs/batch", json={"jobs": [{"kind": "noop"}] * ROWS})
    await asyncio.sleep(3)
    async with _browser() as browser:
        page = await browser.new_page()
        await page.goto(f"{product.url}/?size={ROWS}")
        await page.locator("tr[data-job]").nth(ROWS - 1).wait_for()
        chromium = await page.context.new_cdp_session(page)
        frames: list[Any] = []
        chromium.on("Network.webSocketFrameReceived", lambda frame: frames.append(frame))
        await chromium.send("Network.enable")
        await chromium.send("Performance.enable")
        await asyncio.sleep(2)
        frames.clear()
        before = await _spent_s(chromium)
        await _run_five(product)
        after = await _spent_s(chromium)
    return {
        "updates": len(frames),
        "script_ms": round(1000 * (after["ScriptDuration"] - before["ScriptDuration"]) / len(frames), 2),
        "all_ms": round(1000 * (after["TaskDuration"] - before["TaskDuration"]) / len(frames), 2),
    }


async def scroll_frames(product: Product) -> dict[str, float]:
    """Milliseconds a frame while a timeline of ``LINES`` lines is scrolled by 100 pixels each."""
    async with httpx.AsyncClient(base_url=product.url, timeout=20) as api:
        job = (await api.post("/api/jobs", json={"kind": "noisy", "params": {"lines": LINES}})).json()
        while (await api.get(f"/api/jobs/{job['id']}")).json()["status"] != "completed":
            await asyncio.sleep(0.1)
    async with _browser() as browser:
        page = await browser.new_page()
        await page.goto(f"{product.url}/jobs/{job['id']}")
        await page.locator("#timeline .line").first.wait_for()
        while (shown := await page.locator("#timeline .line").count()) < LINES:
            await page.get_by_role("button", name="Show earlier lines").click()
            await page.wait_for_function("n => document.querySelectorAll('#timeline .line').length > n", arg=shown)
        frames = await page.evaluate(
            """async () => { const timeline = document.querySelector('#timeline'), frames = [];
            timeline.scrollTop = 1000; await new Promise(then => setTimeout(then, 500));
            for (let i = 0, last = performance.now(); i < 200; i++) {
              timeline.scrollTop += 100; await new Promise(requestAnimationFrame);
              frames.push(performance.now() - last); last = performance.now(); }
            return frames; }"""
        )
    return _percentiles(frames)


async def _spent_s(chromium: Any) -> dict[str, float]:
    found = await chromium.send("Performance.getMetrics")
    return {metric["name"]: metric["value"] for metric in found["metrics"]}


async def _run_five(product: Product) -> None:
    """Five jobs that report ten times a second each."""
    five = [Updates(product.redis_url(), _snapshot()) for _ in range(5)]
    await asyncio.gather(*(updates.send() for updates in five))
    await asyncio.sleep(0.5)
    for updates in five:
        await updates.close()


async def dom_delay(product: Product) -> dict[str, float]:
    """Milliseconds from ``publish`` to the text standing in a real browser's page."""
    async with _browser() as browser:
        page = await browser.new_page()
        await page.goto(product.url)
        await page.locator("#slots [data-slot]").first.wait_for()
        await page.evaluate(
            """() => { window.delays = [];
            new MutationObserver(() => {
              const found = document.querySelector('#slots').innerText.match(/sent at ([0-9.]+)/);
              if (found && found[1] !== window.last) {
                window.last = found[1]; window.delays.push(Date.now() - 1000 * parseFloat(found[1]));
              } }).observe(document.querySelector('#slots'), {subtree: true, childList: true, characterData: true});
            }"""
        )
        updates = Updates(product.redis_url(), _snapshot())
        await updates.send()
        await updates.close()
        delays = await page.evaluate("window.delays")
    return {**_percentiles(delays), "received": len(delays)}


@contextlib.asynccontextmanager
async def _connected_page(url: str, delays: list[float], path: str = "/") -> AsyncIterator[None]:
    """A page's websocket, the dashboard's if no path is given, without the browser around it."""
    session = aiohttp.ClientSession()
    client = socketio.AsyncClient(reconnection=False, http_session=session)
    received: set[str] = set()

    def note(update: Any) -> None:
        text = json.dumps(update)
        at = text.find(MARK)
        if at >= 0:
            stamp = text[at + len(MARK) : text.index('"', at)]
            if stamp not in received:
                received.add(stamp)
                delays.append(1000 * (time.time() - float(stamp)))

    client.on("event", note, namespace="/_event")
    hydrate = {
        "event": {
            "name": "reflex___state____state.hydrate_and_load",
            "payload": {},
            "router_data": {"pathname": path.partition("?")[0], "asPath": path},
        }
    }
    await client.connect(
        f"{url}?token=bench-{id(client)}",
        auth=hydrate,
        socketio_path="/_event",
        namespaces=["/_event"],
        transports=["websocket"],
    )
    try:
        yield
    finally:
        await client.disconnect()
        await session.close()


def _snapshot() -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "id": str(UUID(int=time.time_ns())),
        "kind": "web_agent",
        "params": {},
        "status": "running",
        "progress": 0,
        "message": "",
        "attempt": 1,
        "max_attempts": 1,
        "priority": 0,
        "created_at": now,
        "started_at": now,
        "version": 1,
    }


def _app(product: Product) -> psutil.Process:
    assert product.process is not None
    return next(p for p in product.process.children(recursive=True) if p.cmdline()[-1] == "jobs_app")


def _percentiles(values: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(values, n=100)
    return {"p50_ms": round(cuts[49], 1), "p99_ms": round(cuts[98], 1)}


@contextlib.asynccontextmanager
async def _browser() -> AsyncIterator[Any]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_browser(), args=BROWSER_FLAGS)
        yield browser
        await browser.close()


async def measure(rounds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        product = Product(Path(folder) / "data")
        try:
            return await _measure(product, rounds)
        finally:
            await product.stop()


async def _measure(product: Product, rounds: int) -> dict[str, Any]:
    await product.start()  # builds the pages if their sources changed
    await product.stop()
    starts, stops = [], []
    for _ in range(rounds):
        starts.append(await product.start())
        stops.append(await product.stop())
    await product.start()
    found: dict[str, Any] = {
        "warm start to /readyz, s": _spread(starts),
        "stop, s": _spread(stops),
        "first page": await first_load(product.url),
    }
    await asyncio.sleep(5)
    found["memory of each process idle, MB"] = product.memory_mb()
    found["publish to page, 1 browser (DOM)"] = await dom_delay(product)
    found[f"one update in a browser, {ROWS} rows"] = await update_cost(product)
    found[f"a frame while scrolling {LINES} lines"] = await scroll_frames(product)
    for pages in (1, 100):
        found[f"publish to page, {pages} connected (websocket)"] = await live_delay(product, pages)
    return found


def _spread(values: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 2),
        "least": round(min(values), 2),
        "most": round(max(values), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=5, help="warm starts to measure")
    found = asyncio.run(measure(parser.parse_args().rounds))
    about = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "python": platform.python_version()}
    about |= {"cores": str(os.cpu_count()), "system": platform.platform()}
    for name, value in found.items():
        print(f"{name:<48} {value}")
    results = ROOT / "bench" / "results"
    results.mkdir(exist_ok=True)
    path = results / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps({"machine": about, "figures": found}, indent=2))
    print(f"Written to {path.relative_to(ROOT)}.")


if __name__ == "__main__":
    main()
