"""Folders and files that only the user who runs the product may read: they hold every result, parameter and secret."""

import logging
import os
from pathlib import Path

# A data folder has at least one of these.
OURS = frozenset({"runlane.db", "jobs.db", "lock", "redis"})

log = logging.getLogger(__name__)


def make_folder(path: Path) -> None:
    """Make the folder, or take other users' rights from one of ours. A folder with other things stays as it is.

    Raises:
        OSError: the folder cannot be made.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    holds = {each.name for each in path.iterdir()}
    if not holds or holds & OURS:
        _close(path, 0o700)
    elif path.stat().st_mode & 0o077:
        log.warning("The folder %s holds other things, so it stays open to everyone who can read it now.", path)


def make_file(path: Path) -> None:
    """Make an empty file, or take other users' rights from one that exists; its content stays.

    Raises:
        OSError: the file cannot be made.
    """
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
    _close(path, 0o600)


def _close(path: Path, mode: int) -> None:
    found = path.stat()
    if found.st_uid == os.geteuid() and found.st_mode & 0o077:
        path.chmod(mode)
