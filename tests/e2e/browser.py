"""Which browser the tests drive, one of the machine, else Playwright's own; and how to see what does not last."""

import os
import shutil

import pytest
from playwright.async_api import Page

BROWSER_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_browser() -> str | None:
    """The browser's path; ``None`` lets Playwright use its own."""
    named = os.environ.get("CHROMIUM")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


async def glimpse(page: Page, selector: str, text: str) -> None:
    """Return once an element has shown ``text``, for however short a time: looks at every frame."""
    await page.wait_for_function(
        "([selector, text]) => [...document.querySelectorAll(selector)].some(e => e.innerText.includes(text))",
        arg=[selector, text],
    )


LOOKS = [
    pytest.param({"color_scheme": "light"}, id="light"),
    pytest.param({"color_scheme": "dark"}, id="dark"),
    pytest.param({"viewport": {"width": 390, "height": 800}}, id="phone"),
]
"""What a person may look at a page with; see Playwright's options of a new context."""
