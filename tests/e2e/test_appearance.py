"""What holds for every page: light and dark, a phone's width, the keyboard, names for what has no text."""

import re

import pytest
from playwright.async_api import expect


async def test_nothing_is_wider_than_a_phone(product, open_page):
    job_id = await product.submit("always_fails", params={"message": "x" * 500})
    await product.status_is(job_id, "failed")

    for path in ("/", f"/jobs/{job_id}"):
        page = await open_page(path, viewport={"width": 390, "height": 800})
        await expect(page.locator("#job, tr[data-job]")).to_be_visible()
        width = await page.evaluate("document.documentElement.scrollWidth")
        assert width <= 390, f"{path} is {width} px wide"


async def test_a_job_is_started_with_the_keyboard_alone(product, open_page):
    page = await open_page("/")
    await page.get_by_label("Step seconds").focus()

    await page.keyboard.press("Tab")  # "Advanced"
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")

    await expect(page.locator("#jobs tr[data-job]")).to_have_count(1)


async def test_a_long_message_is_cut_and_leaves_a_rows_actions_where_they_are(product, open_page):
    job_id = await product.submit("always_fails", params={"message": "It did not load in time. " * 15})
    await product.status_is(job_id, "failed")
    page = await open_page("/", viewport={"width": 1280, "height": 800})
    row = page.locator(f"tr[data-job='{job_id}']")
    await expect(row).to_contain_text("It did not load in time.")

    edge = await page.locator("#jobs").bounding_box()
    for name in ("Retry", "Delete"):
        button = await row.get_by_role("button", name=name).bounding_box()
        assert button["x"] + button["width"] <= edge["x"] + edge["width"], name
    assert await page.evaluate("(e => e.scrollWidth - e.clientWidth)(document.querySelector('#jobs'))") == 0


@pytest.mark.parametrize(("width", "most"), [(390, 150), (1280, 320)])
async def test_a_kinds_long_title_is_cut_and_leaves_room_for_the_other_columns(product, open_page, width, most):
    await product.status_is(await product.submit("noop"), "completed")
    page = await open_page("/", viewport={"width": width, "height": 800})
    await expect(page.locator("#jobs tr[data-job]")).to_be_visible()

    # what a kind of the user's would be called: the bundled ones have short titles
    await page.locator("#jobs .job-title").evaluate("e => { e.textContent = 'Reads_a_shop'.repeat(20) }")

    assert (await page.locator("#jobs th .job-name").bounding_box())["width"] <= most


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_message_in_passing_has_the_pages_colours_and_letters(open_page, scheme):
    page = await open_page("/", color_scheme=scheme)
    await page.get_by_role("button", name="Start", exact=True).click()
    toast = page.locator("[data-sonner-toast]").first
    await expect(toast).to_be_visible()

    style = await toast.evaluate("e => [getComputedStyle(e).backgroundColor, getComputedStyle(e).fontFamily]")
    light = sum(int(part) for part in re.findall(r"\d+", style[0])[:3]) > 380
    assert (light, style[1].split(",")[0]) == (scheme == "light", "Inter")
    assert not style[0].startswith("rgba"), "nothing shines through"


@pytest.mark.parametrize("width", [768, 800, 900, 1280])
async def test_the_help_of_the_search_is_within_the_screen(open_page, width):
    page = await open_page("/", viewport={"width": width, "height": 700})
    await page.get_by_role("button", name="What can be searched for").click()
    await expect(page.get_by_role("dialog")).to_contain_text("All terms must match.")

    box = await page.get_by_role("dialog").bounding_box()
    assert box["x"] >= 0 and box["y"] >= 0
    assert box["x"] + box["width"] <= width
    assert box["y"] + box["height"] <= 700
