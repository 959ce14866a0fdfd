"""What many tabs show alike is read once for all of them.

A feature declares what it shares as a ``Shared``, once, in its module; the answers are kept by the runtime, so that two
of them in one process (a test's) share none.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")

MAX_KEPT = 50


class SingleFlightCache(Generic[T]):
    """The answers of ``read`` by key, each for ``fresh_s``. A call while it is being read waits for that answer."""

    def __init__(self, fresh_s: float) -> None:
        self._fresh_s = fresh_s
        self._answers: dict[Hashable, tuple[float, asyncio.Future[T]]] = {}

    async def get(self, read: Callable[[], Awaitable[T]], key: Hashable = None) -> T:
        """The answer for ``key``, read now unless there is a fresh one. Raises what ``read`` raises."""
        now = time.monotonic()
        read_at, answer = self._answers.get(key, (0.0, None))
        if answer is None or now - read_at > self._fresh_s or _failed(answer):
            for old in sorted(self._answers, key=lambda k: self._answers[k][0])[: 1 - MAX_KEPT]:
                del self._answers[old]
            answer = asyncio.ensure_future(read())
            self._answers[key] = now, answer
        return await asyncio.shield(answer)

    def forget(self) -> None:
        """Read everything again from now on: something was changed."""
        self._answers.clear()


@dataclass(frozen=True, eq=False)
class Shared(Generic[T]):
    """Something that is read once for all tabs, and for how long an answer is fresh."""

    fresh_s: float


class Caches:
    """The caches of one runtime, each made when it is first used."""

    def __init__(self) -> None:
        self._caches: dict[Shared[Any], SingleFlightCache[Any]] = {}

    def of(self, shared: Shared[T]) -> SingleFlightCache[T]:
        """The answers about ``shared``."""
        return cast(SingleFlightCache[T], self._caches.setdefault(shared, SingleFlightCache(shared.fresh_s)))

    def forget(self) -> None:
        """Read everything again from now on."""
        self._caches.clear()


def _failed(answer: "asyncio.Future[T]") -> bool:
    return answer.done() and (answer.cancelled() or answer.exception() is not None)
