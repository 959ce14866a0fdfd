"""What a worker and a child say to each other: JSON, and bytes beside it, over one socket.

A frame is the length of its JSON and of its bytes, 4 bytes each, then both. The worker sends ``setup``, then ``run``
for one job at a time, ``answer`` for each ``call`` of its context, ``room`` for lines that it has taken, and ``stop``.
The child sends ``ready``, ``call``, ``line``, and ``done`` or ``failed`` for each job. No pickle: what a child sends is
only as trusted as the code of the job in it.
"""

import asyncio
import json
import socket
import struct
from typing import Any

Message = dict[str, Any]
Frame = tuple[Message, bytes]

# Lines that a child may send ahead of the worker; a child that logs faster waits.
MAX_LINES_AHEAD = 256
# Of JSON in one frame, more than any result may have: the worker has to read it whole before it can refuse it.
MAX_MESSAGE_BYTES = 110_000_000
_HEAD = struct.Struct(">II")


class TooLarge(ValueError):
    """More than one frame may hold."""


def pack(message: Message, content: bytes = b"") -> bytes:
    """A frame. Raises ``TypeError`` or ``ValueError`` for what JSON does not hold, ``TooLarge`` for too much."""
    text = json.dumps(message, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
    if len(text) > MAX_MESSAGE_BYTES:
        raise TooLarge(
            f"A plain function can hand over {MAX_MESSAGE_BYTES} bytes at once, and this has {len(text)}. Give less, "
            "or attach it as artifacts."
        )
    return _HEAD.pack(len(text), len(content)) + text + content


async def read(reader: asyncio.StreamReader) -> Frame:
    """The next frame. Raises ``IncompleteReadError`` or ``ConnectionError`` when there is none."""
    size, content_size = _HEAD.unpack(await reader.readexactly(_HEAD.size))
    text = await reader.readexactly(size)
    return json.loads(text), await reader.readexactly(content_size)


def receive(connection: socket.socket) -> Frame:
    """The next frame, where nothing else waits. Raises ``EOFError`` when there is none."""
    size, content_size = _HEAD.unpack(_exactly(connection, _HEAD.size))
    return json.loads(_exactly(connection, size)), bytes(_exactly(connection, content_size))


def _exactly(connection: socket.socket, size: int) -> bytearray:
    buffer = bytearray(size)
    view, filled = memoryview(buffer), 0
    while filled < size:
        count = connection.recv_into(view[filled:])
        if not count:
            raise EOFError
        filled += count
    return buffer
