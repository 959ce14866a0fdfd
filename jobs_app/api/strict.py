"""Request bodies: bounded in size, strict JSON, whatever content type the client names.

``curl -d`` sends JSON under the name of a form, and people paste it; so the type is not looked at. That a page of
another site cannot use this is ensured by ``jobs_app.security``, which looks at where a request comes from.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from jobs import plain_json
from jobs.errors import TooLarge

MOST_BODY_BYTES = 16_000_000
_WITH_BODY = frozenset({"POST", "PUT", "PATCH", "DELETE"})


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
    """A route whose body, if it has one, went through ``jobs.plain_json``."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def checked(request: Request) -> Response:
            if request.method in _WITH_BODY:
                raw = await _read(request)
                request = _JsonRequest(request, raw, plain_json.loads(raw) if raw else None)
            return await handle(request)

        return checked


async def _read(request: Request) -> bytes:
    """The body.

    Raises:
        TooLarge: more than ``MOST_BODY_BYTES``; the rest is not read.
    """
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MOST_BODY_BYTES:
            raise TooLarge(f"The body is larger than {MOST_BODY_BYTES} bytes. Send fewer jobs at once.")
    return bytes(raw)
