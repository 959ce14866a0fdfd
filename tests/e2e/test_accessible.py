"""Every page and state, light and dark, wide and narrow, held against WCAG 2.2 AA by axe-core."""

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page, expect

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
LOOKS = [
    pytest.param({"color_scheme": "light"}, id="light"),
    pytest.param({"color_scheme": "dark"}, id="dark"),
    pytest.param({"viewport": {"width": 390, "height": 800}}, id="phone"),
]


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
