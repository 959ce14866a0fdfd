"""What a newcomer does in the first minute: open the page, press one button, watch a job, come back to it."""

import asyncio

import pytest
from playwright.async_api import expect

from tests.support.pages import glimpse

WIDE = pytest.param({}, id="wide", marks=pytest.mark.databases)
NARROW = pytest.param({"color_scheme": "dark", "viewport": {"width": 390, "height": 800}}, id="dark and narrow")


@pytest.mark.parametrize("variant", [WIDE, NARROW])
async def test_one_button_starts_a_job_whose_steps_appear_until_it_is_completed(product, open_page, variant):
    page = await open_page("/", **variant)

    steps = ("Web agent", "Navigating to page", "Waiting for page to load")
    shown = asyncio.gather(
        glimpse(page, "#jobs tr[data-status=running]", "Web agent"),
        *(glimpse(page, "#slots [data-job]:not([data-job=''])", step) for step in steps),
    )

    await page.get_by_label("Steps", exact=True).fill("3")
    await page.get_by_role("button", name="Start", exact=True).click()

    await shown
    row = page.locator("#jobs tr[data-job]")
    await expect(row).to_have_attribute("data-status", "completed")
    await expect(page.locator("#slots [data-job='']")).to_have_count(5)
    await expect(page.locator("[data-status=completed]").first).to_contain_text("1")
    await row.get_by_role("link").first.click()
    await expect(page.locator("#timeline li[data-type=progress]")).to_have_count(3)
    await page.get_by_role("button", name="Delete").click()
    await page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    await expect(page.get_by_role("heading", name="Start a job")).to_be_visible()
    await expect(row).to_have_count(0)


async def test_the_job_page_shows_each_step_as_it_happens(product, open_page):
    job = await product.steered()
    page = await open_page(f"/jobs/{job.id}")
    steps = page.locator("#timeline li[data-type=progress]")

    for number, step in enumerate(("Opening the page", "Reading it", "Scrolling"), 1):
        job.step(step)
        await expect(page.locator("#step")).to_contain_text(step)
        await expect(steps).to_have_count(number)

    job.end()
    await expect(page.locator("#job")).to_have_attribute("data-status", "completed")
    await expect(page.locator("#result .tree-row", has_text="lines")).to_contain_text("4")
    await expect(page.locator("#params")).to_contain_text("path")
    await expect(steps).to_have_count(3)


async def test_a_reload_keeps_everything(product, open_page):
    job_id = await product.submit("web_agent", params={"steps": 2, "step_seconds": 0.1})
    await product.status_is(job_id, "completed")
    page = await open_page("/")
    await expect(page.locator(f"tr[data-job='{job_id}']")).to_have_attribute("data-status", "completed")

    await page.reload()

    await expect(page.locator(f"tr[data-job='{job_id}']")).to_have_attribute("data-status", "completed")
    await page.goto(f"{product.url}/jobs/{job_id}")
    await expect(page.locator("#timeline li")).to_have_count(5)


async def test_a_second_tab_sees_all_of_it_without_a_reload(product, open_page):
    watching = await open_page("/")
    acting = await open_page("/")
    shown = asyncio.gather(
        glimpse(watching, "#jobs tr[data-status=running]", "Web agent"),
        glimpse(watching, "#slots", "Waiting for page to load"),
    )

    await acting.get_by_label("Steps", exact=True).fill("3")
    await acting.get_by_role("button", name="Start", exact=True).click()

    await shown
    row = watching.locator("#jobs tr[data-job]")
    await expect(row).to_have_attribute("data-status", "completed")


async def test_a_wrong_field_is_named_beside_it_and_nothing_is_started(product, open_page):
    page = await open_page("/")

    await page.get_by_label("Steps", exact=True).fill("1000")
    await page.get_by_role("button", name="Start", exact=True).click()

    await expect(page.locator("#error-steps")).to_contain_text("must be at most 100")
    assert (await product.api.get("/api/jobs")).json()["items"] == []


async def test_an_address_of_no_job_says_so_and_leads_back(product, open_page):
    page = await open_page("/jobs/00000000-0000-4000-8000-000000000000")

    await expect(page.get_by_text("There is no job 00000000")).to_be_visible()
    await page.get_by_role("link", name="Back to the list").click()

    await expect(page.locator("#start-form")).to_be_visible()


async def test_a_link_with_a_filter_shows_the_same_list_again(product, open_page):
    failed = await product.submit("always_fails")
    done = await product.submit("noop")
    await product.status_is(failed, "failed")
    await product.status_is(done, "completed")
    page = await open_page("/")

    await page.locator("button[data-status=failed]").click()

    await expect(page.locator("#jobs tr[data-job]")).to_have_count(1)
    assert page.url.endswith("?status=failed")
    again = await open_page("/?status=failed")
    await expect(again.locator(f"tr[data-job='{failed}']")).to_be_visible()
    await expect(again.locator(f"tr[data-job='{done}']")).to_have_count(0)
