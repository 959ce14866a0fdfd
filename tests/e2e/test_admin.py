"""The admin pages: what the system does, and changing it while it runs."""

import json
import re
from pathlib import Path

import pytest
from playwright.async_api import expect

from testbed.waiting import until
from tests.support.pages import row_of


@pytest.mark.databases
async def test_the_overview_counts_live_and_leads_to_the_jobs(product, open_page):
    page = await open_page("/admin")
    failed = page.locator("#figures").get_by_role("link", name="Failed")

    job_id = await product.submit("always_fails", max_attempts=1)

    await expect(page.locator("#figures > div", has_text="Failed")).to_contain_text("1")
    await failed.click()
    await expect(row_of(page, job_id)).to_be_visible()


async def test_concurrency_is_changed_while_jobs_run_and_shown_everywhere(product, open_page):
    page, dashboard = await open_page("/admin"), await open_page("/")

    await page.get_by_label("At once, over all workers").fill("3")
    await page.get_by_role("button", name="Set").click()

    await expect(page.get_by_text("At once now: 3 jobs at most")).to_be_visible()
    await expect(dashboard.locator("#slots [data-slot]")).to_have_count(3)
    await page.get_by_label("At once, over all workers").fill("0")
    await page.get_by_role("button", name="Set").click()
    await expect(page.get_by_role("alert")).to_contain_text("whole number from 1")
    await product.api.patch("/api/queue", json={"concurrency": None})
    await expect(dashboard.locator("#slots [data-slot]")).to_have_count(5)


@pytest.mark.databases
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


async def test_a_worker_is_stopped_and_another_takes_its_place(open_page):
    """Another is started when it has ended, which takes as long as a start does."""
    page = await open_page("/admin/workers")
    row = page.locator("tr[data-worker][data-state=running]")
    stopped = await row.get_attribute("data-worker")

    await row.get_by_role("button", name="Stop").click()
    dialog = page.get_by_role("alertdialog")
    await expect(dialog).to_contain_text("start it again at once: to keep it from taking jobs, use Quiet")
    await dialog.get_by_role("button", name="Stop it").click()

    await expect(page.get_by_text("stops when its jobs have ended")).to_be_visible()
    await expect(page.locator(f"tr[data-worker='{stopped}']")).to_have_count(0)
    await expect(row).to_have_count(1)


async def test_the_kinds_show_what_they_take(open_page):
    page = await open_page("/admin/kinds")

    kind = page.locator("[data-kind=web_agent]")
    await kind.get_by_text("Parameters").click()

    await expect(kind).to_contain_text("start_url (text) = https://example.com")


async def test_the_next_times_of_a_schedule_stay_ahead_of_the_clock(product, open_page):
    made = await product.api.post("/api/schedules", json={"name": "Often", "kind": "noop", "interval_s": 2})
    page = await open_page("/admin/schedules")
    times = page.locator("[data-schedule=Often] time")
    first = await times.first.text_content()

    await expect(times.first).not_to_have_text(first)
    await expect(page.locator("[data-schedule=Often]")).to_contain_text("Last:")

    await product.api.delete(f"/api/schedules/{made.json()['id']}")


@pytest.mark.databases
async def test_a_schedule_is_made_run_paused_changed_and_deleted(product, open_page):
    page = await open_page("/admin/schedules")
    await expect(page.locator("#schedule-next time, #schedule-next span")).not_to_have_count(0)

    await page.get_by_label("Name").fill("Nightly")
    await page.get_by_label("Kind of job").select_option("noop")
    await page.get_by_label("When").fill("every 3600")
    await page.get_by_role("button", name="Make it").click()
    schedule = page.locator("[data-schedule=Nightly]")
    await expect(schedule).to_contain_text("every 3600 s")

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


