"""How much of this server one client address may have at once: requests, event streams and pages together.

The limit is far above what people do, behind one proxy too; it keeps a client that opens connections and forgets them
from taking the server away from everybody else.
"""

from collections import Counter
from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from jobs_app.api.problems import problem

TRY_AGAIN_LATER = 1013
"""The code a websocket is closed with; see RFC 6455's registry."""


def limit_each_address(most: int) -> Callable[[ASGIApp], ASGIApp]:
    """A wrapper for the whole app: what an address asks beyond ``most`` things at once is refused with 429."""
    under_way: Counter[str] = Counter()

    def wrap(app: ASGIApp) -> ASGIApp:
        async def limited(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] not in ("http", "websocket"):
                await app(scope, receive, send)
                return
            address = (scope.get("client") or ("",))[0]
            if under_way[address] >= most:
                await _refuse(scope, receive, send, address, most)
                return
            under_way[address] += 1
            try:
                await app(scope, receive, send)
            finally:
                under_way[address] -= 1
                if not under_way[address]:
                    del under_way[address]

        return limited

    return wrap


async def _refuse(scope: Scope, receive: Receive, send: Send, address: str, most: int) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": TRY_AGAIN_LATER, "reason": "too many connections"})
        return
    detail = (
        f"{address} has {most} requests, streams and pages open here. Close some, or raise JOBS_MAX_PER_ADDRESS if it "
        "is a proxy for many people."
    )
    await problem(429, "Too many at once", detail, **{"Retry-After": "1"})(scope, receive, send)
