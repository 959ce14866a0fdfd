"""What version 0.1.0, which was called Jobs, left behind: its settings, its database file, its keys in Redis.

Settings with the old prefix are refused, since a limit that is silently ignored is worse than a process that does not
start. The database file is renamed. Keys in Redis are only removed: everything in them is made from SQL again.
"""

import contextlib
import logging
import os
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dotenv import dotenv_values

from runlane.errors import StartRefused

OLD_PREFIX, PREFIX = "JOBS_", "RUNLANE_"
OLD_DATABASE, DATABASE = "jobs.db", "runlane.db"
log = logging.getLogger(__name__)

_KEYS = (
    *("limits", "kinds", "scheduled", "owners", "leases", "ending", "running", "parked", "workers", "wishes"),
    *("reconciler", "reconciler:thorough"),
)
_KEYS_OF_A_KIND = ("queue", "wake", "starts")


def refuse_old_settings(names: Iterable[str], env_file: Path | str | None) -> None:
    """Check that none of the settings ``names`` is still set under the old prefix.

    Raises:
        StartRefused: one is, in the environment or in ``env_file``; the message names the new variable.
    """
    in_file: Mapping[str, str | None] = dotenv_values(env_file) if env_file else {}
    for name in sorted(names):
        old = OLD_PREFIX + name.removeprefix(PREFIX)
        if not name.startswith(PREFIX) or not (os.environ.get(old) or in_file.get(old)):
            continue
        where = "the environment" if os.environ.get(old) else f"the file {env_file}"
        raise StartRefused(f"{old} is set in {where}, but this setting is called {name} now: rename it.")


def take_over_database(data_dir: Path) -> None:
    """Rename the database file of version 0.1.0 in this folder, unless there is one of this version.

    Raises:
        StartRefused: it cannot be renamed, or is in use by a program of that version.
    """
    old, new = data_dir / OLD_DATABASE, data_dir / DATABASE
    if not old.exists():
        return
    if new.exists():
        log.warning("%s of version 0.1.0 is ignored, since there is %s. Move it away, or restore it.", old, new.name)
        return
    try:
        with contextlib.closing(sqlite3.connect(old, timeout=1.0)) as database:
            # so that all of it is in one file, which is renamed at once or not at all
            [[busy, *_]] = database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        if busy:
            raise StartRefused(f"The database {old} is in use by an older version. Stop that, then start again.")
        old.rename(new)
    except (OSError, sqlite3.Error) as exc:
        raise StartRefused(f"The database {old} of an older version cannot be renamed to {new.name}: {exc}.") from exc


async def remove_old_keys(redis: Any) -> None:
    """Remove the keys of version 0.1.0 from this Redis; other programs' keys stay, whatever they begin with.

    Raises one of ``REDIS_TROUBLE``.
    """
    kinds = [kind.decode() for kind in await redis.smembers("jobs:kinds")]
    of_kinds = [f"jobs:{name}:{kind}" for kind in kinds for name in _KEYS_OF_A_KIND]
    await redis.unlink(*(f"jobs:{name}" for name in _KEYS), *of_kinds)
