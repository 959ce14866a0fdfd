"""Processes that die while people watch: the page shows it, and catches up by itself."""

import os
import signal

from playwright.async_api import expect

from testbed.waiting import until


async def test_the_page_shows_that_the_app_is_away_and_catches_up_when_it_is_back(product, open_page):
    page = await open_page("/")
    before = await product.steered()
    await expect(page.locator(f"tr[data-job='{before.id}']")).to_have_attribute("data-status", "running")
    await page.wait_for_load_state("networkidle")  # parts of the page are fetched when they are first shown

    app = product.process("jobs_app")
    os.kill(app.pid, signal.SIGKILL)

    await expect(page.locator("#live-mark")).to_contain_text("Reconnecting")
    await expect(page.locator("#live-mark")).to_contain_text("Live")
    before.end()
    await expect(page.locator(f"tr[data-job='{before.id}']")).to_have_attribute("data-status", "completed")
    after = await product.submit("noop")
    await expect(page.locator(f"tr[data-job='{after}']")).to_have_attribute("data-status", "completed")


async def test_a_killed_workers_job_runs_again_and_the_page_shows_both_attempts(product, open_page):
    """Its lease has to be over first, which takes ten seconds."""
    job = await product.steered()
    page = await open_page(f"/jobs/{job.id}")
    await expect(page.locator("#job")).to_have_attribute("data-status", "running")

    os.kill(product.process("worker").pid, signal.SIGKILL)
    job.end()

    await expect(page.locator("#job")).to_have_attribute("data-status", "completed")
    await expect(page.locator("#timeline")).to_contain_text("worker lost")
    await expect(page.locator("#attempts")).to_contain_text("Attempt 2")


async def test_redis_may_go_and_come_back_while_a_job_is_submitted(product, open_page):
    page = await open_page("/")
    redis = next(p for p in product.launcher.children(recursive=True) if "valkey" in p.cmdline()[0])

    os.kill(redis.pid, signal.SIGKILL)
    job_id = await product.submit("noop")

    assert (await product.job(job_id))["status"] in ("queued", "running", "completed")
    await until(lambda: product.job(job_id), lambda job: job["status"] == "completed")
    await expect(page.locator(f"tr[data-job='{job_id}']")).to_have_attribute("data-status", "completed")
    await expect(page.locator("#live-mark")).to_contain_text("Live")
