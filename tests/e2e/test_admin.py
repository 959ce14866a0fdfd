"""The admin pages: what the system does, and changing it while it runs."""

import re

from playwright.async_api import expect

from tests.e2e.test_jobs_in_every_state import row_of


async def test_the_overview_counts_live_and_leads_to_the_jobs(product, open_page):
    page = await open_page("/admin")
    failed = page.locator("#figures").get_by_role("link", name="Failed")

    job_id = await product.submit("always_fails", max_attempts=1)

    await expect(page.locator("#figures > div", has_text="Failed")).to_contain_text("1")
    await failed.click()
    await expect(row_of(page, job_id)).to_be_visible()


async def test_concurrency_is_changed_while_jobs_run_and_seen_everywhere(product, open_page):
    page, dashboard = await open_page("/admin"), await open_page("/")

    await page.get_by_label("At once, over all workers").fill("3")
    await page.get_by_role("button", name="Set").click()

    await expect(dashboard.locator("#slots [data-slot]")).to_have_count(3)
    await page.get_by_label("At once, over all workers").fill("0")
    await page.get_by_role("button", name="Set").click()
    await expect(page.get_by_role("alert")).to_contain_text("whole number from 1")
    await product.api.patch("/api/queue", json={"concurrency": None})
    await expect(dashboard.locator("#slots [data-slot]")).to_have_count(5)


async def test_a_worker_is_made_quiet_and_taken_back(product, open_page):
    page = await open_page("/admin/workers")
    row = page.locator("tr[data-worker]:not([data-state=lost])")
    await expect(row).to_have_attribute("data-state", "running")

    await row.get_by_role("button", name="Quiet").click()
    await expect(row).to_have_attribute("data-state", "quiet")
    await expect(page.locator("#troubles")).to_contain_text("No worker takes jobs; 1 of them quiet")
    await row.get_by_role("button", name="Resume").click()

    await expect(row).to_have_attribute("data-state", "running")
    await expect(page.locator("#troubles")).not_to_contain_text("No worker")


async def test_the_kinds_tell_what_they_take(open_page):
    page = await open_page("/admin/kinds")

    kind = page.locator("[data-kind=web_agent]")
    await kind.get_by_text("Parameters").click()

    await expect(kind).to_contain_text("start_url (text) = https://example.com")


async def test_a_schedule_is_made_run_paused_changed_and_deleted(product, open_page):
    page = await open_page("/admin/schedules")
    await expect(page.locator("#schedule-next time, #schedule-next span")).not_to_have_count(0)

    await page.get_by_label("Name").fill("Nightly")
    await page.get_by_label("Kind of job").select_option("noop")
    await page.get_by_label("When").fill("every 3600")
    await page.get_by_role("button", name="Make it").click()
    schedule = page.locator("[data-schedule=Nightly]")
    await expect(schedule).to_contain_text("every 3600 UTC")

    await schedule.get_by_role("button", name="Run now").click()
    await expect(schedule).to_contain_text("Last:")
    await schedule.get_by_role("button", name="Pause").click()
    await expect(schedule).to_contain_text("none while it is paused")
    await schedule.get_by_role("button", name="Edit").click()
    await expect(page.get_by_role("heading", name="Change the schedule")).to_be_visible()
    await page.get_by_label("When").fill("61 * * * *")
    await expect(page.locator("#schedule-error-timing")).to_be_visible()
    await page.get_by_label("When").fill("30 2 * * 1-5")
    await page.get_by_role("button", name="Change it").click()
    await expect(schedule).to_contain_text("30 2 * * 1-5 UTC")

    await schedule.get_by_role("button", name="Delete").click()
    await page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    await expect(schedule).to_have_count(0)
    assert (await product.api.get("/api/schedules")).json()["items"] == []


async def test_admin_pages_are_reached_by_link_and_by_keys(open_page):
    page = await open_page("/")

    await page.keyboard.press("g")
    await page.keyboard.press("a")
    await expect(page.get_by_role("heading", name="Admin: Overview")).to_be_visible()
    await page.get_by_role("navigation", name="Admin").get_by_role("link", name="Workers").click()
    await expect(page.get_by_role("heading", name="Admin: Workers")).to_be_visible()
    await page.keyboard.press("g")
    await page.keyboard.press("d")
    await expect(page.locator("#slots")).to_be_visible()


