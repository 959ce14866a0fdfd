"""Lines that a program writes to a pipe, as they come."""

import asyncio
import os
import select
from collections.abc import AsyncIterator

CHUNK_BYTES = 1 << 16
# As long as a line of a job's log may be.
MAX_LINE_LENGTH = 10_000
_MAX_LINE_BYTES = 4 * MAX_LINE_LENGTH


class PipeReader:
    """The lines of one pipe. Nothing is read that nobody asks for, so a program that writes too fast has to wait."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._line = bytearray()
        self._dry = asyncio.Event()
        self._ended = False
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)

    async def batches(self) -> AsyncIterator[list[bytes]]:
        """The lines, each time all that have come: without their ends, cut to a sane length. Ends with the pipe."""
        while chunk := await self._read():
            *ended, rest = chunk.split(b"\n")
            lines = []
            for part in ended:
                self._extend(part)
                lines.append(bytes(self._line))
                self._line.clear()
            self._extend(rest)
            if lines:
                yield lines
            await asyncio.sleep(0)  # or a program that never pauses would keep the loop from all else
        if self._line:
            yield [bytes(self._line)]
        self._ended = True
        self._dry.set()

    async def dry(self) -> None:
        """Return when all that was written until now has been used."""
        if not self._ended and self._poll.poll(0):
            self._dry.clear()
        await self._dry.wait()

    def _extend(self, part: bytes) -> None:
        self._line += part[: _MAX_LINE_BYTES - len(self._line)]

    async def _read(self) -> bytes:
        while True:
            try:
                return os.read(self._fd, CHUNK_BYTES)
            except BlockingIOError:
                await self._readable()

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()
        loop.add_reader(self._fd, _set, ready)
        self._dry.set()
        try:
            await ready
        finally:
            loop.remove_reader(self._fd)
            self._dry.clear()

    def close(self) -> None:
        os.close(self._fd)


def _set(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def text_of(line: bytes) -> str:
    """A line as text: of one that was drawn over itself, as progress bars do it, what it showed last."""
    text = line.decode("utf-8", "replace").rstrip("\r").rpartition("\r")[2]
    return text if len(text) <= MAX_LINE_LENGTH else text[: MAX_LINE_LENGTH - 1] + "…"
