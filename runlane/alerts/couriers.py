"""Sending to any service that apprise knows: chats, mail, pagers and a hundred more, each by one address.

Owns the processes that do it (``courier``, which describes what the guard covers); the app never imports apprise.
A rule's address is tried when it is saved with a rehearsal: the service goes as far as the door, so that every host
that it would contact is known, and nothing is sent.
"""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from runlane.addresses import without_secrets
from runlane.alerts.guard import Network
from runlane.alerts.records import Answer

# with a service, the start of its courier included; twice that is less than ``SENDING`` of the store
PATIENCE_S = 12.0
# a service that takes longer is checked again when something is sent
REHEARSAL_S = 5.0
MAX_COURIERS = 5
# they get nothing else of the environment, which may hold passwords, and proxies that lead past the guard
_KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "LD_LIBRARY_PATH")


@dataclass(frozen=True)
class Message:
    """What people read. ``type``: ``info``, ``success``, ``warning`` or ``failure``, which some services show."""

    title: str
    body: str
    type: str


_REHEARSED = Message("Test", "Test", "info")


class Couriers:
    """The processes that send, a few at a time."""

    def __init__(self) -> None:
        self._free = asyncio.Semaphore(MAX_COURIERS)

    async def objection(self, url: str, allowed: Sequence[Network] = ()) -> str:
        """Why ``url`` may not be sent to: it is not understood or leads inside; empty when it may, or nobody knows.

        A sentence without its subject, which is the address.
        """
        try:
            reply = await self._carry(url, _REHEARSED, allowed, rehearsal=True, within_s=REHEARSAL_S)
        except (TimeoutError, OSError, ValueError):
            return ""
        return "" if reply["arrived"] else without_secrets(reply["trouble"], url)

    async def send(self, url: str, message: Message, allowed: Sequence[Network] = ()) -> Answer:
        """Send ``message``; whether it was accepted, or why not. Never raises.

        ``allowed``: networks that may be sent to though they are not public.
        """
        try:
            reply = await self._carry(url, message, allowed, rehearsal=False, within_s=PATIENCE_S)
        except TimeoutError:
            return Answer(None, f"The service did not answer within {PATIENCE_S:g} s.")
        except (OSError, ValueError) as exc:
            return Answer(None, f"The service could not be sent to: {type(exc).__name__}.")
        if reply["arrived"]:
            return Answer(None, "")
        trouble = without_secrets(f"{reply['who']} {reply['trouble']}.", url)
        return Answer(None, trouble, final=reply["final"])

    async def _carry(
        self, url: str, message: Message, allowed: Sequence[Network], *, rehearsal: bool, within_s: float
    ) -> dict[str, Any]:
        """What the courier replies. Raises ``TimeoutError``, ``OSError``; ``ValueError`` if that is no reply."""
        task = {"url": url, "allowed": [str(network) for network in allowed], "rehearsal": rehearsal, **asdict(message)}
        async with self._free, asyncio.timeout(within_s):
            # the address goes through a pipe: others on this machine can read the arguments of a process
            courier = await asyncio.create_subprocess_exec(
                *(sys.executable, "-B", "-P", "-m", "runlane.alerts.courier"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=_environment(),
            )
            try:
                output, _ = await courier.communicate(json.dumps(task).encode())
            finally:
                if courier.returncode is None:
                    with contextlib.suppress(ProcessLookupError):  # it has just ended
                        courier.kill()
                    await courier.wait()
        reply: dict[str, Any] = json.loads(output)
        return reply


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    # NETRC: requests would read passwords from the home of whoever runs this
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "NETRC": ""}
