"""Wait for a condition, never for a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_S = 90.0
"""How long anything is waited for that must happen. A limit against hanging, not a figure: machines are shared, and
what is late there is not wrong. How fast things are is measured in ``bench/``."""


async def until(
    look: Callable[[], Awaitable[T]],
    is_right: Callable[[T], object] = bool,
    *,
    within_s: float = PATIENCE_S,
    every_s: float = 0.01,
) -> T:
    """What ``look`` gives, once it is right; fails with what it saw last."""
    ends_at = time.monotonic() + within_s
    while True:
        seen = await look()
        if is_right(seen):
            return seen
        assert time.monotonic() < ends_at, f"still {seen!r} after {within_s} s"
        await asyncio.sleep(every_s)
