"""Who acts: the name that a proxy gives each request, or else where it came from. For the audit; no permission."""

from collections.abc import Mapping

from reflex.app import App
from reflex.middleware import Middleware
from reflex.state import BaseState, StateUpdate
from reflex_base.event import Event
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from jobs.audit import act_as

LONGEST_NAME = 200


class ActingOnPages(Middleware):
    """Says, before an event of a page is handled, whose it is. ``header``: where a proxy names them, or ``None``."""

    def __init__(self, header: str | None) -> None:
        self._header = header

    async def preprocess(self, app: App, state: BaseState, event: Event) -> StateUpdate | None:
        router = state.router
        act_as(name(router.headers.raw_headers, self._header, f"a page at {router.session.client_ip}"))
        return None


def acting_over_rest(app: ASGIApp, header: str | None) -> ASGIApp:
    """Says, before a request is answered, whose it is."""

    async def named(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            client = scope.get("client") or ("an unknown address", 0)
            act_as(name(Headers(scope=scope), header, f"REST from {client[0]}"))
        await app(scope, receive, send)

    return named


def name(headers: Mapping[str, str], header: str | None, otherwise: str) -> str:
    """Who the proxy says it is; ``otherwise`` where no proxy is trusted to say."""
    if header is None:
        return otherwise
    wanted = header.lower()
    found = next((value for key, value in headers.items() if key.lower() == wanted), "")
    return "".join(c for c in found if c.isprintable())[:LONGEST_NAME] or otherwise
