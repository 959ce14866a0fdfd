"""Jobs that wait, fail, are cancelled, retried and deleted, as a person sees and does it."""

from playwright.async_api import expect

from tests.support.pages import row_of


async def test_of_six_jobs_five_run_and_the_sixth_waits_then_runs(product, open_page):
    page = await open_page("/")

    jobs = [await product.steered() for _ in range(6)]
    ids = [job.id for job in jobs]

    taken = page.locator("#slots [data-job]:not([data-job=''])")
    await expect(taken).to_have_count(5)
    for job_id in ids[:5]:
        await expect(row_of(page, job_id)).to_have_attribute("data-status", "running")
    await expect(row_of(page, ids[5])).to_have_attribute("data-status", "queued")
    jobs[0].end()
    await expect(row_of(page, ids[5])).to_have_attribute("data-status", "running")
    jobs[5].end()
    await expect(row_of(page, ids[5])).to_have_attribute("data-status", "completed")


async def test_a_queued_job_is_cancelled_at_once_and_never_runs(product, open_page):
    page = await open_page("/")
    for running in [await product.steered() for _ in range(5)]:
        await product.status_is(running.id, "running")
    waiting = await product.submit("noop")
    await expect(row_of(page, waiting)).to_have_attribute("data-status", "queued")

    await row_of(page, waiting).get_by_role("button", name="Cancel").click()

    await expect(row_of(page, waiting)).to_have_attribute("data-status", "cancelled")
    assert (await product.job(waiting))["started_at"] is None


async def test_a_running_job_is_cancelled_from_its_page(product, open_page):
    job_id = await product.submit("slow", params={"seconds": 600})
    page = await open_page(f"/jobs/{job_id}")
    await expect(page.locator("#job")).to_have_attribute("data-status", "running")

    await page.get_by_role("button", name="Cancel").click()

    await expect(page.locator("#job")).to_have_attribute("data-status", "cancelled")
    await expect(page.locator("#timeline")).to_contain_text("Cancel requested.")
    await expect(page.locator("#timeline")).to_contain_text("Cancelled while it ran.")


async def test_a_failed_job_is_shown_in_a_toast_and_has_its_traceback(product, open_page):
    page = await open_page("/")

    job_id = await product.submit("always_fails", params={"message": "The disk is on fire."})

    await expect(page.get_by_text(f"Job {job_id[-8:]} (Always fails) failed")).to_be_visible()
    await row_of(page, job_id).get_by_role("link", name="Always fails").click()
    await expect(page.locator("#error")).to_contain_text("RuntimeError")
    await expect(page.locator("#error")).to_contain_text("The disk is on fire.")
    await expect(page.locator("#traceback")).to_contain_text("always_fails.py")


async def test_a_flaky_job_shows_each_of_its_attempts(product, open_page):
    job_id = await product.submit("flaky", params={"failures": 2})
    page = await open_page(f"/jobs/{job_id}")

    await expect(page.locator("#job")).to_have_attribute("data-status", "completed")

    attempts = page.locator("#attempts")
    await expect(attempts).to_contain_text("Attempt 1")
    await expect(attempts).to_contain_text("Failure 2 of 2, as asked.")
    await expect(attempts).to_contain_text("Attempt 3")
    await expect(page.locator("#result .tree-row", has_text="attempts")).to_contain_text("3")


async def test_a_failed_job_is_retried_as_a_new_attempt(product, open_page):
    job_id = await product.submit("flaky", params={"failures": 1}, max_attempts=1)
    await product.status_is(job_id, "failed")
    page = await open_page("/")

    await row_of(page, job_id).get_by_role("button", name="Retry").click()

    await expect(row_of(page, job_id)).to_have_attribute("data-status", "completed")
    assert (await product.job(job_id))["attempt"] == 2


async def test_a_job_is_deleted_after_a_question_and_vanishes_from_every_tab(product, open_page):
    job_id = await product.submit("noop")
    await product.status_is(job_id, "completed")
    page, other = await open_page("/"), await open_page("/")
    await expect(row_of(other, job_id)).to_be_visible()

    await row_of(page, job_id).get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("alertdialog")).to_contain_text(job_id)
    await page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()

    await expect(row_of(page, job_id)).to_have_count(0)
    await expect(row_of(other, job_id)).to_have_count(0)
    assert (await product.api.get(f"/api/jobs/{job_id}")).status_code == 404


async def test_a_job_is_kept_when_the_question_is_answered_with_no(product, open_page):
    job_id = await product.submit("noop")
    await product.status_is(job_id, "completed")
    page = await open_page(f"/jobs/{job_id}")

    await page.get_by_role("button", name="Delete").click()
    await page.get_by_role("button", name="Keep it").click()

    await expect(page.get_by_role("alertdialog")).to_have_count(0)
    assert (await product.job(job_id))["status"] == "completed"


async def test_a_stubborn_job_is_shown_as_stopping_until_it_stops(product, open_page):
    job_id = await product.submit("stubborn", params={"seconds": 600})
    await product.status_is(job_id, "running")
    page = await open_page("/")

    product.process("worker").suspend()  # or it might stop before anybody has read the page
    try:
        await row_of(page, job_id).get_by_role("button", name="Cancel").click()
        await expect(row_of(page, job_id)).to_contain_text("Stopping")
    finally:
        product.process("worker").resume()

    await expect(row_of(page, job_id)).to_have_attribute("data-status", "cancelled")


async def test_a_noisy_job_shows_its_newest_lines_and_its_file(product, open_page):
    job_id = await product.submit("noisy", params={"lines": 1000})
    page = await open_page(f"/jobs/{job_id}")

    await expect(page.locator("#job")).to_have_attribute("data-status", "completed")

    await expect(page.locator("#timeline")).to_contain_text("Line 1000 of 1000")
    await expect(page.get_by_role("link", name="lines.txt")).to_be_visible()


async def test_a_big_result_is_cut_and_the_page_stays_usable(product, open_page):
    job_id = await product.submit("big_result")
    page = await open_page(f"/jobs/{job_id}")

    await expect(page.locator("#job")).to_have_attribute("data-status", "completed")

    await expect(page.locator("#result").get_by_role("button", name="load the rest")).to_be_visible()
    assert len(await page.locator("#result").inner_text()) < 30_000
