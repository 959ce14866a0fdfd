"""One job's page: its timeline, replay, cancel with proof, trees, files, neighbours, comparing and running again."""

import asyncio
import json
import re
from pathlib import Path

import pytest
from playwright.async_api import expect

from testbed.waiting import until
from tests.support.pages import glimpse


async def test_steps_are_bars_on_one_axis_each_from_where_the_one_before_ends(product, open_page):
    job = await product.steered()
    page = await open_page(f"/jobs/{job.id}")
    steps = page.locator("#timeline .line[data-type=progress]")

    async def bars():
        return [await steps.nth(number).locator(".bar").bounding_box() for number in (0, 1)]

    for number in range(3):
        job.step(f"Step {number}")
        await expect(steps).to_have_count(number + 1)
    job.end()

    await expect(page.locator("#job")).to_have_attribute("data-status", "completed")
    await until(bars, lambda boxes: all(boxes) and boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"] + 1)
    await expect(steps.nth(0).locator(".took")).to_contain_text(re.compile(r"\d m?s"))


@pytest.mark.databases
async def test_the_timeline_is_narrowed_searched_copied_and_downloaded(product, open_page):
    job_id = await product.submit("noisy", params={"lines": 500})
    await product.status_is(job_id, "completed")
    page = await open_page(f"/jobs/{job_id}", permissions=["clipboard-read", "clipboard-write"])

    await page.get_by_label("Find in the timeline").fill("Line 42 of")
    lines = page.locator("#timeline .line")
    await expect(lines).to_have_count(1)
    await page.get_by_role("button", name="Copy", exact=True).click()
    await expect(page.get_by_text("1 line copied.")).to_be_visible()
    assert "Line 42 of 500" in await page.evaluate("navigator.clipboard.readText()")
    await page.get_by_label("Find in the timeline").fill("")
    await page.get_by_label("Which lines").select_option("steps")
    await expect(page.locator("#timeline .line[data-type=log]")).to_have_count(0)
    async with page.expect_download() as downloading:
        await page.get_by_role("link", name="Log").click()
    text = Path(await (await downloading.value).path()).read_text()
    assert sum("of 500" in line for line in text.splitlines()) == 500


async def test_a_page_over_plain_http_copies_as_well_and_reports_when_it_cannot(product, open_page):
    job_id = await product.submit("report", params={"sections": ["Alpha", "Beta"]})
    page = await open_page(f"/jobs/{job_id}", permissions=["clipboard-read", "clipboard-write"])
    await page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined, configurable: true}); null")
    button = page.get_by_role("button", name="Copy the command")

    await button.click()

    await expect(page.get_by_text("Copied.")).to_be_visible()
    await expect(button).to_be_focused()
    copied = await page.evaluate("delete navigator.clipboard && navigator.clipboard.readText()")
    assert copied == f"curl -N {product.url}/api/jobs/{job_id}/stream"
    await page.evaluate(
        "document.execCommand = () => false; navigator.clipboard.writeText = () => Promise.reject(); null"
    )
    await page.get_by_role("button", name="Copy all of params").click()
    await expect(page.get_by_text("The browser did not let this page copy.")).to_be_visible()


async def test_what_is_copied_in_a_dialog_over_plain_http_is_all_of_it(product, open_page):
    job_id = await product.submit("noop")
    page = await open_page(f"/jobs/{job_id}", permissions=["clipboard-read", "clipboard-write"])
    await page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined, configurable: true}); null")
    await page.get_by_role("button", name="Run again").click()

    await page.get_by_role("dialog").get_by_role("button", name="Copy as curl").click()

    await expect(page.get_by_text("Copied.")).to_be_visible()
    copied = await page.evaluate("delete navigator.clipboard && navigator.clipboard.readText()")
    assert copied.startswith(f"curl -X POST {product.url}/api/jobs")


async def test_a_browser_without_notifications_says_what_they_need(product, open_page):
    job_id = await product.submit("noop", delay_s=600)
    page = await open_page(f"/jobs/{job_id}")
    await page.evaluate("delete window.Notification")
    button = page.get_by_role("button", name="Tell me when it ends")

    await button.click()

    await expect(page.get_by_text("it must be opened over HTTPS")).to_be_visible()
    await expect(button).to_have_attribute("aria-pressed", "false")


