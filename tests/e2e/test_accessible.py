"""Every page and state, light and dark, wide and narrow, held against WCAG 2.2 AA by axe-core."""

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

from tests.e2e.browser import LOOKS

pytestmark = pytest.mark.sqlite  # whether a page can be read does not depend on the database
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
SHOWN = "[...document.querySelectorAll('[data-sonner-toast]')].every(t => getComputedStyle(t).opacity === '1')"
"""Whether no notice is fading in or out."""


async def violations(page: Page) -> list[str]:
    """What axe-core finds, each with the elements it is about."""
    await page.wait_for_function(SHOWN)
    found = await Axe().run(page, options={"runOnly": {"type": "tag", "values": RULES}})
    return [
        f"{each['id']}: {node['target']} {node['html'][:160]}"
        for each in found.response["violations"]
        for node in each["nodes"]
    ]


@pytest.fixture
async def jobs(product) -> dict[str, str]:
    """A job in each status that stays, and some that run."""
    ids = {
        "completed": await product.submit("web_agent", params={"steps": 7, "step_seconds": 0}),
        "failed": await product.submit("always_fails"),
        "flaky": await product.submit("flaky"),
        "scheduled": await product.submit("noop", delay_s=600),
    }
    await product.status_is(ids["completed"], "completed")
    await product.status_is(ids["failed"], "failed")
    await product.status_is(ids["flaky"], "completed")
    for _ in range(2):
        ids["running"] = await product.submit("slow", params={"seconds": 60})
        await product.status_is(ids["running"], "running")
    return ids


@pytest.mark.parametrize("look", LOOKS)
async def test_the_dashboard_without_jobs(open_page, look):
    page = await open_page("/", **look)

    assert await violations(page) == []


@pytest.mark.parametrize("look", LOOKS)
async def test_the_dashboard_with_jobs_some_selected(jobs, open_page, look):
    page = await open_page("/?columns=progress,created,took,worker,priority", **look)
    await page.locator(f"tr[data-job='{jobs['failed']}']").get_by_role("checkbox").click()
    await expect(page.locator("#selection")).to_be_visible()

    assert await violations(page) == []


ADMIN_TABS = (
    *("", "/queue", "/metrics", "/workers", "/schedules", "/kinds"),
    *("/alerts", "/system", "/events", "/audit"),
)


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("path", [f"/admin{tab}" for tab in ADMIN_TABS])
async def test_the_admin_pages(jobs, open_page, look, path):
    page = await open_page(path, **look)
    await expect(
        page.locator(
            "#figures, #workers, #kinds, #by-kind, #schedule-form, #clean-up, #rule-form, #redis dd, #events, #audit"
        ).first
    ).to_be_visible()

    assert await violations(page) == []


@pytest.mark.parametrize("look", LOOKS)
async def test_failures_by_cause(jobs, open_page, look):
    page = await open_page("/?status=failed", **look)
    await expect(page.locator("#failures li")).to_have_count(1)

    assert await violations(page) == []


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("status", ["completed", "failed", "flaky", "scheduled", "running"])
async def test_the_page_of_a_job(jobs, open_page, look, status):
    page = await open_page(f"/jobs/{jobs[status]}", **look)
    await expect(page.locator("#job")).to_be_visible()

    assert await violations(page) == []


@pytest.mark.parametrize("look", LOOKS)
async def test_the_pages_of_jobs_that_wait_and_that_were_cancelled(product, open_page, look):
    await product.api.patch("/api/queue", json={"paused": True})
    waiting, cancelled = await product.submit("noop"), await product.submit("noop")
    await product.api.post(f"/api/jobs/{cancelled}/cancel")
    found = {}
    for name, job_id in (("queued", waiting), ("cancelled", cancelled)):
        page = await open_page(f"/jobs/{job_id}", **look)
        await expect(page.locator("#job")).to_have_attribute("data-status", name)
        found[name] = await violations(page)

    assert found == {"queued": [], "cancelled": []}


