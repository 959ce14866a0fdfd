"""Draw every page and state of the running product into docs/screenshots: ``make screenshots``.

Starts a product of its own on a free port with an empty history, fills it, and ends it again.
"""

import asyncio
import os
import random
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
from playwright.async_api import Browser, Page, async_playwright

from bench.seed import seed
from testbed.browser import BROWSER_FLAGS, find_browser
from testbed.ports import free_port

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "screenshots"
READY_WITHIN_S = 180
SEEDED = 30_000
VARIANTS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light"},
    "wide": {"viewport": {"width": 1920, "height": 1080}, "color_scheme": "light"},
}
USUAL = ("light", "dark", "phone")
# for a state that differs from a page only in one place
SMALL = ("light",)

Act = Callable[[Page], Awaitable[None]]


class Product:
    """A running product, and what is in it."""

    def __init__(self, api: httpx.AsyncClient, launcher: psutil.Process) -> None:
        self.api = api
        self.ids: dict[str, str] = {}
        self._launcher = launcher

    def redis(self) -> psutil.Process:
        """Its Redis server."""
        children = self._launcher.children(recursive=True)
        return next(child for child in children if child.name().startswith(("valkey", "redis")))

    async def submit(self, name: str, kind: str, count: int = 1, **more: Any) -> None:
        reply = await self.api.post("/api/jobs/batch", json={"jobs": [{"kind": kind, **more}] * count})
        self.ids[name] = reply.raise_for_status().json()["items"][-1]["id"]

    async def status_is(self, name: str, *statuses: str) -> None:
        while (await self.api.get(f"/api/jobs/{self.ids[name]}")).json()["status"] not in statuses:
            await asyncio.sleep(0.05)


async def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    async with started() as product, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_browser(), args=BROWSER_FLAGS)
        shots = Shots(browser, str(product.api.base_url))
        await shots.take("empty", "/")
        await fill_with_history(product)
        await draw_history(shots, product)
        await fill_with_running(product)
        await draw_running(shots, product)
        await draw_faults(shots, product)
        await browser.close()
    async with started(seeded=SEEDED) as product, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_browser(), args=BROWSER_FLAGS)
        await draw_admin(Shots(browser, str(product.api.base_url)), product)
        await browser.close()


async def fill_with_history(product: Product) -> None:
    for seconds in (3, 7, 12):
        await product.submit(
            "late", "always_fails", params={"message": f"The page did not answer within {seconds} s."}, max_attempts=1
        )
    await product.submit("failed", "always_fails", params={"message": "No route to host 'db'."}, max_attempts=1)
    await product.submit("flaky", "flaky")
    await product.submit("report", "report", params={"source": {"api_key": "secret"}})
    await product.submit("slow", "slow", 4, params={"seconds": 1})
    await product.submit("small", "noop", 12)
    await product.submit("first", "web_agent", params={"steps": 8, "step_seconds": 0.3})
    await product.submit("scheduled", "web_agent", delay_s=3600)
    for name in ("late", "failed", "flaky", "report", "slow", "small", "first"):
        await product.status_is(name, "completed", "failed")
    await product.submit("agent", "web_agent", params={"steps": 10, "step_seconds": 0.3}, rerun_of=product.ids["first"])
    await product.status_is("agent", "completed")


async def fill_with_running(product: Product) -> None:
    await product.submit("running", "web_agent", 3, params={"steps": 40, "step_seconds": 1.5})
    await product.submit("long", "slow", params={"seconds": 90})
    await product.submit("stubborn", "stubborn", params={"seconds": 90})
    await product.submit("next", "report", 3)
    for name in ("running", "long", "stubborn"):
        await product.status_is(name, "running")


