"""Telling another server over HTTP: signed, never to private addresses unless allowed, and with little patience.

Signed as the Standard Webhooks specification says, so that receivers check it with a library: the signature is an
HMAC-SHA256 of ``<id>.<timestamp>.<body>``. The name is resolved once and the connection goes to that very address, so
that a name which answers differently the second time leads nowhere else. Redirects are not followed.
"""

import asyncio
import base64
import hashlib
import hmac
import ipaddress
import secrets
import socket
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

import httpx

PATIENCE_S = 10.0
MOST_READ_BYTES = 16_384
"""Of the answer; nothing in it matters but its status."""
LONGEST_URL = 2000
PREFIX = "whsec_"


@dataclass(frozen=True)
class Answer:
    """What came of a message. ``trouble``: why it did not arrive, in a sentence; empty when it did."""

    status: int | None
    trouble: str

    @property
    def arrived(self) -> bool:
        return not self.trouble


def new_secret() -> str:
    """A key to sign with, as receivers take it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(24)).decode()


def signature(secret: str, message_id: str, at: datetime, body: bytes) -> str:
    """The ``webhook-signature`` header of a message."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{message_id}.{int(at.timestamp())}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def wrong_with(url: str) -> str:
    """Why ``url`` cannot be sent to, told from its text alone; empty when it may be."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        return f"is not an address: {exc}"
    if len(url) > LONGEST_URL or parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        return "must be an http:// or https:// address"
    return "must not hold a name or password" if "@" in parts.netloc else ""


async def send(url: str, secret: str, message_id: str, at: datetime, body: bytes, *, private: bool = False) -> Answer:
    """Send ``body``, which is JSON, and see whether it is taken. Never raises.

    ``private``: addresses that only this network knows are allowed.
    """
    if wrong := wrong_with(url):
        return Answer(None, f"The address {wrong}.")
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        async with asyncio.timeout(PATIENCE_S):
            address = await _resolve(host, parts.port or (443 if parts.scheme == "https" else 80))
            if not private and not ipaddress.ip_address(address).is_global:
                return Answer(
                    None, f"{host} is the private address {address}; JOBS_WEBHOOKS_PRIVATE=true allows those."
                )
            status = await _post(url, host, address, secret, message_id, at, body)
    except TimeoutError:
        return Answer(None, f"{host} did not answer within {PATIENCE_S:g} s.")
    except (OSError, httpx.HTTPError, UnicodeError) as exc:
        return Answer(None, f"{host} cannot be reached: {str(exc) or type(exc).__name__}.")
    if 300 <= status < 400:
        return Answer(
            status, f"{host} answered {status}, and redirects are not followed. Name the address it leads to."
        )
    return Answer(status, "" if 200 <= status < 300 else f"{host} answered {status}.")


async def _resolve(host: str, port: int) -> str:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return str(found[0][4][0])


async def _post(url: str, host: str, address: str, secret: str, message_id: str, at: datetime, body: bytes) -> int:
    parts = urlsplit(url)
    at_address = f"[{address}]" if ":" in address else address
    pinned = parts._replace(netloc=f"{at_address}:{parts.port}" if parts.port else at_address).geturl()
    headers = {
        "Host": parts.netloc,
        "Content-Type": "application/json",
        "User-Agent": "jobs-webhook",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": signature(secret, message_id, at, body),
    }
    async with (
        httpx.AsyncClient(follow_redirects=False, timeout=PATIENCE_S, trust_env=False) as client,
        client.stream("POST", pinned, content=body, headers=headers, extensions={"sni_hostname": host}) as reply,
    ):
        read = 0
        async for chunk in reply.aiter_raw():
            read += len(chunk)
            if read > MOST_READ_BYTES:
                break
        return reply.status_code
