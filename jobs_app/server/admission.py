"""Requests that are open: how many one client address may have, and that they end when the server stops.

The limit of an address is far above what people need, even behind one proxy; it keeps a client that opens connections
and forgets them from blocking the server for everybody else.

When the server under us stops, it waits for what is open, and an event stream ends only when its reader leaves. So what
is not over soon is ended here; a reader resumes where it was, at another server or when this one is back.
"""

import asyncio
from collections import Counter
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from jobs_app.api.problems import problem

# The code that a websocket is closed with; see RFC 6455's registry.
TRY_AGAIN_LATER = 1013
OVER_WITHIN_S = 1.0


class Admission:
    """The requests, event streams and pages that are open; an address may have ``max_open`` of them."""

    def __init__(self, max_open: int) -> None:
        self._max_open = max_open
        self._open: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._is_ending = False

    def wrap(self, app: ASGIApp) -> ASGIApp:
        """The whole app; requests of an address beyond its limit are refused with 429."""

        async def admitted(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] not in ("http", "websocket"):
                await app(scope, receive, send)
                return
            address, task = (scope.get("client") or ("",))[0], asyncio.current_task()
            assert task is not None
            if self._open[address] >= self._max_open:
                await self._refuse(scope, receive, send, address)
                return
            self._open[address] += 1
            self._tasks.add(task)
            try:
                await app(scope, receive, send)
            except asyncio.CancelledError:
                if not self._is_ending:
                    raise
            finally:
                self._tasks.discard(task)
                self._open[address] -= 1
                if not self._open[address]:
                    del self._open[address]

        return admitted

    async def end(self) -> None:
        """Give what is open a while to end by itself, then end the rest."""
        self._is_ending = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=OVER_WITHIN_S)
        for task in self._tasks:
            task.cancel()

    async def _refuse(self, scope: Scope, receive: Receive, send: Send, address: str) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": TRY_AGAIN_LATER, "reason": "too many connections"})
            return
        detail = (
            f"{address} has {self._max_open} requests, streams and pages open here. Close some, or raise "
            "RUNLANE_MAX_PER_ADDRESS if it is a proxy for many people."
        )
        await problem(429, "Too many at once", detail, headers={"Retry-After": "1"})(scope, receive, send)
