"""Which browser is driven: one of the machine, else Playwright's own."""

import os
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

from testbed.errors import CannotRun

BROWSER_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
# The first one comes first: it starts no processes for a window around each page.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_browser() -> str | None:
    """The browser's path; ``None`` lets Playwright use its own."""
    named = os.environ.get("CHROMIUM")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


def check_browser() -> None:
    """Nothing, if there is a browser to drive.

    Raises:
        CannotRun: there is none.
    """
    if find_browser() is None and not _own_browser().exists():
        raise CannotRun(
            "There is no Chromium here to drive: install one (Debian: apt-get install chromium), name one in CHROMIUM, "
            "or leave those tests out: make test K='not e2e'."
        )


def _own_browser() -> Path:
    with sync_playwright() as playwright:
        return Path(playwright.chromium.executable_path)
