"""Who may talk to this server from a browser, and what browsers may do with its answers.

A page of another site can make a browser send requests here. Requests that change something, and websockets, are
therefore refused when their ``Origin`` is neither this site nor listed in ``RUNLANE_ALLOWED_ORIGINS``; so are downloads
of what is secret, when the browser says that another site requested them.

A page can also be of this site by name alone: its owner has the name resolve to our address (DNS rebinding). So the
name in ``Host`` must be one that we know: a name of this machine, the configured host, or that of an allowed origin. A
numeric address is nobody's name, and accepted where other machines can reach us.
"""

import ipaddress
import re
from collections.abc import Callable
from urllib.parse import SplitResult, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jobs_app.api.problems import problem
from runlane import __version__
from runlane.model.requests import VERSION_HEADER
from runlane.settings import Settings, is_loopback

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
# What is only read, but not for pages of other sites.
_SECRET = re.compile(
    r"/api/(database/backup|diagnostics|jobs/export|jobs/[^/]+/(artifacts/.+|log)|alerts/rules/[^/]+/secret)/?$"
)
_SCHEMES = {"http": "http", "ws": "http", "https": "https", "wss": "https"}
_HASHED_ASSETS = "/assets/"


def guard(config: Settings) -> Callable[[ASGIApp], ASGIApp]:
    """A wrapper for the whole app that refuses foreign origins and adds headers to every answer."""
    allowed = frozenset(config.allowed_origins)
    names = _LOCAL_NAMES | {config.host.lower()} | {urlsplit(origin).hostname or "" for origin in allowed}
    is_local = is_loopback(config.host)

    def wrap(app: ASGIApp) -> ASGIApp:
        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] not in ("http", "websocket"):
                await app(scope, receive, send)
                return
            headers = Headers(scope=scope)
            host = _host_name(headers)
            if host not in names and (is_local or not _is_address(host)):
                refusal = problem(
                    421,
                    "Not under this name",
                    f"This server is not known as {host[:200]!r}. If it is, list its address in "
                    "RUNLANE_ALLOWED_ORIGINS, such as https://jobs.example.com.",
                )
                await _refuse(scope, receive, send, refusal)
            elif _is_foreign(scope, headers, allowed):
                refusal = problem(
                    403,
                    "Not from here",
                    f"Pages of {headers.get('origin', 'another site')} may not use this server. List the origin in "
                    "RUNLANE_ALLOWED_ORIGINS to allow it.",
                )
                await _refuse(scope, receive, send, refusal)
            else:
                await app(scope, receive, _with_headers(scope, send))

        return guarded

    return wrap


def of_plain_paths(app: ASGIApp) -> ASGIApp:
    """``app``, but for paths with line breaks, which Starlette's routes do not match: those are refused."""

    async def served(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and any(character < " " for character in scope["path"]):
            detail = "A path holds no line break or other control character."
            await problem(404, "Not Found", detail)(scope, receive, send)
        else:
            await app(scope, receive, send)

    return served


def _is_foreign(scope: Scope, headers: Headers, allowed: frozenset[str]) -> bool:
    is_read = scope["type"] == "http" and scope["method"] in _SAFE_METHODS
    if is_read and not _SECRET.match(scope["path"]):
        return False
    origin = headers.get("origin")
    if origin in allowed:
        return False
    if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        return True
    if origin is None:
        return False
    parts = _parts(origin)
    return parts.netloc != headers.get("host") or parts.scheme != _SCHEMES.get(scope["scheme"])


async def _refuse(scope: Scope, receive: Receive, send: Send, refusal: Response) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": "not from here"})
        return
    await refusal(scope, receive, send)


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
                headers[VERSION_HEADER] = __version__
        await send(message)

    return send_with_headers


def _host_name(headers: Headers) -> str:
    return _parts(f"//{headers.get('host', '')}").hostname or ""


def _parts(address: str) -> SplitResult:
    """The parts of an address; all empty, which is never allowed, if it cannot be parsed."""
    try:
        return urlsplit(address)
    except ValueError:
        return urlsplit("")


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
