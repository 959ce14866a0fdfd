"""Wait for a condition, never for a time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

# How long anything is waited for that must happen. A limit against hanging, not a figure: machines are shared, and what
# is late there is not wrong. How fast things are is measured in ``bench/``.
PATIENCE_S = 90.0


async def until(
    read: Callable[[], Awaitable[T]],
    is_right: Callable[[T], object] = bool,
    *,
    within_s: float = PATIENCE_S,
    every_s: float = 0.01,
) -> T:
    """What ``read`` gives, once it is right; fails with what it saw last."""
    ends_at = time.monotonic() + within_s
    while True:
        value = await read()
        if is_right(value):
            return value
        assert time.monotonic() < ends_at, f"still {value!r} after {within_s} s"
        await asyncio.sleep(every_s)
