"""The way to one server: requests that are sent again when that is safe, and streams that go on where they broke.

A request is sent again while there is time: when it cannot have arrived (no connection, 429), and otherwise if doing it
twice is the same as once. Submissions are, since they have an ``Idempotency-Key``; ``Ask.unsure`` marks what is not.
"""

import asyncio
import contextlib
import os
import random
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NoReturn, TypeVar

import httpx
from httpx_sse import EventSource, ServerSentEvent
from pydantic import BaseModel, TypeAdapter, ValidationError

from runlane.client import versions
from runlane.client.errors import NotFound, NotRunlane, Refused, RunlaneError, ServerFailed, Unauthorized, Unreachable
from runlane.errors import FieldError
from runlane.model.requests import VERSION_HEADER
from runlane.version import __version__

DEFAULT_URL = "http://127.0.0.1:8000"
# A server that never answered is given up sooner: its address is probably wrong.
FIRST_CONTACT_S = 3.0
# The server sends a comment every 15 s; a stream that is silent for longer is broken.
SILENCE_S = 45.0
FIRST_PAUSE_S, MAX_PAUSE_S = 0.1, 5.0
_TOO_MANY = 429
_CANNOT_NOW = frozenset({_TOO_MANY, 502, 503, 504})
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})

PROBLEM = "application/problem+json"
# What a server that does not name its version may send all the same.
_TYPES = frozenset({"application/json", "text/event-stream", ""})

Query = Sequence[tuple[str, str]]
T = TypeVar("T")


@dataclass(frozen=True)
class Ask:
    """One request. ``unsure``: what nobody knows if the answer is lost; such a request may not be sent twice."""

    method: str
    path: str
    query: Query = ()
    json: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    unsure: str = ""


