"""Request bodies: bounded before they are parsed, strict JSON, whatever content type the client names.

``curl -d`` sends JSON under the name of a form, and people paste it; so the type is not looked at. That a page of
another site cannot use this is ensured by ``jobs_app.server.security``, which looks at where a request comes from.

A body that says it is too large, or turns out to be, is thrown away as it comes. Large ones are parsed one at
a time, in a thread, and only if they hold a bounded number of values: Python's parser stops everything else meanwhile,
for as long as there are values, not bytes (``python -m bench.hostile``).
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

# Of the bodies of most routes; also, beside parameters, of everything else there is in a body that has some.
MAX_BYTES = 64_000
# Of a large body: some 50 ms of parsing.
MAX_VALUES = 200_000
READ_WITHIN_S = 60.0
_PARSED_AT_ONCE = 64_000
# How much larger parameters may be on their way than they are kept: escapes take up to three times their letter.
_ESCAPED = 3
_WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


def takes(most_bytes: Callable[[Settings], int]) -> Callable[[Endpoint], Endpoint]:
    """Marks an endpoint whose bodies may be larger than most."""

    def marked(endpoint: Endpoint) -> Endpoint:
        endpoint.most_bytes = most_bytes
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
        most_bytes: Callable[[Settings], int] = getattr(self.endpoint, "most_bytes", lambda _: MAX_BYTES)

        async def checked(request: Request) -> Response:
            if request.method in _WITH_BODY:
                raw = await _read(request, most_bytes(runtime.current().config))
                request = _JsonRequest(request, raw, await _parsed(raw) if raw else None)
            return await handle(request)

        return checked


async def _read(request: Request, most: int) -> bytes:
    """The body.

    What is too large is thrown away as it comes: a client that is cut off while it sends does not read why.

    Raises:
        TooLarge: there is more of it than ``most``, or its header says so.
        TooSlow: it does not arrive.
    """
    said = request.headers.get("content-length", "")
    is_too_large = said.isascii() and said.isdigit() and int(said[:20]) > most
    kept = bytearray()
    try:
        async with asyncio.timeout(READ_WITHIN_S):
            async for chunk in request.stream():
                is_too_large = is_too_large or len(kept) + len(chunk) > most
                if not is_too_large:
                    kept += chunk
    except TimeoutError as exc:
        if not is_too_large:
            raise TooSlow(f"The body did not arrive within {READ_WITHIN_S:.0f} s. Send it again.") from exc
    if is_too_large:
        raise TooLarge(f"The body is larger than the {most} bytes that {request.url.path} takes. Send less at once.")
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
