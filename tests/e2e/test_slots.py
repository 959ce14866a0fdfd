"""The lanes: what runs, how long it usually takes, what is unusual, and what starts next."""

from playwright.async_api import expect


async def test_a_lane_shows_what_is_usual_and_marks_what_is_unusually_slow(product, open_page):
    for _ in range(3):
        await product.status_is(await product.submit("slow", params={"seconds": 0}), "completed")
        short = await product.steered()
        short.end()
        await product.status_is(short.id, "completed")
    with_progress = await product.submit("slow", params={"seconds": 600})
    silent = await product.steered()
    page = await open_page("/")

    lane = page.locator(f"#slots [data-job='{silent.id}']")
    await expect(lane).to_contain_text("usually")
    await expect(lane).to_contain_text("unusually slow")
    other = page.locator(f"#slots [data-job='{with_progress}']")
    await expect(other).to_contain_text(", until ")
    await expect(other).not_to_contain_text("unusually slow")


async def test_a_job_is_not_shown_to_start_now_while_nothing_can_start_it(product, open_page):
    await product.api.patch("/api/kinds/noop", json={"paused": True})
    page = await open_page("/")
    upcoming = page.locator("#next")
    await product.submit("noop", delay_s=600)
    await expect(upcoming).to_contain_text("Nothing waits for a slot. Scheduled for later: 1.")

    await product.submit("noop")

    await expect(upcoming).to_contain_text("when its kind goes on")
    row = page.locator("tr[data-job][data-status=queued]")
    await expect(row).to_contain_text("Jobs of its kind are paused.")
    job = await open_page(f"/jobs/{await row.get_attribute('data-job')}")
    await expect(job.locator("#step")).to_have_text("Jobs of its kind are paused.")
    async with product.without_workers():
        await expect(upcoming).to_contain_text("when a worker takes jobs")
        await expect(upcoming).not_to_contain_text("any moment")


async def test_what_starts_next_is_named_in_order_with_a_guess_when(product, open_page):
    page = await open_page("/")
    for running in [await product.steered() for _ in range(5)]:
        await product.status_is(running.id, "running")
    later, sooner = await product.submit("noop"), await product.submit("noop", priority=5)

    links = page.locator("#next a")

    await expect(links).to_have_count(2)
    await expect(links.nth(0)).to_contain_text(sooner[-8:])
    await expect(links.nth(1)).to_contain_text(later[-8:])
    await page.get_by_role("button", name="Pause").click()
    await expect(page.locator("#next")).to_contain_text("when the queue goes on")
    await page.get_by_role("button", name="Resume").click()
    await expect(page.locator("#next")).not_to_contain_text("when the queue goes on")