async def draw_history(shots: "Shots", product: Product) -> None:
    ids = product.ids
    await shots.take("failures", "/?status=failed")
    await shots.take("job-completed", f"/jobs/{ids['agent']}", full=True)
    await shots.take("job-failed", f"/jobs/{ids['failed']}")
    await shots.take("job-attempts", f"/jobs/{ids['flaky']}", variants=SMALL)
    await shots.take("job-files", f"/jobs/{ids['report']}", variants=SMALL)
    await shots.take("job-replay", f"/jobs/{ids['agent']}", _replay, variants=SMALL)
    await shots.take("compare", f"/jobs/{ids['agent']}/compare?with={ids['first']}")
    await shots.take("job-scheduled", f"/jobs/{ids['scheduled']}", variants=SMALL)
    await shots.take("job-edit", f"/jobs/{ids['scheduled']}", _click("Edit"), variants=SMALL)
    await shots.take("job-picture", f"/jobs/{ids['agent']}", _first_file, variants=SMALL)
    await shots.take("run-again", f"/jobs/{ids['agent']}", _click("Run again"), variants=SMALL)
    await shots.take("search-nothing", "/?q=nothing-like-this", variants=SMALL)
    await shots.take("search-wrong", "/?q=kind%3Anoop+status%3Adone", variants=SMALL)
    await shots.take("job-absent", "/jobs/abc", variants=SMALL)
    await shots.take("page-absent", "/nowhere", variants=SMALL)


async def draw_running(shots: "Shots", product: Product) -> None:
    await asyncio.sleep(12)  # long enough for jobs that report nothing to be called silent
    await shots.take("dashboard", "/", variants=tuple(VARIANTS))
    await shots.take("form-wrong", "/", _mistake, variants=SMALL)
    await shots.take("messages", "/", _message, variants=SMALL)
    await shots.take("views", "/?status=failed", _click("Views"), variants=SMALL)
    await shots.take("job-running", f"/jobs/{product.ids['running']}")
    await shots.take("selection", "/?status=completed", _select)
    await shots.take("delete-many", "/?status=completed", _ask_delete, variants=SMALL)
    await shots.take("keys", "/", _press("?"), variants=SMALL)
    await shots.take("palette", "/", _press("Control+k"), variants=SMALL)
    await shots.take("columns", "/", _click("Columns"), variants=SMALL)
    await product.api.patch("/api/queue", json={"paused": True})
    await shots.take("paused", "/", variants=SMALL)
    await product.api.patch("/api/queue", json={"paused": False})
    await product.api.post(f"/api/jobs/{product.ids['stubborn']}/cancel")
    await product.status_is("stubborn", "cancelled")
    await shots.take("job-cancelled", f"/jobs/{product.ids['stubborn']}", variants=SMALL)


async def draw_faults(shots: "Shots", product: Product) -> None:
    [worker] = (await product.api.get("/api/workers")).json()
    await product.api.post(f"/api/workers/{worker['id']}/quiet")
    await asyncio.sleep(5)  # the page reads the workers every two seconds
    await shots.take("no-worker", "/", variants=SMALL)
    await shots.take("server-away", "/", _cut, variants=SMALL)
    try:
        await shots.take("redis-away", "/", _hang(product.redis()), variants=SMALL)
    finally:
        product.redis().resume()


async def draw_admin(shots: "Shots", product: Product) -> None:
    """The admin pages over a made-up year."""
    rule = {"name": "Jobs wait too long", "condition": "wait", "threshold": 5.0}
    await product.api.post("/api/alerts/rules", json=rule)
    schedule = {"name": "Nightly", "kind": "noop", "cron": "30 2 * * *", "timezone": "Europe/Berlin"}
    reply = await product.api.post("/api/schedules", json=schedule)
    await product.api.post(f"/api/schedules/{reply.json()['id']}/run")
    await product.api.patch("/api/kinds/slow", json={"max_running": 2, "rate": {"count": 30, "seconds": 60.0}})
    request = {"action": "clean", "filter": {"status": ["completed"], "q": "finished_before:360d"}}
    await product.api.post("/api/operations", json=request)
    await product.api.patch("/api/kinds/noop", json={"paused": True})
    await product.submit("waits", "noop", 3)
    await asyncio.sleep(15)  # for the rule to be broken
    for name in ("", "queue", "workers", "schedules", "kinds", "alerts", "events", "audit"):
        await shots.take(f"admin-{name or 'overview'}", f"/admin/{name}".rstrip("/"))
    await shots.take("admin-metrics", "/admin/metrics?window=90d", _point, full=True)
    await shots.take("admin-system", "/admin/system", _test_chain)
    await shots.take("admin-obliterate", "/admin/queue", _click("Obliterate"), variants=SMALL)
    await product.api.post("/api/operations", json={"action": "delete", "filter": {"status": ["completed"]}})
    await shots.take("admin-operation", "/admin/queue", variants=SMALL)


