"""A copy of the product with more kinds in it, which tests and benches steer; nothing of the checkout is touched."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from runlane.launcher.ui_build import MARK, fingerprint
from testbed import ROOT

BUILT = Path(".web/build/client")


def copy_product(folder: Path, parts: Iterable[str], overlay: Path) -> None:
    """Copy files and packages of the checkout into ``folder``, and what is in ``overlay`` over them."""
    for part in parts:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / part)
    shutil.copytree(overlay, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))


def copy_pages(folder: Path) -> None:
    """Copy the pages that were built in the checkout.

    They know none of the kinds in the overlay, so such a job is submitted over REST; all else serves it as well.
    """
    shutil.copytree(ROOT / BUILT, folder / BUILT)
    (folder / ".web" / MARK).write_text(fingerprint(folder))
