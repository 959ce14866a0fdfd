"""Selecting rows, acting on all of them, undoing a deletion, and a list that stays still under the pointer."""

import csv
from pathlib import Path

import pytest
from playwright.async_api import expect

from testbed.waiting import until
from tests.support.pages import row_of


def box(page, job_id):
    return row_of(page, job_id).get_by_role("checkbox")


async def test_a_range_is_deleted_and_brought_back(product, open_page):
    ids = [await product.submit("noop") for _ in range(5)]
    page = await open_page("/")
    await expect(row_of(page, ids[4])).to_have_attribute("data-status", "completed")

    await box(page, ids[1]).click()
    await box(page, ids[3]).click(modifiers=["Shift"])
    await expect(page.locator("#selection")).to_contain_text("3 selected")
    await page.locator("#selection").get_by_role("button", name="Delete").click()
    await page.get_by_role("alertdialog").get_by_role("button", name="Delete 3 jobs").click()

    await expect(page.locator("#bulk-report")).to_contain_text("3 of 3 jobs deleted.")
    for job_id in ids[1:4]:
        await expect(row_of(page, job_id)).to_have_count(0)
    await page.get_by_role("button", name="Undo").click()
    for job_id in ids[1:4]:
        await expect(row_of(page, job_id)).to_be_visible()


async def test_many_are_deleted_on_the_server_and_brought_back_from_any_page(product, open_page):
    await product.api.patch("/api/queue", json={"paused": True})
    await product.api.post("/api/jobs/batch", json={"jobs": [{"kind": "noop"}] * 300})
    page, other = await open_page("/?status=queued"), await open_page("/admin")
    await page.get_by_role("checkbox", name="Select every row of this page").click()
    await page.get_by_role("button", name="Select all 300 that match").click()
    await page.locator("#selection").get_by_role("button", name="Delete").click()
    dialog = page.get_by_role("alertdialog")
    await expect(dialog).to_contain_text("For ten seconds after it is done you can undo it.")
    await dialog.get_by_role("button", name="Delete 300 jobs").click()

    await other.locator("#operations-now").get_by_role("button", name="Undo").click()

    await expect(page.locator("[data-status=queued]").first).to_contain_text("300")
    await expect(other.locator("#operations-now [data-operation]")).to_have_count(0)
    assert (await product.api.get("/api/queue")).json()["counts"]["queued"] == 300
    drained = await product.api.post("/api/operations", json={"action": "clean", "filter": {"status": ["queued"]}})
    await until(lambda: product.api.get(drained.headers["location"]), lambda reply: reply.json()["state"] == "done")
    await product.api.patch("/api/queue", json={"paused": False})


async def test_the_offer_to_undo_goes_when_its_time_is_over(product, open_page):
    """It takes ten seconds, for so long a deletion may be undone."""
    await product.api.patch("/api/queue", json={"paused": True})
    await product.submit("noop")
    page = await open_page("/")
    await product.api.post("/api/operations", json={"action": "delete", "filter": {}})
    undo = page.locator("#operations-now").get_by_role("button", name="Undo")
    await expect(undo).to_be_visible()

    await expect(undo).to_have_count(0)

    await product.api.patch("/api/queue", json={"paused": False})


async def test_the_box_above_the_rows_is_about_the_rows_that_are_shown(product, open_page):
    await product.api.patch("/api/queue", json={"paused": True})
    await product.api.post("/api/jobs/batch", json={"jobs": [{"kind": "noop"}] * 30})
    page = await open_page("/")
    above = page.get_by_role("checkbox", name="Select every row of this page")
    rows = page.locator("tr[data-job]")
    await above.click()
    await expect(page.locator("#selection")).to_contain_text("25 selected")
    await expect(above).to_have_attribute("aria-checked", "true")

    await page.get_by_role("button", name="Older").click()
    await expect(rows).to_have_count(5)
    await expect(above).to_have_attribute("aria-checked", "false")
    await rows.first.get_by_role("checkbox").click()
    await expect(above).to_have_attribute("aria-checked", "mixed")
    await above.click()
    await expect(above).to_have_attribute("aria-checked", "true")
    await expect(page.locator("#selection")).to_contain_text("30 selected")
    await page.get_by_role("button", name="Newer").click()
    await expect(rows).to_have_count(25)
    await expect(above).to_have_attribute("aria-checked", "true")
    await product.api.patch("/api/queue", json={"paused": False})


