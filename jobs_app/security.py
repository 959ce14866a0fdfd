"""Who may talk to this server from a browser, and what browsers may do with its answers.

A page of another site can make a browser send requests here. Requests that change something, and websockets, are
therefore refused when their ``Origin`` is neither this site nor listed in ``JOBS_ALLOWED_ORIGINS``. A server that
listens on this machine only also refuses foreign names in ``Host``, which closes DNS rebinding.
"""

import ipaddress
from collections.abc import Callable
from urllib.parse import SplitResult, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jobs.settings import Settings
from jobs_app.api.problems import problem

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
_LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_HEADERS = {
    # Reflex evaluates the code of toasts and downloads that come from the server, hence unsafe-eval
    "Content-Security-Policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; font-src 'self' data:; connect-src 'self' ws: wss:; frame-ancestors 'none'; "
        "base-uri 'self'; form-action 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
}
_HASHED_ASSETS = "/assets/"


def guard(config: Settings) -> Callable[[ASGIApp], ASGIApp]:
    """A wrapper for the whole app that refuses foreign origins and adds headers to every answer."""
    allowed = frozenset(config.allowed_origins)
    hosts = _LOCAL_NAMES | {config.host} | {urlsplit(origin).hostname or "" for origin in allowed}
    local_only = _is_loopback(config.host)

    def wrap(app: ASGIApp) -> ASGIApp:
        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] not in ("http", "websocket"):
                await app(scope, receive, send)
                return
            headers = Headers(scope=scope)
            if local_only and _host_name(headers) not in hosts:
                await _refuse(scope, receive, send, "This server answers to localhost only. Set HOST to change that.")
            elif _is_foreign(scope, headers, allowed):
                await _refuse(
                    scope,
                    receive,
                    send,
                    f"Pages of {headers.get('origin', 'another site')} may not use this server. List the origin in "
                    "JOBS_ALLOWED_ORIGINS to allow it.",
                )
            else:
                await app(scope, receive, _with_headers(scope, send))

        return guarded

    return wrap


def _is_foreign(scope: Scope, headers: Headers, allowed: frozenset[str]) -> bool:
    if scope["type"] == "http" and scope["method"] in _SAFE_METHODS:
        return False
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site") in ("cross-site", "same-site")
    return origin not in allowed and _parts(origin).netloc != headers.get("host")


async def _refuse(scope: Scope, receive: Receive, send: Send, detail: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": "foreign origin"})
        return
    await problem(403, "Not from here", detail)(scope, receive, send)


def _with_headers(scope: Scope, send: Send) -> Send:
    if scope["type"] != "http":
        return send

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            if scope["path"].startswith(_HASHED_ASSETS) and message["status"] == 200:
                headers["Cache-Control"] = "public, max-age=31536000, immutable"
            elif scope["path"].startswith("/api/"):
                headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return send_with_headers


def _host_name(headers: Headers) -> str:
    return _parts(f"//{headers.get('host', '')}").hostname or ""


def _parts(address: str) -> SplitResult:
    """The parts of an address; all empty, which nobody is allowed to be, when it cannot be read."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
