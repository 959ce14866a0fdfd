"""What a job may report: checked alike wherever it runs, in a worker, a process of its own or a test."""

import math
import re

from runlane.define.context import LEVELS

MAX_ARTIFACT_BYTES = 20_000_000
MEDIA_TYPE = re.compile(r"[\w.+-]+/[\w.+-]+(; ?[ -~]+)?", re.ASCII)


def percent(done: float, total: float) -> float:
    """``done`` of ``total`` from 0 to 100, to two digits. Raises ``ValueError`` if that is no part of a whole."""
    if not 0 <= done <= total < math.inf or total == 0:
        raise ValueError(f"{done} of {total}: done must be from 0 to total, and total a number above 0")
    return round(100 * done / total, 2)


def step_percent(done: float | None, total: float | None) -> float | None:
    """The same for a step: more than all counts as all, and of nothing no part is shown."""
    return None if done is None or not total else percent(min(done, total), total)


def check_level(level: str) -> None:
    """Raises ``ValueError`` if there is no such level."""
    if level not in LEVELS:
        raise ValueError(f"the level {level!r} must be one of {', '.join(LEVELS)}")


def check_artifact(name: str, content: bytes, media_type: str) -> None:
    """Raises ``TypeError`` or ``ValueError`` if this is no artifact."""
    if not isinstance(content, bytes | bytearray):
        raise TypeError(f"the content of the artifact {name!r} must be bytes, not {type(content).__name__}")
    if not MEDIA_TYPE.fullmatch(media_type):
        raise ValueError(f"{media_type!r} is no media type; an example of one is text/plain")
    if len(content) > MAX_ARTIFACT_BYTES:
        raise ValueError(f"the artifact {name!r} has {len(content)} bytes, more than {MAX_ARTIFACT_BYTES} allowed")
