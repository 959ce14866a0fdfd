"""Where this copy of the product is, and which of its parts are installed.

A wheel has the bundled jobs in ``runlane.bundled`` and the built pages in ``jobs_app/web``; a checkout has the jobs in
``worker.tasks`` and builds its pages into ``.web``. The base install is the client and ``@job``; what else a command
needs comes with the extras ``server`` and ``embedded``. Imports nothing that is not in the base.
"""

import re
from importlib import metadata
from pathlib import Path

from runlane.errors import StartRefused

# The folder with the packages ``runlane`` and ``jobs_app``: a checkout, or one for packages.
HOME = Path(__file__).parents[1]

_NAME = re.compile(r"[\w.-]+")
_OF_SERVER = re.compile(r"""\bextra\s*==\s*["']server["']""")


def is_checkout() -> bool:
    """Whether this copy is one of the sources, in which pages are built; no wheel is."""
    return not (Path(__file__).parent / "bundled").is_dir()


def bundled_jobs() -> str:
    """The package of the jobs that come with the product."""
    return "worker.tasks" if is_checkout() else "runlane.bundled"


def check_server_parts(command: str) -> None:
    """Check that what the extra ``server`` adds is there; ``command`` needs it.

    Raises:
        StartRefused: a package of it is not installed.
    """
    if any(not _is_installed(name) for name in _names_of_server()):
        raise without(command, "server")


def without(command: str, extra: str) -> StartRefused:
    """The refusal of ``command``, which needs an extra that is not installed."""
    extras = "server,embedded" if command == "run" else extra
    return StartRefused(f"`runlane {command}` needs runlane[{extra}]: pip install 'runlane[{extras}]'")


def _names_of_server() -> list[str]:
    try:
        required = metadata.requires("runlane") or []
    except metadata.PackageNotFoundError:  # a copy of a checkout
        return []
    return [name[0] for each in required if _OF_SERVER.search(each) and (name := _NAME.match(each))]


def _is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True