@pytest.mark.databases
async def test_a_point_of_a_chart_leads_to_its_jobs(product, open_page):
    """Figures are rolled up every five seconds."""
    job_id = await product.submit("always_fails", max_attempts=1)
    job = await product.status_is(job_id, "failed")
    page = await open_page("/admin/metrics")
    buckets = page.locator("[data-chart='Jobs a minute'] .bucket")
    minute = job["finished_at"][11:16]
    busy = page.locator(f"[data-chart='Jobs a minute'] .bucket[data-tip^='{minute}'][data-tip*='failed']")

    await expect(busy).to_be_attached()
    await expect(buckets).to_have_count(60)
    await busy.click()
    await page.locator("#point").get_by_role("link", name="The failed").click()

    await expect(row_of(page, job_id)).to_be_visible()


async def test_a_chart_is_zoomed_into_and_its_figures_are_purged(product, open_page):
    """Figures are rolled up every five seconds."""
    job_id = await product.submit("noop")
    job = await product.status_is(job_id, "completed")
    page = await open_page("/admin/metrics?window=24h")
    hour = page.locator(
        f"[data-chart='Jobs an hour'] .bucket[data-tip*='{job['finished_at'][11:13]}:00'][data-tip*='com']"
    )

    await expect(hour).to_be_attached()
    await hour.click()
    await page.locator("#point").get_by_role("button", name="Zoom in").click()
    await expect(page.locator("[data-chart='Jobs a minute'] .bucket")).to_have_count(60)
    await page.get_by_role("button", name="Purge the figures by the minute").click()
    await page.get_by_role("alertdialog").get_by_role("button", name="Purge").click()
    await expect(page.get_by_text("of figures by the minute; jobs stay")).to_be_visible()

    [purged] = (await product.api.get("/api/audit", params={"q": "by the minute", "limit": 1})).json()["items"]
    assert (purged["action"], purged["who"]) == ("purge", "a page at 127.0.0.1")


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


@pytest.mark.databases
async def test_a_kind_is_paused_and_limited_from_its_page(product, open_page):
    page = await open_page("/admin/kinds")
    kind = page.locator("[data-kind=slow]")
    await expect(kind).to_contain_text("Brought by")

    await kind.get_by_role("button", name="Pause").click()
    await expect(kind.get_by_text("Paused")).to_be_visible()
    job_id = await product.submit("slow", params={"seconds": 600})
    await kind.get_by_label("At once").fill("0")
    await kind.get_by_role("button", name="Set the limits of Slow").click()
    await expect(kind.get_by_role("alert")).to_be_visible()
    await kind.get_by_label("At once").fill("2")
    await kind.get_by_role("button", name="Set the limits of Slow").click()
    await expect(kind.get_by_role("alert")).to_have_count(0)

    await kind.get_by_label("Starts").fill("30")
    await kind.get_by_label("in seconds").fill("60")
    await kind.get_by_role("button", name="Set the limits of Slow").click()
    await expect(page.get_by_text("The kind slow has new limits").nth(1)).to_be_visible()

    [slow] = [k for k in (await product.api.get("/api/kinds")).json() if k["name"] == "slow"]
    assert (slow["paused"], slow["max_running"], slow["rate"]) == (True, 2, {"count": 30, "seconds": 60.0})
    assert (await product.job(job_id))["status"] == "queued"
    await kind.get_by_role("button", name="Resume").click()
    await product.status_is(job_id, "running")
    await product.api.post(f"/api/jobs/{job_id}/cancel")


async def test_the_list_has_columns_for_those_who_run_the_queue(product, open_page):
    job_id = await product.submit("slow", params={"seconds": 600})
    await product.status_is(job_id, "running")
    page = await open_page("/?columns=worker,attempt,bytes,lease")

    row = row_of(page, job_id)
    await expect(row).to_contain_text("1 of")
    await expect(row).to_contain_text(re.compile(r"\d+ B"))
    await expect(row).to_contain_text(re.compile(r"\d+ s"))
    await product.api.post(f"/api/jobs/{job_id}/cancel")