async def test_a_point_of_a_chart_leads_to_its_jobs(product, open_page):
    job_id = await product.submit("always_fails", max_attempts=1)
    page = await open_page("/admin/metrics")
    buckets = page.locator("[data-chart='Jobs a minute'] .bucket")
    busy = page.locator("[data-chart='Jobs a minute'] .bucket[data-tip*='failed']").last

    await expect(busy).to_be_attached(timeout=15_000)
    await expect(buckets).to_have_count(60)
    await busy.click()
    await page.locator("#point").get_by_role("link", name="The failed").click()

    await expect(row_of(page, job_id)).to_be_visible()


async def test_the_window_and_kind_of_the_charts_are_in_the_address(open_page):
    page = await open_page("/admin/metrics")

    await page.get_by_role("radio", name="7d").click()
    await expect(page.locator("[data-chart='Jobs an hour'] .bucket")).to_have_count(168)
    await page.get_by_label("Kind", exact=True).select_option("noop")

    await expect(page).to_have_url(re.compile(r"window=7d&kind=noop"))
    await page.reload()
    await expect(page.get_by_label("Kind", exact=True)).to_have_value("noop")
    await expect(page.locator("[data-chart='Jobs an hour'] .bucket")).to_have_count(168)


async def test_a_waiting_job_is_edited_moved_and_started_sooner(product, open_page):
    job_id = await product.submit("web_agent", delay_s=3600)
    page = await open_page(f"/jobs/{job_id}")

    await page.get_by_role("button", name="Edit", exact=True).click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Steps", exact=True).fill("0")
    await expect(dialog.get_by_role("alert")).to_be_visible()
    await dialog.get_by_label("Steps", exact=True).fill("2")
    await dialog.get_by_text("Advanced", exact=True).click()
    await expect(dialog.get_by_label("Start in … seconds")).to_have_count(0)
    await dialog.get_by_label("Priority").fill("7")
    await dialog.get_by_role("button", name="Save").click()

    await expect(page.locator("#timeline")).to_contain_text("Edited: parameters, priority.")
    assert (await product.job(job_id))["params"]["steps"] == 2
    await product.api.patch("/api/queue", json={"paused": True})
    await page.get_by_role("button", name="Start now").click()
    await expect(page.locator("#job")).to_have_attribute("data-status", "queued")
    other = await product.submit("web_agent", priority=9)
    await page.get_by_role("button", name="Move to front").click()
    await expect(page.locator("#timeline")).to_contain_text("Edited: priority.")
    assert (await product.job(job_id))["priority"] == 10
    await product.api.post("/api/jobs/bulk", json={"action": "cancel", "ids": [job_id, other]})
    await product.api.patch("/api/queue", json={"paused": False})


async def test_a_kind_is_paused_and_limited_from_its_page(product, open_page):
    page = await open_page("/admin/kinds")
    kind = page.locator("[data-kind=slow]")
    await expect(kind).to_contain_text("Runs on")

    await kind.get_by_role("button", name="Pause").click()
    await expect(kind.get_by_text("Paused")).to_be_visible()
    job_id = await product.submit("slow")
    await kind.get_by_label("At once").fill("0")
    await kind.get_by_role("button", name="Set the limits of Slow").click()
    await expect(kind.get_by_role("alert")).to_be_visible()
    await kind.get_by_label("At once").fill("2")
    await kind.get_by_role("button", name="Set the limits of Slow").click()
    await expect(kind.get_by_role("alert")).to_have_count(0)

    [slow] = [k for k in (await product.api.get("/api/kinds")).json() if k["name"] == "slow"]
    assert (slow["paused"], slow["max_running"]) == (True, 2)
    assert (await product.job(job_id))["status"] == "queued"
    await kind.get_by_role("button", name="Resume").click()
    await product.status_is(job_id, "running")
    await product.api.post(f"/api/jobs/{job_id}/cancel")
    await product.api.patch("/api/kinds/slow", json={"max_running": None})
