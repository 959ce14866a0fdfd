"""How every process reaches Redis: one place for addresses, time limits and what counts as "does not answer".

An address is ``redis://``, ``rediss://`` (TLS), ``unix://``, or names Sentinels, which know where the master is now:
``redis+sentinel://[[user]:password@]host:port[,host:port…]/service[/db]`` (``rediss+sentinel://`` with TLS). The
password is used for the sentinels too. A Redis Cluster is refused: the queue's scripts need all its keys in one place.
"""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, Awaitable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import redis
from redis.asyncio import Connection, ConnectionPool, SSLConnection, UnixDomainSocketConnection
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import (
    Sentinel,
    SentinelConnectionPool,
    SentinelManagedConnection,
    SentinelManagedSSLConnection,
)
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, ReadOnlyError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry as SyncRetry
from redis.sentinel import Sentinel as SyncSentinel
from redis.sentinel import SentinelConnectionPool as SyncSentinelConnectionPool

from runlane.addresses import server_of, shown
from runlane.errors import StartRefused

CONNECT_TIMEOUT_S = 2.0
ANSWER_TIMEOUT_S = 3.0
PING_AFTER_S = 5.0
SILENT_AFTER_S = 12.0
OLDEST_SERVER = (6, 2)

# What a call raises when Redis is away, full, loading or read-only: refused connects arrive as ``OSError``.
REDIS_TROUBLE = (RedisError, OSError)

# redis-py's annotation forgets that a refused connect is an OSError
_SENT_AGAIN: Any = (RedisConnectionError, OSError)

log = logging.getLogger(__name__)


class _RaisesWhenClosed(AbstractConnection):
    """Raises the usual error after the server closed the connection, where uvloop would raise ``RuntimeError``."""

    async def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
        try:
            await super().send_packed_command(*args, **kwargs)
        except RuntimeError as exc:
            raise RedisConnectionError(f"The connection is closed: {exc}") from exc


class _DropsReplicas(_RaisesWhenClosed):
    """A connection that is dropped when the server reports that it is read-only.

    After a failover behind one address the old server may still hold our connections, as a replica. Connecting again
    reaches the new one; redis-py does this for Sentinels alone.
    """

    async def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return await super().read_response(*args, **kwargs)
        except ReadOnlyError as exc:
            await self.disconnect()
            raise RedisConnectionError(f"The server is a replica now: {exc}") from exc


class _Plain(_DropsReplicas, Connection):
    pass


class _Tls(_DropsReplicas, SSLConnection):
    pass


class _Unix(_DropsReplicas, UnixDomainSocketConnection):
    pass


class _Managed(_RaisesWhenClosed, SentinelManagedConnection):
    pass


class _ManagedTls(_RaisesWhenClosed, SentinelManagedSSLConnection):
    pass


_OURS: dict[Any, Any] = {
    Connection: _Plain,
    SSLConnection: _Tls,
    UnixDomainSocketConnection: _Unix,
    SentinelManagedConnection: _Managed,
    SentinelManagedSSLConnection: _ManagedTls,
}


class _SentinelPool(SentinelConnectionPool):
    """A pool that also closes the connections to the sentinels, which redis-py leaves open."""

    async def disconnect(self, inuse_connections: bool = True) -> None:
        await super().disconnect(inuse_connections)
        for client in self.sentinel_manager.sentinels:
            await client.aclose()


class _SyncSentinelPool(SyncSentinelConnectionPool):
    """The same for code that runs in a thread."""

    def disconnect(self, inuse_connections: bool = True) -> None:
        super().disconnect(inuse_connections)
        for client in self.sentinel_manager.sentinels:
            client.close()


@dataclass(frozen=True)
class SentinelAddress:
    """The parts of a Sentinel address."""

    sentinels: list[tuple[str, int]]
    service: str
    db: int
    options: dict[str, Any]