async def test_lines_that_come_while_a_job_runs_are_narrowed_like_those_before(product, open_page):
    job = await product.steered()
    job.step("Opening the shop")
    page = await open_page(f"/jobs/{job.id}")
    lines = page.locator("#timeline .line")

    await page.get_by_label("Which lines").select_option("problems")
    await expect(page.get_by_text("No line matches.")).to_be_visible()
    for step in ("Scrolling down", "Extracting data"):
        job.step(step)
        await expect(page.locator("#step")).to_contain_text(step)
    assert await lines.count() == 0
    await expect(page.get_by_text("No line matches.")).to_be_visible()
    await page.get_by_label("Which lines").select_option("steps")
    await page.get_by_label("Find in the timeline").fill("SCROLL")
    await expect(lines).to_have_count(1)
    for step in ("Checking the result", "Scrolling up"):
        job.step(step)
        await expect(page.locator("#step")).to_contain_text(step)

    await expect(lines.locator(".what")).to_have_text(["Scrolling down", "Scrolling up"])
    await expect(page.get_by_text("No line matches.")).to_have_count(0)


async def test_ten_thousand_lines_are_shown_on_demand(product, open_page):
    """They are drawn, two thousand more at a time."""
    job_id = await product.submit("noisy", params={"lines": 10_000})
    await product.status_is(job_id, "completed")
    page = await open_page(f"/jobs/{job_id}")
    lines = page.locator("#timeline .line")
    await expect(lines).to_have_count(300)

    for _ in range(5):
        shown = await lines.count()
        await page.get_by_role("button", name="Show earlier lines").click()
        await page.wait_for_function("n => document.querySelectorAll('#timeline .line').length > n", arg=shown)

    assert await lines.count() == 10_000


async def test_an_ended_job_is_replayed(product, open_page):
    job_id = await product.submit("web_agent", params={"steps": 4, "step_seconds": 0.3})
    await product.status_is(job_id, "completed")
    page = await open_page(f"/jobs/{job_id}")

    passing = asyncio.create_task(glimpse(page, "#replayed", "Waiting for page to load"))
    await page.get_by_role("button", name="Replay", exact=True).click()

    await passing
    await expect(page.locator("#replayed")).to_contain_text("Completed")
    await page.get_by_role("slider").press("Home")
    await expect(page.locator("#timeline .line[data-faint=true]").first).to_be_visible()
    await page.get_by_role("button", name="End replay").click()
    await expect(page.locator("#timeline .line[data-faint=true]")).to_have_count(0)


async def test_a_cancel_is_proved_stage_by_stage(product, open_page):
    job_id = await product.submit("stubborn", params={"seconds": 600})
    page = await open_page(f"/jobs/{job_id}")
    await expect(page.locator("#job")).to_have_attribute("data-status", "running")

    product.process("worker").suspend()  # it cannot receive the request yet
    try:
        await page.get_by_role("button", name="Cancel").click()
        await expect(page.locator("#proof")).to_contain_text("Has not stopped for")
        await expect(page.locator("#proof .lucide-circle-check")).to_have_count(1)
    finally:
        product.process("worker").resume()

    await expect(page.locator("#job")).to_have_attribute("data-status", "cancelled")
    for stage in ("Requested", "Seen by the worker", "Cleaned up", "Cancelled"):
        await expect(page.locator("#proof li", has_text=stage).locator(".lucide-circle-check")).to_be_visible()


async def test_attempts_are_lanes_and_one_is_chosen(product, open_page):
    job_id = await product.submit("flaky", params={"failures": 2})
    await product.status_is(job_id, "completed")
    page = await open_page(f"/jobs/{job_id}")
    await expect(page.locator("#attempts .lane")).to_have_count(3)

    await page.locator("#attempts .lane", has_text="Attempt 2").click()

    await expect(page.locator("#timeline")).to_contain_text("Failure 2 of 2")
    await expect(page.locator("#timeline")).not_to_contain_text("Failure 1 of 2")


async def test_parameters_are_a_tree_that_is_searched_folded_and_copied_whole(product, open_page):
    params = {"title": "A " + "long " * 30 + "title", "sections": ["Alpha", "Beta"], "source": {"api_key": "hunter2"}}
    job_id = await product.submit("report", params=params)
    page = await open_page(f"/jobs/{job_id}", permissions=["clipboard-read", "clipboard-write"])
    tree = page.locator("#params")
    await expect(tree).to_contain_text("Alpha")
    await expect(tree).not_to_contain_text("hunter2")

    await page.get_by_label("Find in params").fill("bet")
    await expect(tree).not_to_contain_text("Alpha")
    await expect(tree).to_contain_text("Beta")
    await page.get_by_label("Find in params").fill("")
    await expect(tree).to_contain_text("Alpha")
    await tree.get_by_role("button", name="6 keys").click()
    await expect(tree).not_to_contain_text("Alpha")
    await page.get_by_role("button", name="Copy all of params").click()
    await expect(page.get_by_text("Copied.")).to_be_visible()
    copied = json.loads(await page.evaluate("navigator.clipboard.readText()"))
    assert copied["sections"] == ["Alpha", "Beta"]


