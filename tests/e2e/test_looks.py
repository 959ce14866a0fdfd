"""What holds for every page: light and dark, a phone's width, the keyboard, names for what has no text."""

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
