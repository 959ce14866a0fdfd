"""Build ``dist/runlane-*.whl`` with the built pages in it (``make wheel``), and check that nothing is missing.

What goes where is in pyproject.toml; a wheel of which a part is missing would be built without a word.
"""

import contextlib
import fcntl
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
MAX_BYTES = 8_000_000
# Where what lies in a folder of the checkout is in a wheel.
PLACES = {
    "runlane": "runlane",
    "jobs_app": "jobs_app",
    "worker/tasks": "runlane/bundled",
    ".web/build/client": "jobs_app/web/build/client",
    ".web/backend": "jobs_app/web/backend",
}


def build(folder: Path) -> Path:
    """Build the pages if they changed, and from them a wheel into ``folder``; its path.

    Raises:
        ValueError: the wheel is not as it should be.
    """
    subprocess.run([sys.executable, "-m", "runlane", "run", "--build"], cwd=ROOT, check=True)
    with _pages_stay(), tempfile.TemporaryDirectory(prefix="runlane-wheel-") as new:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
        subprocess.run([*pip, "--wheel-dir", new, str(ROOT)], check=True)
        [wheel] = Path(new).glob("*.whl")
        if faults := list(faults_of(wheel)):
            raise ValueError(f"{wheel.name} is not as it should be: {'; '.join(faults)}.")
        folder.mkdir(parents=True, exist_ok=True)
        return Path(shutil.move(wheel, folder / wheel.name))


@contextlib.contextmanager
def _pages_stay() -> Iterator[None]:
    """Nobody builds the pages while the block lasts: they would be missing for a moment."""
    with (ROOT / ".web" / ".build-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def faults_of(wheel: Path) -> Iterator[str]:
    """What is wrong with a wheel of this checkout, in words."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    if missing := sorted(needed() - names):
        there = sum(name.startswith("jobs_app/web/") for name in names)
        yield f"{len(missing)} files are missing, such as {missing[0]}; it has {there} of the pages"
    if others := {name.split("/")[0] for name in names} - {"runlane", "jobs_app", dist_info(wheel)}:
        yield f"it would install {', '.join(sorted(others))} beside runlane and jobs_app"
    if (size_bytes := wheel.stat().st_size) > MAX_BYTES:
        yield f"it has {size_bytes} bytes, more than {MAX_BYTES}"


def needed() -> set[str]:
    """The files of a wheel of this checkout."""
    return {
        f"{place}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, place in PLACES.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    } | {"jobs_app/web/build/client/index.html", "jobs_app/web/backend/stateful_pages.json"}


def dist_info(wheel: Path) -> str:
    return f"{'-'.join(wheel.name.split('-')[:2])}.dist-info"


def main() -> None:
    try:
        wheel = build(ROOT / "dist")
    except ValueError as exc:
        sys.exit(str(exc))
    except subprocess.CalledProcessError as exc:
        sys.exit(exc.returncode)  # it has said why
    print(f"{wheel.relative_to(ROOT)} ({wheel.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