async def test_selected_jobs_are_exported_for_a_spreadsheet(product, open_page):
    ids = [await product.submit("noop") for _ in range(3)]
    page = await open_page("/")
    for job_id in ids[:2]:
        await box(page, job_id).click()

    await page.locator("#selection").get_by_role("button", name="Export").click()
    async with page.expect_download() as downloading:
        await page.get_by_role("menuitem", name="CSV").click()

    lines = Path(await (await downloading.value).path()).read_text().splitlines()
    assert {line["id"] for line in csv.DictReader(lines)} == set(ids[:2])


async def test_one_deleted_job_is_brought_back_from_the_toast(product, open_page):
    job_id = await product.submit("noop")
    await product.status_is(job_id, "completed")
    page = await open_page("/")

    await row_of(page, job_id).get_by_role("button", name="Delete").click()
    await page.get_by_role("alertdialog").get_by_role("button", name="Delete").click()
    await expect(row_of(page, job_id)).to_have_count(0)
    await page.get_by_role("button", name="Undo").click()

    await expect(row_of(page, job_id)).to_be_visible()


@pytest.mark.databases
async def test_all_that_match_are_retried_and_the_rest_is_left_alone_with_its_reason(product, open_page):
    page = await open_page("/?size=25")
    failed = [await product.submit("always_fails") for _ in range(30)]
    fine = await product.submit("noop")
    for job_id in (*failed, fine):
        await product.status_is(job_id, "failed", "completed")
    await page.reload()

    await page.get_by_role("checkbox", name="Select every row of this page").click()
    await page.get_by_role("button", name="Select all 31 that match").click()
    await expect(page.locator("#selection")).to_contain_text("All 31 that match")
    await page.locator("#selection").get_by_role("button", name="Retry").click()
    dialog = page.get_by_role("alertdialog")
    await expect(dialog).to_contain_text("1 completed")
    await dialog.get_by_role("button", name="Retry 30 jobs").click()

    await expect(page.locator("#bulk-report")).to_contain_text("30 of 31 jobs retried. 1 left alone.")
    await page.get_by_text("Why some were left alone").click()
    await expect(page.locator("#bulk-report")).to_contain_text("only failed or cancelled jobs can be retried")


async def test_new_jobs_announce_themselves_while_the_pointer_is_on_the_list(product, open_page):
    first = await product.submit("noop")
    page = await open_page("/")
    await row_of(page, first).hover()
    await expect(page.locator("#jobs")).to_have_attribute("data-held", "true")
    top = await row_of(page, first).bounding_box()

    second = await product.submit("noop")

    await expect(page.locator("#newer")).to_have_text("1 new, show")
    await expect(row_of(page, second)).to_have_count(0)
    await page.locator("#newer").click()
    await expect(row_of(page, second)).to_be_visible()
    assert top is not None


async def test_the_order_the_columns_and_the_size_live_in_the_address(product, open_page):
    low, high = await product.submit("noop", priority=-5), await product.submit("noop", priority=5)
    await product.submit("noop")
    page = await open_page("/?columns=priority&size=50")

    await page.get_by_role("button", name="Priority").click()

    rows = page.locator("tr[data-job]")
    await expect(rows.first).to_have_attribute("data-job", high)
    await page.get_by_role("button", name="Priority").click()
    await expect(rows.first).to_have_attribute("data-job", low)
    await page.get_by_role("button", name="Columns").click()
    await page.get_by_role("checkbox", name="Worker").click()
    await expect(page.get_by_role("columnheader", name="Worker")).to_be_visible()
    assert "sort=priority" in page.url
    assert "size=50" in page.url
    again = await open_page(page.url.removeprefix(product.url))
    await expect(again.locator("tr[data-job]").first).to_have_attribute("data-job", low)
    await expect(again.get_by_role("columnheader", name="Worker")).to_be_visible()