class Shots:
    """Draws pages, each in its variants."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser = browser
        self._url = url

    async def take(
        self, name: str, path: str, act: Act | None = None, *, full: bool = False, variants: Sequence[str] = USUAL
    ) -> None:
        for variant in variants:
            context = VARIANTS[variant]
            page = await (await self._browser.new_context(reduced_motion="reduce", **context)).new_page()
            await page.goto(self._url + path)
            await page.locator("#live-mark", has_text="Live").wait_for()
            await page.wait_for_load_state("networkidle")
            if act is not None:
                await act(page)
            await page.wait_for_timeout(400)  # for what was asked of the server to be drawn
            await page.screenshot(path=FOLDER / f"{name}-{variant}.png", full_page=full)
            await page.context.close()
        print(name, flush=True)


def _click(name: str) -> Act:
    async def act(page: Page) -> None:
        await page.get_by_role("button", name=name).first.click()

    return act


def _press(key: str) -> Act:
    async def act(page: Page) -> None:
        await page.keyboard.press(key)

    return act


async def _select(page: Page) -> None:
    boxes = page.locator("tr[data-job]").get_by_role("checkbox")
    await boxes.nth(0).click()
    await boxes.nth(3).click(modifiers=["Shift"])


async def _ask_delete(page: Page) -> None:
    await _select(page)
    await page.locator("#selection").get_by_role("button", name="Delete").click()


async def _first_file(page: Page) -> None:
    await page.locator("#files").get_by_role("button").first.click()


async def _mistake(page: Page) -> None:
    await page.get_by_label("Steps", exact=True).fill("1000")
    await page.locator("[id='error-steps']").wait_for()


async def _message(page: Page) -> None:
    await page.get_by_role("combobox", name="Kind").click()
    await page.get_by_role("option", name="No-op").click()
    await page.get_by_role("button", name="Start", exact=True).click()
    await page.locator("[data-sonner-toast]").wait_for()
    await page.get_by_role("button", name="Recent messages").click()


def _hang(redis: psutil.Process) -> Act:
    async def act(page: Page) -> None:
        redis.suspend()
        await page.locator("#live-mark", has_text="Updates delayed").wait_for(timeout=60_000)

    return act


async def _replay(page: Page) -> None:
    await page.get_by_role("slider").press("Home")
    await page.get_by_role("slider").fill("1.6")


async def _point(page: Page) -> None:
    await page.locator("[data-chart='Jobs a day'] .bucket").nth(60).click()
    await page.locator("#point").wait_for()


async def _test_chain(page: Page) -> None:
    await page.get_by_role("button", name="Test the whole chain").click()
    await page.locator("#canary").wait_for()


async def _cut(page: Page) -> None:
    await page.context.set_offline(True)
    await page.locator("#live-mark", has_text="Reconnecting").wait_for(timeout=120_000)


@asynccontextmanager
async def started(seeded: int = 0) -> AsyncIterator[Product]:
    """A product with an empty history, or with one of so many jobs that is made up."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        if seeded:
            await asyncio.to_thread(seed, Path(folder) / "runlane.db", seeded, random.Random(1), ended=True)
        environ = {**os.environ, "PORT": str(port), "RUNLANE_DATA_DIR": folder, "RUNLANE_RETRY_BASE_S": "0.4"}
        environ = {k: v for k, v in environ.items() if k not in ("REDIS_URL", "DATABASE_URL")}
        log = (Path(folder) / "log").open("wb")
        launcher = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "runlane", "run", cwd=ROOT, env=environ, stdout=log, stderr=log
        )
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as api:
                await asyncio.wait_for(_ready(api), READY_WITHIN_S)
                yield Product(api, psutil.Process(launcher.pid))
        finally:
            launcher.send_signal(signal.SIGTERM)
            await launcher.wait()
            log.close()


async def _ready(api: httpx.AsyncClient) -> None:
    while True:
        try:
            if (await api.get("/readyz")).status_code == 200:
                return
        except httpx.TransportError:
            pass
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    asyncio.run(main())