async def test_old_jobs_are_removed_after_a_preview_and_the_rest_by_a_typed_word(product, open_page):
    completed = [await product.submit("noop") for _ in range(3)]
    failed = await product.submit("always_fails", max_attempts=1)
    for job_id in (*completed, failed):
        await product.status_is(job_id, "completed", "failed")
    page = await open_page("/admin/queue")

    await page.get_by_label("older than").fill("long ago")
    await page.get_by_role("button", name="Preview").click()
    await expect(page.get_by_role("alert")).to_contain_text("must be a duration")
    await page.get_by_label("older than").fill("7d")
    await page.get_by_role("button", name="Preview").click()
    await expect(page.get_by_text("There is no job to remove.")).to_be_visible()
    await page.get_by_label("older than").fill("")
    await page.get_by_role("button", name="Preview").click()
    dialog = page.get_by_role("alertdialog")
    await expect(dialog).to_contain_text("About")
    await dialog.get_by_role("button", name="Remove 3 jobs").click()
    done = page.locator("#operations [data-state=done]").first
    await expect(done).to_contain_text(re.compile("Removing 3 jobs.*3 done"))

    runs = await product.submit("slow", params={"seconds": 600})
    await product.status_is(runs, "running")
    await page.get_by_role("button", name="Obliterate").click()
    await expect(dialog.get_by_role("button", name="Remove 2 jobs")).to_be_disabled()
    await dialog.get_by_label("Type obliterate to go on").fill("obliterate")
    await dialog.get_by_role("button", name="Remove 2 jobs").click()
    await expect(done).to_contain_text(re.compile("Obliterating 2 jobs.*2 done"))
    assert (await product.api.get("/api/jobs")).json()["items"] == []


@pytest.mark.databases
async def test_ready_made_actions_retry_start_and_drain(product, open_page):
    failed = await product.submit("always_fails", max_attempts=1)
    await product.status_is(failed, "failed")
    await product.api.patch("/api/queue", json={"paused": True})
    later = await product.submit("noop", delay_s=3600)
    page = await open_page("/admin/queue")
    dialog = page.get_by_role("alertdialog")

    await page.get_by_role("button", name="Retry all failed").click()
    await dialog.get_by_role("button", name="Retry 1 job").click()
    await product.status_is(failed, "queued")
    await page.get_by_role("button", name="Start all scheduled now").click()
    await dialog.get_by_role("button", name="Start 1 job").click()
    await product.status_is(later, "queued")
    await page.get_by_role("button", name="Drain: remove all that wait").click()
    await dialog.get_by_role("button", name="Remove 2 jobs").click()
    await expect(page.locator("#operations [data-state=done]").first).to_contain_text("2 done")

    assert (await product.api.get("/api/jobs")).json()["items"] == []
    await product.api.patch("/api/queue", json={"paused": False})


async def test_what_is_done_to_many_jobs_survives_a_reload_and_is_stopped_from_any_page(product, open_page):
    await product.api.patch("/api/queue", json={"paused": True})
    for _ in range(3):
        await product.api.post("/api/jobs/batch", json={"jobs": [{"kind": "noop"}] * 1000})
    page, other = await open_page("/?status=queued"), await open_page("/admin")
    await page.get_by_role("checkbox", name="Select every row of this page").click()
    await page.get_by_role("button", name="Select all 3,000 that match").click()
    await page.locator("#selection").get_by_role("button", name="Cancel").click()
    await page.get_by_role("alertdialog").get_by_role("button", name="Cancel 3000 jobs").click()
    await expect(page.locator("#operations-now")).to_contain_text("Cancelling 3,000 jobs")

    await page.reload()
    await expect(page.locator("#operations-now")).to_contain_text("Cancelling 3,000 jobs")
    await other.locator("#operations-now").get_by_role("button", name="Stop").click()
    await expect(page.locator("#operations-now [data-operation]")).to_have_count(0)

    [operation] = (await product.api.get("/api/operations", params={"limit": 1})).json()["items"]
    assert operation["state"] == "stopped"
    assert 0 < operation["done"] < 3000
    rest = await product.api.post("/api/operations", json={"action": "clean", "filter": {"kind": ["noop"]}})
    await until(lambda: product.api.get(rest.headers["location"]), lambda reply: reply.json()["state"] == "done")
    await product.api.patch("/api/queue", json={"paused": False})


