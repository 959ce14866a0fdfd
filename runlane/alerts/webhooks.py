"""Reporting to another server over HTTP: signed, only to public addresses unless allowed, and with a short time limit.

Signed by the Standard Webhooks specification, so that receivers check it with a library: the signature is an
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
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import SplitResult, urlsplit

import httpx

from runlane.alerts.guard import Address, Network, refusal
from runlane.alerts.records import Answer

PATIENCE_S = 10.0
# of the answer; nothing in it matters but its status
MAX_READ_BYTES = 16_384
PREFIX = "whsec_"
# a name that takes longer is resolved when something is sent
RESOLVE_WITHIN_S = 3.0


def new_secret() -> str:
    """A key to sign with, as receivers take it."""
    return PREFIX + base64.b64encode(secrets.token_bytes(24)).decode()


def signature(secret: str, message_id: str, at: datetime, body: bytes) -> str:
    """The ``webhook-signature`` header of a message."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    signed = f"{message_id}.{int(at.timestamp())}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def wrong_with(url: str) -> str:
    """Why ``url`` cannot be sent to, judging by its text alone; empty when it may be."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        return f"is not an address: {exc}"
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        return "must be an http:// or https:// address"
    if any(character <= " " or character == "\x7f" for character in url):
        return "must not hold blanks or control characters"
    return "must not hold a name or password" if "@" in parts.netloc else ""


async def leads_inside(url: str, allowed: Sequence[Network] = ()) -> str:
    """Why ``url`` may not be sent to, judging by where its name leads now; empty when it may, or nobody knows."""
    parts = urlsplit(url)
    try:
        async with asyncio.timeout(RESOLVE_WITHIN_S):
            found = await _resolve(parts)
    except (OSError, UnicodeError):  # a TimeoutError is one
        return ""
    return refusal(parts.hostname or "", found, allowed)


async def send(
    url: str, secret: str, message_id: str, at: datetime, body: bytes, *, allowed: Sequence[Network] = ()
) -> Answer:
    """Send ``body``, which is JSON; whether it was accepted, or why not. Never raises.

    ``allowed``: networks that may be sent to though they are not public.
    """
    if wrong := wrong_with(url):
        return Answer(None, f"The address {wrong}.", final=True)
    parts = urlsplit(url)
    host = parts.hostname or ""
    try:
        async with asyncio.timeout(PATIENCE_S):
            found = await _resolve(parts)
            if against := refusal(host, found, allowed):
                return Answer(None, f"{host} {against}.", final=True)
            status = await _post(url, host, found, secret, message_id, at, body)
    except TimeoutError:
        return Answer(None, f"{host} did not answer within {PATIENCE_S:g} s.")
    except httpx.InvalidURL as exc:
        return Answer(None, f"The address is none that can be sent to: {exc}.", final=True)
    except (OSError, httpx.HTTPError, UnicodeError) as exc:
        return Answer(None, f"{host} cannot be reached: {str(exc) or type(exc).__name__}.")
    if 300 <= status < 400:
        return Answer(
            status, f"{host} answered {status}, and redirects are not followed. Name the address it leads to."
        )
    return Answer(status, "" if 200 <= status < 300 else f"{host} answered {status}.")


async def _resolve(parts: SplitResult) -> Address:
    port = parts.port or (443 if parts.scheme == "https" else 80)
    found = await asyncio.get_running_loop().getaddrinfo(parts.hostname, port, type=socket.SOCK_STREAM)
    return ipaddress.ip_address(found[0][4][0])


async def _post(url: str, host: str, address: Address, secret: str, message_id: str, at: datetime, body: bytes) -> int:
    parts = urlsplit(url)
    at_address = f"[{address}]" if address.version == 6 else str(address)
    pinned = parts._replace(netloc=f"{at_address}:{parts.port}" if parts.port else at_address).geturl()
    headers = {
        "Host": parts.netloc,
        "Content-Type": "application/json",
        "User-Agent": "runlane-webhook",
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
            if read > MAX_READ_BYTES:
                break
        return reply.status_code