async def test_files_are_shown_in_place(product, open_page):
    agent = await product.submit("web_agent", params={"steps": 7, "step_seconds": 0})
    report = await product.submit("report", params={"sections": ["Alpha"]})
    for job_id in (agent, report):
        await product.status_is(job_id, "completed")

    page = await open_page(f"/jobs/{agent}")
    await page.locator("#files").get_by_role("button", name="screenshot-7.svg").click()
    picture = page.get_by_role("dialog").get_by_role("img")
    await expect(picture).to_be_visible()
    assert await picture.evaluate("image => image.naturalWidth") > 0
    page = await open_page(f"/jobs/{report}")
    await page.locator("#files summary").click()
    await expect(page.locator("#files pre")).to_contain_text("1. Alpha: 42")


@pytest.mark.databases
async def test_a_job_is_run_again_with_edited_parameters_and_compared_with_the_first(product, open_page):
    first = await product.submit("web_agent", params={"steps": 2, "step_seconds": 0})
    await product.status_is(first, "completed")
    page = await open_page(f"/jobs/{first}")

    await page.get_by_role("button", name="Run again").click()
    await page.get_by_role("dialog").get_by_label("Steps", exact=True).fill("3")
    await page.get_by_role("dialog").get_by_role("button", name="Start").click()

    await expect(page.locator("#family")).to_contain_text(first[-8:])
    await expect(page.locator("#job")).to_have_attribute("data-status", "completed")
    await page.locator("#family").get_by_role("link", name="compare").click()
    await expect(page.locator("#params .differs")).to_have_count(1)
    await expect(page.locator("#params .differs")).to_contain_text("steps")
    await expect(page.locator("#steps .differs")).to_have_count(1)
    bars = page.locator("#steps .bar")
    assert await bars.count() == 2 * await page.locator("#steps li").count() - 1, "a step that is not there has no bar"


async def test_neighbours_are_those_of_the_list_it_was_opened_from(product, open_page):
    ids = [await product.submit(kind) for kind in ("noop", "always_fails", "noop")]
    for job_id in ids:
        await product.status_is(job_id, "completed", "failed")
    page = await open_page("/?status=completed")

    await page.locator(f"tr[data-job='{ids[2]}'] a").click()
    await page.get_by_role("link", name="Next").click()

    await expect(page).to_have_url(f"{product.url}/jobs/{ids[0]}?status=completed")
    await expect(page.get_by_role("link", name="Next")).to_have_count(0)
    await page.get_by_role("link", name="All jobs").click()
    await expect(page).to_have_url(f"{product.url}/?status=completed")


async def test_the_tab_shows_the_status_in_its_title_and_icon_and_notifies_of_the_end(product, open_page):
    job = await product.steered()
    page = await open_page(f"/jobs/{job.id}", permissions=["notifications"])
    await page.evaluate(
        "window.notified = []; window.Notification = class { constructor(t) { window.notified.push(t) } "
        "static requestPermission() { return Promise.resolve('granted') } }; null"
    )
    await expect(page).to_have_title(f"running · Steered {job.id[-8:]}")

    button = page.get_by_role("button", name="Tell me when it ends")
    await button.click()
    await expect(button).to_have_attribute("aria-pressed", "true")
    job.end()

    await expect(page).to_have_title(f"completed · Steered {job.id[-8:]}")
    icon = page.locator("link[rel~=icon]").first
    await expect(icon).to_have_attribute("href", "/favicon-completed.svg")
    await page.wait_for_function("window.notified.length > 0")  # which the browser does after it has drawn the title
    assert await page.evaluate("window.notified") == [f"Steered {job.id[-8:]}: completed"]


async def test_the_step_that_runs_has_a_bar_that_grows(product, open_page):
    job = await product.steered()
    page = await open_page(f"/jobs/{job.id}")
    bar = page.locator("#timeline .bar.open")
    await expect(bar).to_be_visible()

    async def width():
        box, track = await bar.bounding_box(), await bar.locator("..").bounding_box()
        assert box["x"] + box["width"] <= track["x"] + track["width"] + 1
        return box["width"]

    await until(width, lambda px: px > 100)
    job.end()
    await expect(bar).to_have_count(0)
