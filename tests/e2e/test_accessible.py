"""Every page and state, light and dark, wide and narrow, held against WCAG 2.2 AA by axe-core.

A page is opened once and checked three times: what axe-core finds depends on colours, sizes and the tree alone, and
the dark colours change nothing but contrast.
"""

from typing import Any

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.async_api import Page, expect

from testbed.waiting import PATIENCE_S

WIDE, NARROW = {"width": 1280, "height": 720}, {"width": 390, "height": 800}
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
EVERYTHING = {"runOnly": {"type": "tag", "values": TAGS}}
COLOURS = {"runOnly": ["color-contrast", "link-in-text-block"]}
VARIANTS: dict[str, tuple[str, dict[str, int], dict[str, Any]]] = {
    "light": ("light", WIDE, EVERYTHING),
    "dark": ("dark", WIDE, COLOURS),
    "phone": ("light", NARROW, EVERYTHING),
}
# whether no toast is fading in or out
SHOWN = "[...document.querySelectorAll('[data-sonner-toast]')].every(t => getComputedStyle(t).opacity === '1')"


async def violations(page: Page) -> dict[str, list[str]]:
    """What axe-core finds by variant, each with the elements it is about; variants without findings are left out."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate(AXE_SCRIPT)
    found = {}
    for name, (scheme, size, rules) in VARIANTS.items():
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # nothing is checked while it fades in
        await page.set_viewport_size(size)
        await expect(page.locator("html")).to_have_class(scheme)
        await page.wait_for_function(SHOWN)
        report = await page.evaluate("options => axe.run(options)", rules | {"resultTypes": ["violations"]})
        found[name] = [
            f"{each['id']}: {node['target']} {node['html'][:160]}"
            for each in report["violations"]
            for node in each["nodes"]
        ]
    return {name: each for name, each in found.items() if each}


@pytest.fixture
async def jobs(product) -> dict[str, str]:
    """A job in each status that stays, and some that run."""
    ids = {
        "completed": await product.submit("web_agent", params={"steps": 7, "step_seconds": 0}),
        "failed": await product.submit("always_fails"),
        "flaky": await product.submit("flaky"),
        "scheduled": await product.submit("noop", delay_s=600),
    }
    for _ in range(2):
        ids["running"] = (await product.steered()).id
    await product.status_is(ids["completed"], "completed")
    await product.status_is(ids["failed"], "failed")
    await product.status_is(ids["flaky"], "completed")
    await product.status_is(ids["running"], "running")
    return ids


async def test_the_dashboard_without_jobs(open_page):
    page = await open_page("/")

    assert await violations(page) == {}


async def test_the_dashboard_with_jobs_some_selected(jobs, open_page):
    page = await open_page("/?columns=progress,created,took,worker,priority")
    await page.locator(f"tr[data-job='{jobs['failed']}']").get_by_role("checkbox").click()
    await expect(page.locator("#selection")).to_be_visible()

    assert await violations(page) == {}


ADMIN_TABS = {
    "": "#figures",
    "/queue": "#clean-up",
    "/metrics": "#by-kind",
    "/workers": "#workers",
    "/schedules": "#schedule-form",
    "/kinds": "#kinds",
    "/alerts": "#rule-form",
    "/system": "#redis dd",
    "/events": "#events",
    "/audit": "#audit",
}


@pytest.mark.parametrize("tabs", [list(ADMIN_TABS)[:5], list(ADMIN_TABS)[5:]], ids=["first half", "second half"])
async def test_the_admin_pages(product, jobs, open_page, tabs):
    page = await open_page("/admin")
    found = {}

    for tab in tabs:
        await page.goto(f"{product.url}/admin{tab}")
        await page.locator("#live-mark", has_text="Live").wait_for()
        await expect(page.locator(ADMIN_TABS[tab]).first).to_be_visible()
        found[tab] = await violations(page)

    assert {name: each for name, each in found.items() if each} == {}


async def test_failures_by_cause(jobs, open_page):
    page = await open_page("/?status=failed")
    await expect(page.locator("#failures li")).to_have_count(1)

    assert await violations(page) == {}


async def test_the_pages_of_jobs_in_every_state(product, jobs, open_page):
    await product.api.patch("/api/queue", json={"paused": True})
    jobs["queued"], jobs["cancelled"] = await product.submit("noop"), await product.submit("noop")
    await product.api.post(f"/api/jobs/{jobs['cancelled']}/cancel")
    page = await open_page("/")
    found = {}

    for name, job_id in jobs.items():
        await page.goto(f"{product.url}/jobs/{job_id}")
        await page.locator("#live-mark", has_text="Live").wait_for()
        status = "completed" if name == "flaky" else name
        await expect(page.locator("#job")).to_have_attribute("data-status", status)
        found[name] = await violations(page)

    assert {name: each for name, each in found.items() if each} == {}


async def test_the_dashboard_while_nothing_can_start(product, open_page):
    page = await open_page("/")
    await product.api.patch("/api/queue", json={"paused": True})
    await expect(page.get_by_text("The queue is paused")).to_be_visible()
    found = {"paused": await violations(page)}
    await product.api.patch("/api/queue", json={"paused": False})
    async with product.without_workers():
        await product.submit("noop")
        await expect(page.get_by_text("No worker takes jobs")).to_be_visible()
        found["no worker"] = await violations(page)

    assert found == {"paused": {}, "no worker": {}}


async def test_the_page_that_compares(jobs, open_page):
    page = await open_page(f"/jobs/{jobs['completed']}/compare?with={jobs['failed']}")
    await expect(page.locator("#steps")).to_be_visible()

    assert await violations(page) == {}


async def test_what_cannot_be_shown(product, browser):
    page = await (await browser.new_context()).new_page()
    page.set_default_timeout(PATIENCE_S * 1000)
    found = {}

    for path in ("/?q=status%3Adone", "/?q=nothing-like-this", "/jobs/abc", "/nowhere"):
        await page.goto(product.url + path)
        await expect(page.locator("main, h1, h2").first).to_be_visible()
        await page.wait_for_load_state("networkidle")
        found[path] = await violations(page)

    assert {path: each for path, each in found.items() if each} == {}
    await page.context.close()


async def test_dialogs_and_menus_of_the_list(jobs, open_page):
    page = await open_page("/", reduced_motion="reduce")
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
    for name in ("Columns", "What can be searched for", "Views", "Recent messages"):
        await page.set_viewport_size(WIDE)
        await page.get_by_role("button", name=name).click()
        await expect(page.get_by_role("dialog")).to_be_visible()
        found[name] = await violations(page)
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).to_have_count(0)

    assert {name: each for name, each in found.items() if each} == {}


async def test_questions_and_a_form_with_a_mistake(jobs, open_page):
    page = await open_page("/", reduced_motion="reduce")
    found = {}
    row = page.locator(f"tr[data-job='{jobs['failed']}']")

    await page.get_by_label("Steps", exact=True).fill("1000")
    await expect(page.locator("[id='error-steps']")).to_be_visible()
    found["mistake"] = await violations(page)
    await page.set_viewport_size(WIDE)
    await row.get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("alertdialog")).to_be_visible()
    found["delete"] = await violations(page)
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("alertdialog")).to_have_count(0)
    await page.set_viewport_size(WIDE)
    await row.get_by_role("checkbox").click()
    await page.locator("#selection").get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("alertdialog")).to_be_visible()
    found["delete many"] = await violations(page)

    assert {name: each for name, each in found.items() if each} == {}


async def test_dialogs_of_a_job(jobs, open_page):
    page = await open_page(f"/jobs/{jobs['completed']}", reduced_motion="reduce")
    found = {}

    await page.get_by_role("button", name="Run again").click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    found["run again"] = await violations(page)
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await page.locator("#files").get_by_role("button").first.click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    found["picture"] = await violations(page)
    page = await open_page(f"/jobs/{jobs['scheduled']}", reduced_motion="reduce")
    await page.get_by_role("button", name="Edit").click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    found["edit"] = await violations(page)

    assert {name: each for name, each in found.items() if each} == {}
