"""Ports for servers of our own, which no other process that asks here is given.

A port that the kernel picks is free when it is asked for and may be taken a moment later: by another test process, or
as the near end of somebody's connection. So each process holds a block of ports below those that the kernel hands out
(32768 and up on Linux, 49152 elsewhere), and gives each to one server after the other, in a circle. Who binds the
block's first port holds the block; the system frees it when the process ends, however it ends.
"""

import itertools
import socket
from collections.abc import Iterator
from functools import cache

from testbed.errors import CannotRun

BLOCKS = range(12_000, 32_000, 200)
BLOCK_SIZE = 200


def free_port() -> int:
    """A port of this machine on which nothing listens.

    Raises:
        CannotRun: there is none.
    """
    return next(_free_ports())


@cache
def _free_ports() -> Iterator[int]:
    """One iterator a process; it keeps the socket that holds the block."""
    for first in BLOCKS:
        if (holder := _bound(first)) is not None:
            return _circle(holder, first)
    raise CannotRun(
        f"No block of {BLOCK_SIZE} ports from {BLOCKS.start} to {BLOCKS.stop} is free. End what holds them."
    )


def _circle(holder: socket.socket, first: int) -> Iterator[int]:
    with holder:
        for port in itertools.cycle(range(first + 1, first + BLOCK_SIZE)):
            if (probe := _bound(port)) is not None:
                probe.close()
                yield port


def _bound(port: int) -> socket.socket | None:
    """A socket at this port; nothing if another has it."""
    bound = socket.socket()
    try:
        bound.bind(("127.0.0.1", port))
    except OSError:
        bound.close()
        return None
    return bound
