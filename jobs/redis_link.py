"""How every process reaches Redis: one place for addresses, time limits and what counts as "does not answer"."""

from typing import Any

import redis
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

CONNECT_TIMEOUT_S = 2.0
ANSWER_TIMEOUT_S = 5.0

REDIS_TROUBLE = (RedisError, OSError)
"""What a call raises when Redis is away, full, loading or read-only: refused connects arrive as ``OSError``."""

# redis-py's annotation forgets that a refused connect is an OSError
_SENT_AGAIN: Any = (RedisConnectionError, RedisTimeoutError, OSError)


def connection_pool(url: str, *, answer_timeout_s: float | None = ANSWER_TIMEOUT_S) -> ConnectionPool:
    """A pool for ``url``. A dropped connection is replaced and the call sent once more, then it raises.

    ``answer_timeout_s`` of ``None`` waits for ever, which only a blocking read wants.
    """
    return ConnectionPool.from_url(
        url,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        socket_timeout=answer_timeout_s,
        socket_keepalive=True if not url.startswith("unix:") else None,
        health_check_interval=15,
        retry=Retry(NoBackoff(), 1, supported_errors=_SENT_AGAIN),
    )


def sync_redis(url: str) -> redis.Redis:
    """A client for code that runs in a thread, with the same time limits."""
    return redis.Redis.from_url(
        url,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        socket_timeout=ANSWER_TIMEOUT_S,
        health_check_interval=15,
    )