def sentinel_address(url: str) -> SentinelAddress | None:
    """The parts of a Sentinel address, or ``None`` if it is another sort of address.

    Raises:
        ValueError: it names no service or no sentinel, or a port or database that is no number.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("redis+sentinel", "rediss+sentinel"):
        return None
    login, _, hosts = parts.netloc.rpartition("@")
    service, _, db = parts.path.strip("/").partition("/")
    sentinels = [(host.rpartition(":")[0], int(host.rpartition(":")[2])) for host in hosts.split(",") if host]
    if not service or not sentinels or not all(host for host, _ in sentinels):
        raise ValueError("a Sentinel address names sentinels as host:port, and a service")
    user, _, password = login.partition(":")
    options: dict[str, Any] = dict(parse_qsl(parts.query))
    if password:
        options["password"] = unquote(password)
    if user:
        options["username"] = unquote(user)
    if parts.scheme == "rediss+sentinel":
        options["ssl"] = True
    return SentinelAddress(sentinels, service, int(db or 0), options)


def connection_pool(url: str, *, answer_timeout_s: float | None = ANSWER_TIMEOUT_S) -> ConnectionPool:
    """A pool for ``url``. A dropped connection is replaced and the call sent once more, then it raises.

    A call that was not answered in time is not sent again: a server that hangs would only hold up its caller twice.

    ``answer_timeout_s`` of ``None`` waits forever, which only a blocking read needs.
    """
    common: dict[str, Any] = {
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_timeout": answer_timeout_s,
        "health_check_interval": 15,
        "retry": Retry(NoBackoff(), 1, supported_errors=_SENT_AGAIN),
    }
    if not url.startswith("unix:"):
        common["socket_keepalive"] = True
    address = sentinel_address(url)
    if address is None:
        pool = ConnectionPool.from_url(url, **common)
        pool.connection_class = _OURS[pool.connection_class]
        return pool
    # without limits of their own, a sentinel that hangs would hang us, and one that is down be tried again and again
    # for many seconds before the next is asked: redis-py passes it none of those above
    limits = {
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_timeout": ANSWER_TIMEOUT_S,
        "retry": Retry(NoBackoff(), 0),
    }
    sentinel = Sentinel(address.sentinels, sentinel_kwargs={**address.options, **limits})  # type: ignore[no-untyped-call]
    options = {**address.options, **common, "db": address.db}
    managed = _SentinelPool(address.service, sentinel, **options)  # type: ignore[no-untyped-call]
    managed.connection_class = _OURS[managed.connection_class]
    return managed


async def quietly(call: Awaitable[object]) -> bool:
    """Await a call whose failure only delays: SQL is committed, and Redis is made to follow it later.

    Whether it went through.
    """
    try:
        await call
    except REDIS_TROUBLE as exc:
        log.warning("Redis does not answer (%s); it will catch up when it is back.", exc)
        return False
    return True


async def subscribe(url: str, channel: str) -> AsyncGenerator[bytes | None]:
    """Every message of a channel from now on; ``None`` comes first: all that is published after it will arrive.

    Ends only by raising one of ``REDIS_TROUBLE``: the connection is lost, or silent for ``SILENT_AFTER_S`` though
    it is pinged. Close it when done, with ``contextlib.aclosing``.
    """
    client = AsyncRedis(connection_pool=connection_pool(url, answer_timeout_s=None))
    loop = asyncio.get_running_loop()
    try:
        async with client.pubsub() as pubsub:
            # not wait_for, which in Python 3.11 may swallow a cancel that comes as the call returns
            async with asyncio.timeout(SILENT_AFTER_S):
                await pubsub.subscribe(channel)
            received_at = loop.time()
            while True:
                message = await pubsub.get_message(timeout=PING_AFTER_S)
                if message is not None:
                    received_at = loop.time()
                    if message["type"] == "subscribe":
                        yield None
                    elif message["type"] == "message":
                        yield message["data"]
                elif loop.time() - received_at > SILENT_AFTER_S:
                    raise TimeoutError("no answer to a ping")  # an OSError: counts as trouble
                else:
                    await pubsub.ping()
    finally:
        await client.aclose(close_connection_pool=True)


def sync_redis(url: str, answer_timeout_s: float = ANSWER_TIMEOUT_S) -> redis.Redis:
    """A client for code that runs in a thread. A call without an answer in time is made once more, connected anew."""
    common: dict[str, Any] = {
        "socket_connect_timeout": CONNECT_TIMEOUT_S,
        "socket_timeout": answer_timeout_s,
        "retry": SyncRetry(NoBackoff(), 1),
    }
    address = sentinel_address(url)
    if address is None:
        return redis.Redis.from_url(url, **common)
    sentinel = SyncSentinel(address.sentinels, sentinel_kwargs={**address.options, **common})  # type: ignore[no-untyped-call]
    options = {**address.options, **common, "db": address.db, "connection_pool_class": _SyncSentinelPool}
    return sentinel.master_for(address.service, **options)  # type: ignore[no-any-return, no-untyped-call]


def place(url: str) -> str:
    """Where an address leads, without its secrets."""
    if (address := sentinel_address(url)) is not None:
        return f"{address.service} of {', '.join(f'{host}:{port}' for host, port in address.sentinels)}"
    if url.startswith("unix:"):
        return url.partition("://")[2].rpartition("@")[2].partition("?")[0]
    server = server_of(url)
    return server if re.search(r":\d+$", server) else f"{server}:6379"


def check_server(url: str) -> str | None:
    """Why the server does not answer; ``None`` if it does, and can do what is needed.

    Raises:
        StartRefused: one sentence: what is wrong, and what to change.
    """
    try:
        with sync_redis(url) as client:
            server, cluster, memory = (client.info(section) for section in ("server", "cluster", "memory"))
    except ValueError as exc:
        hint = "In a password, write / as %2F, # as %23 and @ as %40."
        if "+sentinel:" in url:
            hint = f"A Sentinel address names sentinels as host:port, and a service. {hint}"
        raise StartRefused(f"REDIS_URL is not a usable address: {shown(url)}. {hint}") from exc
    except REDIS_TROUBLE as exc:
        refused = str(exc).startswith(("NOAUTH", "WRONGPASS", "invalid username"))
        if refused or isinstance(exc, AuthenticationError):
            raise StartRefused(f"Redis at {place(url)} wants another password than REDIS_URL has.") from exc
        return str(exc)
    if cluster.get("cluster_enabled"):
        raise StartRefused(
            "REDIS_URL leads to a Redis Cluster, but the queue needs all its keys in one place: use a single server, "
            "or one with Sentinels (redis+sentinel://…)."
        )
    version = tuple(int(part) for part in str(server["redis_version"]).split(".")[:2])
    if version < OLDEST_SERVER:
        raise StartRefused(
            f"REDIS_URL leads to a server that speaks as Redis {server['redis_version']}, but "
            f"{'.'.join(map(str, OLDEST_SERVER))} or newer is needed."
        )
    if memory.get("maxmemory") and memory.get("maxmemory_policy") != "noeviction":
        log.warning(
            "Redis may throw waiting jobs out when its memory is full (maxmemory-policy %s); they would be put back "
            "from SQL, but late. Set it to noeviction.",
            memory["maxmemory_policy"],
        )
    return None


def check_or_wait_for(url: str) -> None:
    """Refuse a server that cannot do what is needed; one that does not answer now is waited for, with a warning."""
    if reason := check_server(url):
        log.warning("Redis at %s does not answer yet (%s); waiting for it.", place(url), reason)
