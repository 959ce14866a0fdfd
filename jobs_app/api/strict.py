"""Request bodies: bounded before they are parsed, strict JSON, whatever content type the client names.

``curl -d`` sends JSON under the name of a form, and people paste it; so the type is ignored. That a page of another
site cannot use this is ensured by ``jobs_app.server.security``, which checks where a request comes from.

A body that declares itself too large, or turns out to be, is discarded as it arrives. Large ones are parsed one at a
time, in a thread, and only if they hold a bounded number of values: Python's parser blocks everything else, for a time
that grows with the values, not the bytes (``python -m bench.hostile``).
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.routing import APIRoute

from jobs_app import runtime
from runlane import plain_json
from runlane.errors import TooLarge, TooSlow
from runlane.settings import Settings

# Of the bodies of most routes; in a body with parameters, of everything beside them.
MAX_BYTES = 64_000
# Of a large body: some 50 ms of parsing.
MAX_VALUES = 200_000
READ_WITHIN_S = 60.0
_PARSED_AT_ONCE = 64_000
# How much larger parameters may be in a body than when stored: an escape takes up to three times its character.
_ESCAPED = 3
# The attribute of an endpoint that says how large its bodies may be.
_MAX_BYTES = "max_body_bytes"
_WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def takes(max_bytes: Callable[[Settings], int]) -> Callable[[Endpoint], Endpoint]:
    """Mark an endpoint whose bodies may be larger than ``MAX_BYTES``."""

    def marked(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, _MAX_BYTES, max_bytes)
        return endpoint

    return marked


def of_params(config: Settings) -> int:
    """How large a body with one job's parameters may be."""
    return MAX_BYTES + _ESCAPED * config.max_params_bytes


def of_batch(config: Settings) -> int:
    """How large a body with many jobs may be."""
    return config.max_batch_bytes


class _JsonRequest(Request):
    """A request whose body is read, checked and parsed."""

    def __init__(self, request: Request, raw: bytes, value: Any) -> None:
        kept = [(k, v) for k, v in request.scope["headers"] if k != b"content-type"]
        scope = {**request.scope, "headers": [*kept, (b"content-type", b"application/json")]}
        super().__init__(scope, request.receive)
        self._raw = raw
        self._value = value

    async def body(self) -> bytes:
        return self._raw

    async def json(self) -> Any:
        return self._value


class StrictRoute(APIRoute):
    """A route whose body, if it has one, went through ``runlane.plain_json``."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        max_bytes: Callable[[Settings], int] = getattr(self.endpoint, _MAX_BYTES, lambda _: MAX_BYTES)

        async def checked(request: Request) -> Response:
            if request.method in _WITH_BODY:
                raw = await _read(request, max_bytes(runtime.current().config))
                request = _JsonRequest(request, raw, await _parsed(raw) if raw else None)
            return await handle(request)

        return checked


async def _read(request: Request, max_bytes: int) -> bytes:
    """The body.

    What is too large is discarded as it arrives: a client that is cut off while it sends does not read why.

    Raises:
        TooLarge: it is larger than ``max_bytes``, or its header says so.
        TooSlow: it does not arrive.
    """
    declared = request.headers.get("content-length", "")
    is_too_large = declared.isascii() and declared.isdigit() and int(declared[:20]) > max_bytes
    kept = bytearray()
    try:
        async with asyncio.timeout(READ_WITHIN_S):
            async for chunk in request.stream():
                is_too_large = is_too_large or len(kept) + len(chunk) > max_bytes
                if not is_too_large:
                    kept += chunk
    except TimeoutError as exc:
        if not is_too_large:
            raise TooSlow(f"The body did not arrive within {READ_WITHIN_S:.0f} s. Send it again.") from exc
    if is_too_large:
        raise TooLarge(
            f"The body is larger than the {max_bytes} bytes that {request.url.path} takes. Send less at once."
        )
    return bytes(kept)


_one_large_body = asyncio.Lock()


async def _parsed(raw: bytes) -> Any:
    """The value. Raises ``InvalidInput``, ``TooLarge``."""
    if len(raw) <= _PARSED_AT_ONCE:
        return plain_json.loads(raw, clients=True)
    async with _one_large_body:
        return await asyncio.to_thread(_loads, raw)


def _loads(raw: bytes) -> Any:
    if (found := plain_json.values_in(raw, MAX_VALUES)) > MAX_VALUES:
        raise TooLarge(f"The body holds {found} values or more; {MAX_VALUES} are taken at once. Send less at once.")
    return plain_json.loads(raw, clients=True)