class Link:
    """The connections to one server, as ``Client`` describes them."""

    def __init__(self, url: str | None, token: str | None, timeout: float, patience: float) -> None:
        self.url = _checked_url(url or os.environ.get("RUNLANE_URL") or DEFAULT_URL)
        self._token = _checked_token(token or os.environ.get("RUNLANE_TOKEN") or "")
        self._timeout_s = timeout
        self._patience_s = patience
        self._opened: httpx.AsyncClient | None = None
        self._pid = 0
        self._reached = False
        self._checked_version = False

    @property
    def _http(self) -> httpx.AsyncClient:
        """Opened when first used, and again in a forked process: connections cannot be shared."""
        if self._opened is None or self._pid != os.getpid():
            headers = {"User-Agent": f"runlane/{__version__}", "Accept": "application/json"}
            if self._token:
                headers["Authorization"] = f"Bearer {self._token}"
            self._opened = httpx.AsyncClient(
                base_url=self.url,
                headers=headers,
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=20),
                trust_env=httpx.URL(self.url).host not in _LOCAL,
            )
            self._pid = os.getpid()
        return self._opened

    async def close(self) -> None:
        if self._opened is not None and self._pid == os.getpid():
            await self._opened.aclose()
        self._opened = None

    async def send(self, ask: Ask) -> httpx.Response:
        """The answer, which is no refusal. Raises whichever ``RunlaneError`` it is."""
        began, repeated = time.monotonic(), False
        for pause_s in _pauses():
            trouble: httpx.TransportError | httpx.Response
            try:
                trouble = response = await self._http.request(
                    ask.method,
                    ask.path,
                    params=tuple(ask.query),
                    json=ask.json,
                    headers=ask.headers,
                    timeout=max(0.001, began + self._timeout_s - time.monotonic()),
                )
            except httpx.TransportError as exc:
                trouble, may_be_done = exc, not isinstance(exc, _NOT_SENT)
                self._reached |= may_be_done
            else:
                self._reached = True
                if response.status_code not in _CANNOT_NOW:
                    self._check(response, repeated=repeated)
                    return response
                may_be_done = response.status_code != _TOO_MANY
                pause_s = max(pause_s, _retry_after_s(response))
            if may_be_done and ask.unsure:
                raise Unreachable(f"{self._sentence(trouble)} Nobody knows {ask.unsure}; look before you try again.")
            repeated |= may_be_done
            if time.monotonic() + pause_s >= began + self._at_most(self._timeout_s):
                self._give_up(trouble)
            await asyncio.sleep(pause_s)
        raise AssertionError("there is always another pause")

    async def read(self, ask: Ask, shape: TypeAdapter[T]) -> T:
        """The answer as ``shape``."""
        response = await self.send(ask)
        return self.parsed(shape, response.content)

    async def follow(self, path: str, last_id: str = "") -> AsyncIterator[ServerSentEvent]:
        """The messages of a stream up to ``end``, from the one after ``last_id``; none is lost or doubled.

        A broken one is resumed, while the server is away for less than the client's ``patience``.
        """
        away_since, pauses = time.monotonic(), _pauses()
        while True:
            trouble: httpx.TransportError | httpx.Response | None = None
            pause_s, was_there = 0.0, False
            headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last_id} if last_id else {})}
            timeout = httpx.Timeout(self._timeout_s, read=SILENCE_S)
            try:
                async with self._http.stream("GET", path, headers=headers, timeout=timeout) as response:
                    self._reached = True
                    if response.status_code in _CANNOT_NOW:
                        await response.aread()
                        trouble, pause_s = response, _retry_after_s(response)
                    elif response.status_code != 200:
                        await response.aread()
                        self._check(response, repeated=False)
                    else:
                        self._check(response, repeated=False)
                        async for message in EventSource(response).aiter_sse():
                            was_there = True
                            last_id = message.id or last_id
                            yield message
                            if message.event == "end":
                                return
            except httpx.TransportError as exc:
                trouble = exc
            if was_there:
                away_since, pauses = time.monotonic(), _pauses()
            pause_s = max(pause_s, next(pauses))
            if time.monotonic() + pause_s >= away_since + self._at_most(self._patience_s):
                self._give_up(trouble)
            await asyncio.sleep(pause_s)

    def _at_most(self, seconds: float) -> float:
        return seconds if self._reached else min(seconds, FIRST_CONTACT_S)

    def parsed(self, shape: TypeAdapter[T], text: bytes | str) -> T:
        try:
            return shape.validate_json(text)
        except ValidationError as exc:
            problem = exc.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(step) for step in problem["loc"]) or "its beginning"
            raise NotRunlane(
                f"The answer of {self.url} is not what runlane {__version__} expects, at {place}: {problem['msg']}. "
                "Either it is no Runlane, or of another version."
            ) from exc

    def _check(self, response: httpx.Response, *, repeated: bool) -> None:
        """Raises ``RunlaneError`` for every answer but one with what was requested."""
        media_type = response.headers.get("content-type", "").partition(";")[0].strip()
        version = response.headers.get(VERSION_HEADER)
        if not response.is_success and media_type == PROBLEM:
            self._refuse(response, repeated)
        if not response.is_success or (version is None and media_type not in _TYPES):
            raise NotRunlane(self._not_runlane(response, media_type))
        if not self._checked_version:
            versions.check(version, self.url)
            self._checked_version = True

    def _refuse(self, response: httpx.Response, repeated: bool) -> NoReturn:
        problem = _Problem.model_validate_json(response.content)
        status, sentence = response.status_code, problem.detail or problem.title
        if status >= 500:
            raise ServerFailed(sentence)
        if status == 401 and not self._token:
            sentence += " No token was sent: give one, or set RUNLANE_TOKEN."
        kind = {401: Unauthorized, 403: Unauthorized, 404: NotFound}.get(status, Refused)
        errors = [FieldError(each.field, each.message) for each in problem.errors]
        raise kind(sentence, status=status, errors=errors, repeated=repeated)

    def _not_runlane(self, response: httpx.Response, media_type: str) -> str:
        if response.is_redirect:
            target = response.headers.get("location", "another address")
            return f"{self.url} sends to {target}. Give the address of Runlane itself, as url or in RUNLANE_URL."
        return (
            f"What answers at {self.url} is no Runlane, or something is between: it sent {response.status_code} with "
            f"{media_type or 'no type'}. Check the address, which is given as url or in RUNLANE_URL."
        )

    def _give_up(self, trouble: httpx.TransportError | httpx.Response | None) -> NoReturn:
        raise Unreachable(
            f"{self._sentence(trouble)} Check that Runlane runs there; the address is given as url or in RUNLANE_URL."
        ) from (trouble if isinstance(trouble, httpx.TransportError) else None)

    def _sentence(self, trouble: httpx.TransportError | httpx.Response | None) -> str:
        """What kept ``url`` from answering."""
        if isinstance(trouble, httpx.Response):
            with contextlib.suppress(ValidationError):
                return f"{self.url} cannot answer now: {_Problem.model_validate_json(trouble.content).detail}"
            return f"{self.url} cannot answer now: {trouble.status_code} {trouble.reason_phrase}."
        if isinstance(trouble, httpx.TimeoutException):
            return f"{self.url} did not answer in time."
        reason = str(trouble).strip().rstrip(".") if trouble else "the stream breaks again and again"
        return f"{self.url} does not answer: {reason or type(trouble).__name__}."


class _FieldProblem(BaseModel):
    field: str
    message: str


class _Problem(BaseModel):
    """A refusal, as of RFC 9457."""

    title: str = ""
    detail: str = ""
    errors: list[_FieldProblem] = []


def _pauses() -> Iterator[float]:
    """Seconds between tries: twice as long each time, and apart for clients that lost the same server."""
    pause_s = FIRST_PAUSE_S
    while True:
        yield pause_s * random.uniform(0.7, 1.3)
        pause_s = min(2 * pause_s, MAX_PAUSE_S)


def _retry_after_s(response: httpx.Response) -> float:
    """What the server says in ``Retry-After``: seconds or a date; 0 if nothing that can be read."""
    text = response.headers.get("retry-after", "").strip()
    if text.isdecimal() and text.isascii():
        return float(text)
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _checked_url(url: str) -> str:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as exc:
        raise RunlaneError(f"{url!r} is no address: {exc}. Give one such as {DEFAULT_URL}.") from exc
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise RunlaneError(f"{url!r} is no address of a Runlane; give one such as {DEFAULT_URL}.")
    return url.rstrip("/")


def _checked_token(token: str) -> str:
    token = token.strip()
    if not token.isascii() or not token.isprintable() or " " in token:
        raise RunlaneError(
            "The token holds characters that no token has. Copy it again, without quotes or line breaks."
        )
    return token
