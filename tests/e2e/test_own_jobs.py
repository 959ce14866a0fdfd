"""A function of one's own on open pages: brought, changed while its form is being filled, gone on with."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from playwright.async_api import expect

from testbed import ROOT
from testbed.waiting import PATIENCE_S

RESIZE = '''
from runlane import job

@job(summary="{path} at {width} px")
def resize(path: str, width: int = 80, depth: int = 8) -> int:
    """Makes a picture smaller."""
    return width
'''
CHANGED = RESIZE.replace("depth: int = 8", "height: int = 60").replace("width: int = 80", "width: int = 100")
PAGES = '''
from runlane import Context, GiveUp, job

@job
async def read_pages(ctx: Context) -> int:
    """Reads a few pages."""
    total = ctx.saved("total", 0)
    async for number in ctx.steps([1, 2, 3], "Page {}"):
        if number == 3 and ctx.attempt == 1:
            raise GiveUp("The door is closed.")
        total += number
        await ctx.save(total=total)
    return total
'''

WorkerWith = Callable[[str], contextlib.AbstractAsyncContextManager[None]]


@pytest.fixture
def worker_with(product, tmp_path: Path) -> WorkerWith:
    """For as long as a block lasts, a worker of the product that has this code alone, in a folder of its own."""

    @contextlib.asynccontextmanager
    async def running(code: str) -> AsyncIterator[None]:
        (tmp_path / "own_jobs.py").write_text(code)
        environ = product.process("worker").environ() | {
            "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}",
            "PYTHONDONTWRITEBYTECODE": "1",  # or the next code, written in the same second, would be taken for this one
        }
        command = (sys.executable, "-m", "runlane", "worker", "own_jobs")
        process = await asyncio.create_subprocess_exec(*command, cwd=tmp_path, env=environ)
        try:
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            await asyncio.wait_for(process.wait(), PATIENCE_S)

    return running


async def test_a_function_is_in_the_open_form_as_soon_as_a_worker_has_it_and_changes_under_the_hands_that_fill_it(
    product, open_page, worker_with
):
    page = await open_page("/")
    await page.evaluate("window.notReloaded = true")

    async with worker_with(RESIZE):
        await page.get_by_role("combobox", name="Kind").click()
        await page.get_by_role("option", name="Makes a picture smaller").click()
        await page.get_by_label("Path").fill("a.png")
        await expect(page.get_by_label("Depth")).to_have_value("8")
    async with worker_with(CHANGED):
        await expect(page.get_by_label("Height")).to_have_value("60")
        await expect(page.get_by_label("Path")).to_have_value("a.png")
        await expect(page.get_by_label("Width")).to_have_value("100")
        await expect(page.get_by_label("Depth")).to_have_count(0)
        await expect(page.locator("#form-news")).to_contain_text("Height is new, Depth is removed.")
        await page.get_by_role("button", name="Start", exact=True).click()
        row = page.locator("tr[data-job]")
        await expect(row).to_have_attribute("data-status", "completed")

    await expect(row).to_contain_text("a.png at 100 px")
    await expect(row).to_contain_text("Makes a picture smaller")
    assert await page.evaluate("window.notReloaded")
    job = await product.job(await row.get_attribute("data-job"))
    assert job["params"] == {"path": "a.png", "width": 100, "height": 60}


@pytest.mark.parametrize(
    ("answer", "begins_with"), [("Go on where it stopped", "Page 3"), ("From the start", "Page 1")]
)
async def test_a_retry_asks_whether_to_go_on_with_what_the_job_saved(
    product, open_page, worker_with, answer, begins_with
):
    async with worker_with(PAGES):
        job_id = await product.submit_when_known("read_pages")
        await product.status_is(job_id, "failed")
        page = await open_page(f"/jobs/{job_id}")
        saved = page.locator("#saved-state")
        await expect(saved).to_contain_text("Finished steps: 2")
        await expect(saved).to_contain_text("total3")

        await page.get_by_role("button", name="Retry").click()
        await expect(page.get_by_role("dialog")).to_contain_text("2 finished steps and 1 saved value")
        await page.get_by_role("button", name=answer).click()

        ended = await product.status_is(job_id, "completed")
    assert ended["result"] == 6
    events = (await product.api.get(f"/api/jobs/{job_id}/events")).json()["items"]
    steps = [event["message"] for event in events if event["type"] == "progress" and event["message"]]
    assert steps[3] == begins_with
    await expect(saved).to_contain_text("Finished steps: 3")