@pytest.mark.databases
async def test_the_whole_chain_is_tested_with_a_job(product, open_page):
    page = await open_page("/admin/system")

    await page.get_by_role("button", name="Test the whole chain").click()

    await expect(page.locator("#canary")).to_contain_text("All parts work")
    await expect(page.locator("#redis")).to_contain_text("noeviction")
    await expect(page.locator("#redis")).to_contain_text("Clock of ")


async def test_what_an_issue_needs_is_copied_and_events_are_downloaded(product, open_page):
    page = await open_page("/admin/system", permissions=["clipboard-read", "clipboard-write"])

    await page.get_by_role("button", name="Copy for an issue").click()
    await expect(page.get_by_text("Copied; no secret is in it.")).to_be_visible()
    copied = json.loads(await page.evaluate("navigator.clipboard.readText()"))
    job_id = await product.submit("noop")
    await product.status_is(job_id, "completed")
    await page.goto(f"{product.url}/admin/events")
    await page.get_by_label("Find in the events").fill(job_id[-8:])
    await expect(page.locator("#events li")).to_have_count(3)
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Download").click()

    assert copied["redis"]["role"] == "master"
    lines = Path(await (await download.value).path()).read_text().splitlines()
    assert len(lines) == 3
    assert all(job_id[-8:] in json.loads(line)["text"] for line in lines)


async def test_a_database_file_is_checked_compacted_and_copied(product, open_page):
    page = await open_page("/admin/system")

    await page.get_by_role("button", name="Check").click()
    await expect(page.locator("#care-result")).to_contain_text("The database is sound")
    await page.get_by_role("button", name="Compact (vacuum)").click()
    await page.get_by_role("alertdialog").get_by_role("button", name="Compact").click()
    await expect(page.locator("#care-result")).to_contain_text("Done in")
    async with page.expect_download() as download:
        await page.get_by_role("link", name="Download a backup").click()

    assert (await download.value).suggested_filename.endswith(".db")


@pytest.mark.databases
async def test_events_come_by_themselves_are_found_and_stand_still(product, open_page):
    page = await open_page("/admin/events")
    job_id = await product.submit("always_fails", max_attempts=1)

    lines = page.locator("#events li")
    await expect(lines.filter(has_text=job_id[-8:])).to_have_count(3)
    await page.get_by_label("Find in the events").fill("FAILED")
    await expect(lines.filter(has_text="Started.")).to_have_count(0)
    await page.get_by_label("Find in the events").fill("")
    await page.get_by_role("button", name="Pause").click()
    await expect(page.get_by_role("button", name="Go on")).to_be_visible()
    later = await product.submit("noop")
    await product.status_is(later, "completed")
    await expect(lines.filter(has_text=later[-8:])).to_have_count(0)
    await page.get_by_role("button", name="Go on").click()

    await expect(lines.filter(has_text=later[-8:])).to_have_count(3)


async def test_the_audit_shows_who_changed_what(product, open_page):
    job_id = await product.submit("noop", delay_s=600)
    page = await open_page(f"/jobs/{job_id}")
    await page.get_by_role("button", name="Cancel").click()
    await expect(page.locator("#timeline")).to_contain_text("By a page at 127.0.0.1.")

    await page.goto(f"{product.url}/admin/audit?q={job_id}")

    await expect(page.locator("#audit")).to_contain_text("cancel job")
    await expect(page.locator("#audit")).to_contain_text("a page at 127.0.0.1")


