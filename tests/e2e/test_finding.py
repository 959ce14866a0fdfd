"""Finding jobs by the language of the search box, and taking what was found away as a file."""

import json
import re
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.support.pages import row_of


@pytest.mark.databases
async def test_a_query_narrows_the_list_and_lives_in_the_address(product, open_page):
    slow = await product.submit("slow", params={"seconds": 0})
    other = await product.submit("noop")
    page = await open_page("/")
    await expect(row_of(page, other)).to_be_visible()

    await page.get_by_label("Find jobs").fill("kind:slow -status:failed params.seconds:0")
    await page.keyboard.press("Enter")

    await expect(row_of(page, other)).to_have_count(0)
    await expect(row_of(page, slow)).to_be_visible()
    again = await open_page(page.url.removeprefix(product.url))
    await expect(row_of(again, slow)).to_be_visible()
    await expect(row_of(again, other)).to_have_count(0)


async def test_back_undoes_a_tab_a_search_and_a_page_and_a_reload_keeps_them(product, open_page):
    await product.api.patch("/api/queue", json={"paused": True})
    await product.api.post("/api/jobs/batch", json={"jobs": [{"kind": "noop"}] * 30})
    page = await open_page("/")
    rows, pages = page.locator("tr[data-job]"), page.get_by_text("Page 2")
    await expect(rows).to_have_count(25)

    await page.locator("[data-status=queued]").first.click()
    await expect(page).to_have_url(f"{product.url}/?status=queued")
    await page.get_by_label("Find jobs").fill("kind:noop")
    await page.keyboard.press("Enter")
    await expect(page).to_have_url(f"{product.url}/?status=queued&q=kind%3Anoop")
    await page.get_by_role("button", name="Older").click()
    await expect(pages).to_be_visible()
    await expect(rows).to_have_count(5)
    last = await rows.last.get_attribute("data-job")

    await page.reload()
    await expect(pages).to_be_visible()
    await expect(rows).to_have_count(5)
    await row_of(page, last).get_by_role("link").first.click()
    back = page.get_by_role("link", name="All jobs")
    await expect(back).to_have_attribute("href", re.compile("status=queued"))
    await back.click()
    await expect(row_of(page, last)).to_be_visible()
    again = await open_page(page.url.removeprefix(product.url))
    await expect(row_of(again, last)).to_be_visible()

    await page.go_back()  # to the job
    await page.go_back()
    await expect(pages).to_be_visible()
    await page.go_back()
    await expect(page.get_by_text("Page 1")).to_be_visible()
    await expect(rows).to_have_count(25)
    await page.go_back()
    await expect(page.get_by_label("Find jobs")).to_have_value("")
    await page.go_back()
    await expect(page.locator("[data-status=all]")).to_have_attribute("aria-pressed", "true")
    await page.go_forward()
    await expect(page.locator("[data-status=queued]").first).to_have_attribute("aria-pressed", "true")
    await product.api.patch("/api/queue", json={"paused": False})


async def test_a_query_that_cannot_be_read_says_where_and_why(open_page):
    page = await open_page("/")

    await page.get_by_label("Find jobs").fill("status:done")
    await page.keyboard.press("Enter")

    await expect(page.get_by_text("is no status; there are scheduled")).to_be_visible()
    await expect(page.get_by_text("at character 8")).to_be_visible()


async def test_what_can_be_searched_for_is_explained_on_the_page(open_page):
    page = await open_page("/")

    await page.get_by_role("button", name="What can be searched for").click()

    await expect(page.get_by_text("words in the type or message of an error")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_text("words in the type or message of an error")).to_have_count(0)


async def test_what_was_found_is_exported(product, open_page):
    ids = {await product.submit("noop") for _ in range(3)}
    await product.submit("slow", params={"seconds": 0})
    page = await open_page("/?q=kind%3Anoop")

    await page.get_by_role("button", name="Export").click()
    async with page.expect_download() as downloading:
        await page.get_by_role("menuitem", name="NDJSON").click()

    download = await downloading.value
    assert download.suggested_filename.endswith(".ndjson")
    lines = Path(await download.path()).read_text().splitlines()
    assert {json.loads(line)["id"] for line in lines} == ids
