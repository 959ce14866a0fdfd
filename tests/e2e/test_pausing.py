"""Pausing the queue and letting it run again, as one person does it and another watches."""

from playwright.async_api import expect

from tests.support.pages import row_of


async def test_the_queue_is_paused_and_resumed_for_everybody(product, open_page):
    mine, theirs = await open_page("/"), await open_page("/")

    await mine.get_by_role("button", name="Pause").click()

    for page in (mine, theirs):
        await expect(page.get_by_text("The queue is paused: what runs goes on")).to_be_visible()
    job_id = await product.submit("noop")
    await expect(theirs.get_by_text("Waiting: 1")).to_be_visible()
    await expect(row_of(theirs, job_id)).to_have_attribute("data-status", "queued")

    await theirs.get_by_role("button", name="Resume").click()

    await expect(row_of(mine, job_id)).to_have_attribute("data-status", "completed")
    await expect(mine.get_by_text("The queue is paused: what runs goes on")).to_have_count(0)


async def test_there_are_as_many_lanes_as_jobs_may_run(product, open_page):
    page = await open_page("/")
    await expect(page.locator("#slots [data-slot]")).to_have_count(5)

    await product.api.patch("/api/queue", json={"concurrency": 3})
    await expect(page.locator("#slots [data-slot]")).to_have_count(3)
    await product.api.patch("/api/queue", json={"concurrency": None})
    await expect(page.locator("#slots [data-slot]")).to_have_count(5)
