"""What tests find on a page."""

from playwright.async_api import Locator, Page


def row_of(page: Page, job_id: str) -> Locator:
    """A job's row in the list."""
    return page.locator(f"tr[data-job='{job_id}']")


async def glimpse(page: Page, selector: str, text: str) -> None:
    """Return once an element has shown ``text``, for however short a time: checks every frame."""
    await page.wait_for_function(
        "([selector, text]) => [...document.querySelectorAll(selector)].some(e => e.innerText.includes(text))",
        arg=[selector, text],
    )
