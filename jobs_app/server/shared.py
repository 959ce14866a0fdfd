"""What many tabs show alike is read once for all of them."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")

MOST_KEPT = 50


class Shared(Generic[T]):
    """The answers of ``read`` by key, each for ``fresh_s``. Who asks while it is being read waits for that answer."""

    def __init__(self, fresh_s: float) -> None:
        self._fresh_s = fresh_s
        self._answers: dict[Hashable, tuple[float, asyncio.Future[T]]] = {}

    async def get(self, key: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        """The answer for ``key``, read now unless there is a fresh one. Raises what ``read`` raises."""
        now = time.monotonic()
        read_at, answer = self._answers.get(key, (0.0, None))
        if answer is None or now - read_at > self._fresh_s or _failed(answer):
            for old in sorted(self._answers, key=lambda k: self._answers[k][0])[: 1 - MOST_KEPT]:
                del self._answers[old]
            answer = asyncio.ensure_future(read())
            self._answers[key] = now, answer
        return await asyncio.shield(answer)

    def forget(self) -> None:
        """Read everything anew from now on: something was changed."""
        self._answers.clear()


def _failed(answer: "asyncio.Future[T]") -> bool:
    return answer.done() and (answer.cancelled() or answer.exception() is not None)
