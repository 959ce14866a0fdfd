"""What somebody who wants it to stop would do to a server, each bounded: ``python -m testbed.attacks <attack> <url>``.

A process of its own, so that what it costs is not measured as the server's; ``attacking`` starts one. Each attack
prints ``ready`` once it has all it wants, holds that until its input ends, then prints its result as a line of JSON.
"""

import asyncio
import contextlib
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TypeVar
from urllib.parse import urlsplit

import aiohttp

from testbed.waiting import PATIENCE_S

STREAMS, PAGES, HALVES = 1000, 1000, 200
CLIENTS = 20
BODY_BYTES = 10_000_000
AT_ONCE = 50
SENT_BYTES = 64_000
ENDED_WITHIN_S = 60.0

PATHS = (
    "/api/jobs",
    "/api/jobs/batch",
    "/api/jobs/bulk",
    "/api/schedules/preview",
    "/api/jobs/00000000-0000-7000-8000-000000000000/cancel",
    "/api/nowhere",
    "/",
    "/_event/?EIO=4&transport=polling",
)
# What a body is filled with, over and over, after ``{"jobs":[``.
BODIES = (b"[],", b'{"a":', b'"a",', b"1,", b"\\\\", b'"', b"\xff\x00", b" ")

T = TypeVar("T")
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextlib.asynccontextmanager
async def attacking(name: str, url: str) -> AsyncIterator[dict[str, int]]:
    """The block runs while the attack has all it wants; what came of it is known after."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "testbed.attacks", name, url),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    found: dict[str, int] = {}
    try:
        assert await asyncio.wait_for(process.stdout.readline(), PATIENCE_S) == b"ready\n"
        yield found
        process.stdin.close()
        found |= json.loads(await asyncio.wait_for(process.stdout.readline(), PATIENCE_S))
        await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


class Attack:
    """One server under attack."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._url, self._host, self._port = url, parts.hostname or "", parts.port or 80
        self._few = asyncio.Semaphore(AT_ONCE)

    async def crowd(self) -> dict[str, int]:
        """Event streams, pages and requests that never end, all at once; how many of each the server keeps."""
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            streams = await _together(self._stream, STREAMS)
            pages = await _together(lambda: self._page(session), PAGES)
            halves = await _together(self._half, HALVES)
            await _hold()
            ended = await asyncio.gather(*(_has_ended(reader) for reader, _ in halves))
            kept = {
                "halves": ended.count(False),
                "streams": sum(not reader.at_eof() for reader, _ in filter(None, streams)),
                "pages": sum(not page.closed for page in pages),
            }
            for _, writer in filter(None, (*streams, *halves)):
                writer.close()
            for page in pages:
                await page.close()
        return kept

    async def bodies(self) -> dict[str, int]:
        """Large bodies of nothing, many at once, to every sort of path; how many were answered with which status."""
        statuses: Counter[str] = Counter()

        async def client(number: int) -> None:
            for path in PATHS:
                statuses[await self._send(path, BODIES[number % len(BODIES)], is_chunked=number % 3 == 0)] += 1

        print("ready", flush=True)
        await asyncio.gather(*(client(number) for number in range(CLIENTS)))
        return dict(statuses)

    async def _stream(self) -> Connection | None:
        async with self._few:
            reader, writer = await self._open()
            writer.write(f"GET /api/stream HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n\r\n".encode())
            if b" 200 " not in await reader.readline():
                return None
            await reader.readuntil(b"listening")
            return reader, writer

    async def _page(self, session: aiohttp.ClientSession) -> aiohttp.ClientWebSocketResponse:
        async with self._few:
            page = await session.ws_connect(f"{self._url}/_event/?EIO=4&transport=websocket", autoping=False)
            await page.receive()  # the server's part of the engine's handshake
            await page.send_str("40/_event,")
            await page.receive()
            return page

    async def _half(self) -> Connection:
        async with self._few:
            reader, writer = await self._open()
            writer.write(f"GET /api/jobs HTTP/1.1\r\nHost: {self._host}:{self._port}\r\nX-Slow: ".encode())
            await writer.drain()
            return reader, writer

    async def _send(self, path: str, filling: bytes, *, is_chunked: bool) -> str:
        """The status of the reply, or how the connection ended without one."""
        reader, writer = await self._open()
        length = "Transfer-Encoding: chunked" if is_chunked else f"Content-Length: {BODY_BYTES}"
        writer.write(f"POST {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n{length}\r\n\r\n".encode())
        piece = filling * (SENT_BYTES // len(filling))
        sent = 0
        try:
            while sent < BODY_BYTES and not reader.at_eof() and not reader._buffer:  # type: ignore[attr-defined]
                part = (b'{"jobs":[' + piece if sent == 0 else piece)[: BODY_BYTES - sent]
                writer.write(b"%x\r\n%s\r\n" % (len(part), part) if is_chunked else part)
                await writer.drain()
                sent += len(part)
            if is_chunked:
                writer.write(b"0\r\n\r\n")
            line = await reader.readline()
            return line.split(b" ")[1].decode() if line else "closed"
        except ConnectionError:
            return "closed"
        finally:
            writer.close()

    async def _open(self) -> Connection:
        return await asyncio.open_connection(self._host, self._port)


async def _together(one: Callable[[], Awaitable[T]], count: int) -> Sequence[T]:
    return await asyncio.gather(*(one() for _ in range(count)))


async def _has_ended(reader: asyncio.StreamReader) -> bool:
    """Whether the server ends this connection, soon or long ago."""
    try:
        async with asyncio.timeout(ENDED_WITHIN_S):
            while await reader.read(1000):
                pass
    except (TimeoutError, ConnectionError) as exc:
        return isinstance(exc, ConnectionError)
    return True


async def _hold() -> None:
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    name, url = sys.argv[1:]
    attack = Attack(url)
    print(json.dumps(asyncio.run({"crowd": attack.crowd, "bodies": attack.bodies}[name]())))


if __name__ == "__main__":
    main()
