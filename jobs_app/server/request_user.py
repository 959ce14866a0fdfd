"""Who acts: the name that a proxy gives each request, or else where it came from. For the audit; no permission.

Anybody can send a header. So a name counts only where the connection itself comes from a trusted proxy: one on this
machine, or in a configured network.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reflex.app import App
from reflex.middleware.middleware import Middleware
from reflex.state import BaseState, StateUpdate
from reflex_base.event import Event
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from runlane.audit import act_as
from runlane.settings import Settings

MAX_NAME = 200


@dataclass(frozen=True)
class Naming:
    """Where names are found: in ``header``, if a proxy in one of the networks sent it; ``None``: nowhere."""

    header: str | None = None
    proxies: Sequence[ipaddress.IPv4Network | ipaddress.IPv6Network] = ()

    @classmethod
    def of(cls, config: Settings) -> "Naming":
        return cls(config.user_header, config.trusted_proxies)

    def name(self, headers: Mapping[str, str], peer: str, channel: str) -> str:
        """Who acts through a connection that comes from the address ``peer``; ``channel``: what it is used for."""
        found = ""
        if self.header is not None and self._is_proxy(peer):
            header = self.header.lower()
            found = next((value for key, value in headers.items() if key.lower() == header), "")
        return "".join(c for c in found if c.isprintable())[:MAX_NAME] or f"{channel} {peer}"

    def _is_proxy(self, peer: str) -> bool:
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        address = getattr(address, "ipv4_mapped", None) or address
        return address.is_loopback or any(address in network for network in self.proxies)


class ActingOnPages(Middleware):
    """Sets who acts before an event of a page is handled."""

    def __init__(self, naming: Naming) -> None:
        self._naming = naming

    async def preprocess(self, app: App, state: BaseState, event: Event) -> StateUpdate | None:
        router = state.router
        act_as(self._naming.name(router.headers.raw_headers, router.session.client_ip, "a page at"))
        return None


def acting_over_rest(app: ASGIApp, naming: Naming) -> ASGIApp:
    """Sets who acts before a request is answered."""

    async def named(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            client = scope.get("client") or ("an unknown address", 0)
            act_as(naming.name(Headers(scope=scope), client[0], "REST from"))
        await app(scope, receive, send)

    return named
