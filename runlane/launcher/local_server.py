"""A server on this machine: a port for it, and whether it answers yet. For the launcher and for tests of users."""

import http.client
import socket

ANSWER_WITHIN_S = 2.0


def free_port() -> int:
    """A port of this machine on which nothing listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_ready(host: str, port: int) -> bool:
    """Whether ``/readyz`` answers 200."""
    connection = http.client.HTTPConnection(host, port, timeout=ANSWER_WITHIN_S)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