@pytest.mark.parametrize("look", LOOKS)
async def test_the_dashboard_while_nothing_can_start(product, open_page, look):
    page = await open_page("/", **look)
    await product.api.patch("/api/queue", json={"paused": True})
    await expect(page.get_by_text("The queue is paused")).to_be_visible()
    found = {"paused": await violations(page)}
    await product.api.patch("/api/queue", json={"paused": False})
    workers = (await product.api.get("/api/workers")).json()
    [worker] = [worker["id"] for worker in workers if worker["state"] == "running"]
    try:
        await product.api.post(f"/api/workers/{worker}/quiet")
        await product.submit("noop")
        await expect(page.get_by_text("No worker takes jobs")).to_be_visible()
        found["no worker"] = await violations(page)
    finally:
        await product.api.post(f"/api/workers/{worker}/resume")

    assert found == {"paused": [], "no worker": []}


@pytest.mark.parametrize("look", LOOKS)
async def test_the_page_that_compares(jobs, open_page, look):
    page = await open_page(f"/jobs/{jobs['completed']}/compare?with={jobs['failed']}", **look)
    await expect(page.locator("#steps")).to_be_visible()

    assert await violations(page) == []


@pytest.mark.parametrize("path", ["/?q=status%3Adone", "/?q=nothing-like-this", "/jobs/abc", "/nowhere"])
async def test_what_cannot_be_shown(product, browser, path):
    page = await (await browser.new_context()).new_page()
    await page.goto(product.url + path)
    await expect(page.locator("main, h1, h2").first).to_be_visible()
    await page.wait_for_load_state("networkidle")

    assert await violations(page) == []
    await page.context.close()


@pytest.mark.parametrize("look", LOOKS)
async def test_dialogs_and_menus(jobs, open_page, look):
    page = await open_page("/", reduced_motion="reduce", **look)  # nothing is judged while it fades in
    found = {}

    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_be_visible()
    found["keys"] = await violations(page)
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await page.keyboard.press("Control+k")
    await expect(page.locator("#commands li").first).to_be_visible()
    found["palette"] = await violations(page)
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await page.get_by_role("button", name="Columns").click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    found["columns"] = await violations(page)
    await page.keyboard.press("Escape")
    await page.locator(f"tr[data-job='{jobs['failed']}']").get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("alertdialog")).to_be_visible()
    found["delete"] = await violations(page)

    assert {name: each for name, each in found.items() if each} == {}


@pytest.mark.parametrize("look", LOOKS)
async def test_menus_of_the_list_and_a_form_with_a_mistake(jobs, open_page, look):
    page = await open_page("/", reduced_motion="reduce", **look)
    found = {}

    for name in ("What can be searched for", "Saved views", "Recent messages"):
        await page.get_by_role("button", name=name if name != "Saved views" else "Views").click()
        await expect(page.get_by_role("dialog")).to_be_visible()
        found[name] = await violations(page)
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_have_count(0)
    await page.get_by_label("Steps", exact=True).fill("1000")
    await expect(page.locator("[id='error-steps']")).to_be_visible()
    found["mistake"] = await violations(page)
    await page.locator(f"tr[data-job='{jobs['failed']}']").get_by_role("checkbox").click()
    await page.locator("#selection").get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("alertdialog")).to_be_visible()
    found["delete many"] = await violations(page)

    assert {name: each for name, each in found.items() if each} == {}


@pytest.mark.parametrize("look", LOOKS)
async def test_dialogs_of_a_job(jobs, open_page, look):
    page = await open_page(f"/jobs/{jobs['completed']}", reduced_motion="reduce", **look)
    found = {}

    await page.get_by_role("button", name="Run again").click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    found["run again"] = await violations(page)
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await page.locator("#files").get_by_role("button").first.click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    found["picture"] = await violations(page)
    page = await open_page(f"/jobs/{jobs['scheduled']}", reduced_motion="reduce", **look)
    await page.get_by_role("button", name="Edit").click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    found["edit"] = await violations(page)

    assert {name: each for name, each in found.items() if each} == {}
