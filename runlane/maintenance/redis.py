"""Maintenance of Redis: its memory, clients, persistence and speed, and what is wrong with it."""

import asyncio
import contextlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from runlane.clock import ahead_s
from runlane.queue import keys
from runlane.queue.redis_client import connection_pool, subscribe

ROUND_TRIP_WITHIN_S = 2.0
SLOWEST = 10
MAX_COMMAND_LENGTH = 120
SAFE_POLICY = "noeviction"


@dataclass(frozen=True)
class SlowCommand:
    """A command that took long; the values that it was given are left out."""

    at: datetime
    took_ms: float
    command: str


@dataclass(frozen=True)
class RedisInfo:
    """``None`` where the server does not report it. ``round_trip_ms``: from publishing a message to receiving it."""

    version: str
    uptime_s: int
    memory_bytes: int
    memory_peak_bytes: int
    memory_limit_bytes: int
    eviction_policy: str
    clients: int
    blocked_clients: int
    commands_a_second: int
    append_only: bool | None
    last_save_ok: bool
    last_append_ok: bool
    role: str
    ping_ms: float
    round_trip_ms: float | None
    clock_ahead_s: float
    slow: list[SlowCommand]
    troubles: list[str]


class RedisMaintenance:
    """One Redis server. Every method raises one of ``REDIS_TROUBLE`` when it is away."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._redis = Redis(connection_pool=connection_pool(url))

    async def info(self) -> RedisInfo:
        began = time.monotonic()
        await self._redis.time()
        ping_ms = 1000 * (time.monotonic() - began)
        reported: dict[str, Any] = await self._redis.info("everything")
        slow = await self._slow()
        found = RedisInfo(
            version=f"{'Valkey' if 'valkey_version' in reported else 'Redis'} "
            f"{reported.get('valkey_version') or reported.get('redis_version', '?')}",
            uptime_s=int(reported.get("uptime_in_seconds", 0)),
            memory_bytes=int(reported.get("used_memory", 0)),
            memory_peak_bytes=int(reported.get("used_memory_peak", 0)),
            memory_limit_bytes=int(reported.get("maxmemory", 0)),
            eviction_policy=str(reported.get("maxmemory_policy", "")),
            clients=int(reported.get("connected_clients", 0)),
            blocked_clients=int(reported.get("blocked_clients", 0)),
            commands_a_second=int(reported.get("instantaneous_ops_per_sec", 0)),
            append_only=bool(reported["aof_enabled"]) if "aof_enabled" in reported else None,
            last_save_ok=reported.get("rdb_last_bgsave_status", "ok") == "ok",
            last_append_ok=reported.get("aof_last_write_status", "ok") == "ok",
            role=str(reported.get("role", "")),
            ping_ms=ping_ms,
            round_trip_ms=await self._round_trip_ms(),
            clock_ahead_s=-ahead_s(),
            slow=slow,
            troubles=[],
        )
        found.troubles.extend(troubles(found))
        return found

    async def _slow(self) -> list[SlowCommand]:
        try:
            entries = await self._redis.slowlog_get(SLOWEST)
        except ResponseError:  # hosted servers often forbid it
            return []
        return [
            SlowCommand(
                datetime.fromtimestamp(entry["start_time"], UTC),
                entry["duration"] / 1000,
                entry["command"].split(b" ")[0].decode(errors="replace")[:MAX_COMMAND_LENGTH],
            )
            for entry in entries
        ]

    async def _round_trip_ms(self) -> float | None:
        with contextlib.suppress(TimeoutError):
            async with (
                asyncio.timeout(ROUND_TRIP_WITHIN_S),
                contextlib.aclosing(subscribe(self._url, keys.ROUND_TRIP)) as messages,
            ):
                began = time.monotonic()
                async for message in messages:
                    if message is not None:
                        return 1000 * (time.monotonic() - began)
                    began = time.monotonic()
                    await self._redis.publish(keys.ROUND_TRIP, "?")
        return None

    async def close(self) -> None:
        await self._redis.aclose(close_connection_pool=True)


def troubles(info: RedisInfo) -> list[str]:
    """What is wrong with the server and what to do, in sentences."""
    found = []
    if info.eviction_policy not in ("", SAFE_POLICY) and info.memory_limit_bytes:
        found.append(
            f"Redis may throw waiting jobs away when its memory is full (maxmemory-policy {info.eviction_policy}). "
            f"They come back from SQL, but late. Set it to {SAFE_POLICY}."
        )
    if info.memory_limit_bytes and info.memory_bytes > 0.9 * info.memory_limit_bytes:
        found.append("Redis has used more than nine tenths of the memory it may use. Give it more.")
    if not info.last_save_ok or not info.last_append_ok:
        found.append("Redis could not write to its disk. Check its log; until then a restart of it loses the queue.")
    if info.append_only is False:
        found.append(
            "Redis keeps no append-only file, so it begins empty after a crash. Nothing is lost, for SQL has it all, "
            "but waiting jobs start some seconds late."
        )
    if info.role not in ("", "master"):
        found.append(f"This Redis is a {info.role}, which takes no writes. Point REDIS_URL at the primary or Sentinel.")
    if info.round_trip_ms is None:
        found.append("A published message did not arrive within two seconds: pages may lag behind.")
    if abs(info.clock_ahead_s) > 1:
        found.append(
            f"The clock of Redis is {abs(info.clock_ahead_s):.1f} s off this server's; Redis's is what counts."
        )
    return found