async def test_a_view_is_saved_under_a_name_and_shown_again(product, open_page):
    await product.submit("noop")
    page = await open_page("/?status=completed&sort=created_at")

    await page.get_by_role("button", name="Views").click()
    await page.get_by_label("Name of this view").fill("Oldest first")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("button", name="Oldest first", exact=True)).to_be_visible()
    await page.goto(product.url)
    await page.get_by_role("button", name="Views").click()
    await page.get_by_role("button", name="Oldest first", exact=True).click()

    await expect(page).to_have_url(f"{product.url}/?status=completed&sort=created_at")


async def test_the_search_box_completes_what_is_typed(open_page):
    page = await open_page("/")

    await page.get_by_label("Find jobs").press_sequentially("kind:web")

    await expect(page.locator("#search-suggestions option")).to_have_attribute("value", "kind:web_agent")


async def test_the_wrong_character_of_a_query_is_marked(open_page):
    page = await open_page("/?q=noop+status%3Adone")

    await expect(page.locator("#wrong-query mark")).to_have_text("d")


@pytest.mark.databases
async def test_failures_are_grouped_by_cause_and_a_group_is_retried(product, open_page):
    for number in range(3):
        await product.submit("always_fails", params={"message": f"No answer after {number} s."}, max_attempts=1)
    other = await product.submit("always_fails", params={"message": "The disk is on fire."}, max_attempts=1)
    await product.status_is(other, "failed")
    page = await open_page("/?status=failed")
    groups = page.locator("#failures li")
    await expect(groups).to_have_count(2)
    await expect(groups.first).to_contain_text("No answer after <n> s.")

    await groups.first.get_by_role("button", name="Retry all").click()
    await page.get_by_role("alertdialog").get_by_role("button", name="Retry 3 jobs").click()

    await expect(page.locator("#bulk-report")).to_contain_text("3 of 3 jobs retried.")
    await groups.filter(has_text="The disk is on fire.").get_by_role("link", name="Show").click()
    await expect(page.locator("tr[data-job]")).to_have_count(1)
    await expect(row_of(page, other)).to_be_visible()


async def test_nothing_moves_under_the_pointer_when_a_row_is_selected_or_cancelled(product, open_page):
    await product.api.patch("/api/queue", json={"paused": True})
    job_id = await product.submit("noop")
    page = await open_page("/")
    before = await row_of(page, job_id).bounding_box()

    await box(page, job_id).click()
    await expect(page.locator("#selection")).to_contain_text("1 selected")
    assert await row_of(page, job_id).bounding_box() == before

    cancel = await row_of(page, job_id).get_by_role("button", name="Cancel").bounding_box()
    place = cancel["x"] + cancel["width"] / 2, cancel["y"] + cancel["height"] / 2
    await page.mouse.click(*place)
    await expect(row_of(page, job_id)).to_have_attribute("data-status", "cancelled")
    under = await page.evaluate("([x, y]) => document.elementFromPoint(x, y).closest('button')?.title ?? ''", place)
    assert under == ""
    await product.api.patch("/api/queue", json={"paused": False})


async def test_the_counts_follow_a_deletion(product, open_page):
    ids = [await product.submit("noop") for _ in range(3)]
    for job_id in ids:
        await product.status_is(job_id, "completed")
    page = await open_page("/")
    completed = page.locator("button[data-status=completed]")
    await expect(completed).to_have_text("Completed3")

    await product.api.delete(f"/api/jobs/{ids[0]}")

    await expect(completed).to_have_text("Completed2")
    await expect(page.locator("button[data-status=all]")).to_have_text("All2")