@pytest.mark.databases
async def test_the_audit_is_turned_over_page_by_page(product, open_page):
    jobs = [{"kind": "noop", "delay_s": 600}] * 101
    made = (await product.api.post("/api/jobs/batch", json={"jobs": jobs})).json()
    ids = [job["id"] for job in made["items"]]
    await product.api.post("/api/jobs/bulk", json={"action": "cancel", "ids": ids})
    page = await open_page("/admin/audit?q=cancel")
    rows = page.locator("#audit tr[data-action]")
    await expect(rows).to_have_count(100)
    newest = await rows.first.inner_text()

    await page.get_by_role("button", name="Older").click()
    await expect(rows.first).not_to_have_text(newest)
    await page.get_by_role("button", name="Newest").click()

    await expect(rows).to_have_count(100)


@pytest.mark.databases
async def test_a_rule_is_changed_silenced_and_its_secret_is_copied(product, open_page):
    page = await open_page("/admin/alerts", permissions=["clipboard-read", "clipboard-write"])
    await page.get_by_label("Name").fill("Large")
    await page.get_by_label("Alert when").select_option("storage")
    await page.get_by_label("Threshold").fill("90000")
    await page.get_by_label("Webhook").fill("http://nobody.invalid/")
    await page.get_by_role("button", name="Make it").click()
    rule = page.locator("[data-rule='Large']")

    await rule.get_by_role("button", name="Edit").click()
    await expect(page.get_by_role("heading", name="Change the rule")).to_be_visible()
    await page.get_by_label("Threshold").fill("80000")
    await page.get_by_role("button", name="Change it").click()
    await expect(rule).to_contain_text("larger than 80000 megabytes")
    await rule.get_by_role("button", name="Pause").click()
    await expect(rule.get_by_role("button", name="Resume")).to_be_visible()
    await rule.get_by_role("button", name="Copy secret").click()
    await expect(page.get_by_text("Copied.")).to_be_visible()

    [kept] = (await product.api.get("/api/alerts/rules")).json()["items"]
    assert (kept["threshold"], kept["paused"]) == (80000.0, True)
    secret = (await product.api.get(f"/api/alerts/rules/{kept['id']}/secret")).json()["secret"]
    assert await page.evaluate("navigator.clipboard.readText()") == secret
    await product.api.delete(f"/api/alerts/rules/{kept['id']}")


async def test_a_rule_is_made_gives_an_alert_and_is_deleted(product, open_page):
    """Rules are evaluated every five seconds, which is waited for twice."""
    await product.api.patch("/api/kinds/noop", json={"paused": True})
    job_id = await product.submit("noop")
    page = await open_page("/admin/alerts")

    await page.get_by_label("Name").fill("Too slow")
    await page.get_by_label("Threshold").fill("none")
    await page.get_by_role("button", name="Make it").click()
    await expect(page.locator("#rule-error-threshold")).to_be_visible()
    await page.get_by_label("Threshold").fill("1")
    await page.get_by_label("Webhook").fill("http://127.0.0.1:9/")
    await page.get_by_role("button", name="Make it").click()
    await expect(page.locator("#rule-error-webhook_url")).to_contain_text("not public")
    await page.get_by_label("Webhook").fill("http://nobody.invalid/")
    await page.get_by_role("button", name="Make it").click()
    await expect(page.locator("[data-alert='Too slow'][data-open=true]")).to_be_visible()
    await expect(page.locator("#troubles")).to_contain_text("Too slow: A job has waited")
    await page.locator("[data-rule='Too slow']").get_by_role("button", name="Test").click()
    await expect(page.locator("#deliveries [data-delivery='given up']")).to_contain_text("cannot be reached")

    await product.api.post(f"/api/jobs/{job_id}/cancel")
    await expect(page.locator("[data-alert='Too slow'][data-open=false]")).to_be_visible()
    await page.locator("[data-rule='Too slow']").get_by_role("button", name="Delete").click()
    await page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    await expect(page.locator("[data-rule='Too slow']")).to_have_count(0)
