"""A way to Redis, or to the API, that is slow, is cut again and again, and loses answers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from runlane.background import end_tasks


class CuttingProxy:
    """Passes bytes on after ``delay_s``; ``cut`` breaks every connection at once, in the middle of whatever passes."""

    def __init__(self, port: int, delay_s: float) -> None:
        self.url = self.http_url = ""
        self.cuts = 0
        self.answers_to_lose = 0
        """So many times, the server gets what was sent, and its client is cut off instead of reading the answer."""
        self._port = port
        self._delay_s = delay_s
        self._ways: set[asyncio.Task[None]] = set()
        self._dead: set[asyncio.Task[None]] = set()

    def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        way = asyncio.create_task(self._connect(reader, writer))
        self._ways.add(way)
        way.add_done_callback(self._ways.discard)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        passing: list[asyncio.Task[None]] = []
        way = asyncio.current_task()
        ends = [writer]
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._port)
            ends.append(server_writer)
            passing += [
                asyncio.create_task(self._pass(reader, server_writer, way)),
                asyncio.create_task(self._pass(server_reader, writer, way, loses_answers=True)),
            ]
            await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
        finally:
            await end_tasks(*passing)
            for end in ends:
                end.transport.abort()

    async def _pass(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        way: asyncio.Task[None] | None,
        *,
        loses_answers: bool = False,
    ) -> None:
        with contextlib.suppress(OSError):
            while part := await reader.read(65536):
                if loses_answers and self.answers_to_lose:
                    self.answers_to_lose -= 1
                    return
                await asyncio.sleep(self._delay_s)
                if way in self._dead:
                    continue
                writer.write(part)
                await writer.drain()

    def deafen(self) -> None:
        """The connections there are stay open and carry nothing any more, as when a route is lost; new ones work."""
        self._dead |= self._ways

    async def cut(self) -> None:
        ways = list(self._ways)
        self.cuts += len(ways)
        await end_tasks(*ways)


@contextlib.asynccontextmanager
async def cutting_proxy(port: int, delay_s: float) -> AsyncIterator[CuttingProxy]:
    """A proxy to the server at ``port`` of this machine."""
    proxy = CuttingProxy(port, delay_s)
    server = await asyncio.start_server(proxy.accept, "127.0.0.1", 0)
    async with server:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        proxy.url, proxy.http_url = f"redis://{address}/0", f"http://{address}"
        yield proxy
        server.close()
        await proxy.cut()
        await asyncio.sleep(0)  # the aborted sockets are closed in the loop's next round
