"""Which servers this client talks to.

Versions are ``major.minor.patch``. One major version keeps the contract of the REST API: a server of another one is
refused. With another minor version one of the two lacks what is newer; that is said once and everything else works.
"""

import logging

from runlane.client.errors import Incompatible
from runlane.version import __version__

log = logging.getLogger("runlane.client")


def check(theirs: str | None, url: str, ours: str = __version__) -> None:
    """Say it, if the server is of another minor version; ``None``: it does not name one, so it is older than 0.3.

    Raises:
        Incompatible: it is of another major version.
    """
    if theirs is None:
        log.warning(
            "The server at %s does not name its version, so it is older than 0.3; this client is %s.", url, ours
        )
        return
    mine, other = _numbers(ours), _numbers(theirs)
    if mine[:2] == other[:2]:
        return
    age = "older" if other < mine else "newer"
    if mine[0] != other[0]:
        raise Incompatible(
            f"The server at {url} is Runlane {theirs}, and this client is {ours}: {age} by a major version. "
            f"Install runlane {theirs} here, or bring the server to {ours}."
        )
    log.warning(
        "The server at %s is Runlane %s, %s than this client, %s: what is new in one is missing in the other.",
        *(url, theirs, age, ours),
    )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdecimal() else 0 for part in (*version.split(".")[:3], "0", "0")[:3])
