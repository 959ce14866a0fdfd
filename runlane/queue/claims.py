"""The worker half of the queue: claim jobs, keep their leases, give them up. Each call is one Lua script in one trip.

A claim is a lease on a job: its worker renews it, and when it is over the job falls due again. The token makes a claim
different from every other, so that a worker that lost a job and is late cannot touch the next one's claim.
"""

import logging
import time
from collections.abc import Awaitable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from redis.asyncio import Redis

from runlane import clock
from runlane.queue import keys
from runlane.queue.client import id_in
from runlane.queue.redis_client import connection_pool

SCRIPTS = Path(__file__).parent / "lua"
IDLE_READ_S = 30.0
# What has fallen due goes to the next worker if the first has not dealt with it by then.
DEAL_WITHIN_MS = 5_000
# What is left to a worker to renew a lease that is over. Its heartbeat tries every half second while Redis is away, and
# gives up a connection that does not answer after a second.
LAST_CALL_MS = 2_000

log = logging.getLogger(__name__)


@cache
def script(name: str) -> str:
    """The text of a script, with the names of keys and what all scripts share in front."""
    return keys.as_lua() + "".join((SCRIPTS / f"{part}.lua").read_text() for part in ("common", name))


@dataclass(frozen=True)
class Claim:
    """A job that this worker may run. ``body`` is arq's; ``None`` if Redis lost it."""

    job_id: UUID
    token: str
    body: bytes | None = None


@dataclass(frozen=True)
class Claimed:
    """What a call for jobs gave: how many more may run over all workers, and how long until a rate allows more."""

    claims: list[Claim]
    emptied: bool
    room: int
    wait_s: float | None
    concurrency: int
    passed: int
    generation: int
    """The generation of Redis that the claims are from, see ``runlane.core.generation``."""


@dataclass(frozen=True)
class Due:
    """Scheduled names whose time has come, claims whose lease is over, and in how many seconds to check again."""

    at: datetime
    next_s: float | None
    names: list[str]
    lost: list[Claim]


class Claims:
    """The claims of one worker. Every method raises one of ``REDIS_TROUBLE`` when Redis is away."""

    def __init__(
        self,
        redis: Redis,
        url: str,
        worker_id: str,
        kinds: Sequence[str],
        lease_s: float,
        *,
        idle_read_s: float = IDLE_READ_S,
    ) -> None:
        self.lease_s = lease_s
        self._idle_read_s = idle_read_s
        self._worker_id = worker_id
        self._kinds = list(kinds)
        self._lease_ms = round(lease_s * 1000)
        self._numbered = 0
        self._scripts = {
            name: redis.register_script(script(name)) for name in ("claim", "release", "restore", "adopt", "due")
        }
        self._idle = Redis(connection_pool=connection_pool(url, answer_timeout_s=None))

    async def claim(self, ended: Iterable[Claim], max_count: int, passing: Sequence[Claim] = ()) -> Claimed:
        """Give up the claims of ended jobs, and claim up to ``max_count`` more.

        ``passing``: claims whose code has ended and whose end is being recorded; their slots may be used again for
        what is claimed now. They are given up later, as ended ones.
        """
        first, self._numbered = self._numbered, self._numbered + max_count
        kinds = self._kinds
        _, emptied, room, wait_ms, concurrency, passed, generation, *found = await self._call(
            "claim",
            self._worker_id,
            first,
            self._lease_ms,
            max_count,
            len(kinds),
            *kinds,
            *(len(passing), *_pairs(passing)),
            *_pairs(ended),
        )
        claims = await self._ours(list(zip(found[::3], found[1::3], found[2::3], strict=True)))
        wait_s = None if wait_ms < 0 else wait_ms / 1000
        return Claimed(claims, bool(emptied), room, wait_s, concurrency, passed, generation)

    async def wait_for_work(self) -> None:
        """Return when there may be something to claim, or after ``idle_read_s``."""
        await self._idle.bzpopmin([keys.WAKE + kind for kind in self._kinds], timeout=self._idle_read_s)

    async def release(self, claims: Iterable[Claim]) -> None:
        """Give up claims without asking for others."""
        await self._call("release", *_pairs(claims))

    async def restore(self, claims: Iterable[Claim]) -> set[UUID]:
        """Claim again jobs that run here; those that another holds by now."""
        _, *others = await self._call("restore", self._lease_ms, *_pairs(claims))
        return {UUID(job_id.decode()) for job_id in others}

    async def adopt(self, running: Iterable[tuple[UUID, str]]) -> int:
        """Give a lease to those of the running jobs, as id and kind, that have none; how many."""
        pairs = [part for job_id, kind in running for part in (str(job_id), kind)]
        _, adopted = await self._call("adopt", self._lease_ms, *pairs)
        return int(adopted)

    async def due(self, max_count: int = 500) -> Due:
        """What has fallen due, for this worker to deal with."""
        now_us, next_ms, count, *found = await self._call("due", max_count, DEAL_WITHIN_MS, LAST_CALL_MS)
        names, lost = found[:count], found[count:]
        now_s = now_us / 1e6
        return Due(
            datetime.fromtimestamp(now_s, UTC),
            None if next_ms < 0 else max(0.0, next_ms / 1000 - now_s),
            [name.decode(errors="replace") for name in names],
            await self._ours([(job_id, token, None) for job_id, token in zip(lost[::2], lost[1::2], strict=True)]),
        )

    async def close(self) -> None:
        await self._idle.aclose(close_connection_pool=True)

    async def _ours(self, found: Sequence[tuple[bytes, bytes, bytes | None]]) -> list[Claim]:
        """The claims with the id of a job; anything else was put in the queue by others, and is dropped."""
        claims = [Claim(job_id, token.decode(), body) for name, token, body in found if (job_id := id_in(name))]
        if len(claims) < len(found):
            foreign = [(name, token) for name, token, _ in found if id_in(name) is None]
            for name, _ in foreign:
                log.warning("The queue's entry %r is not ours; dropping it.", name.decode(errors="replace"))
            await self._call("release", *(part for pair in foreign for part in pair))
        return claims

    async def _call(self, name: str, *arguments: Any) -> Any:
        sent_s = time.time()
        reply = await cast("Awaitable[Any]", self._scripts[name](args=arguments))
        clock.learn(sent_s, time.time(), reply[0] / 1e6)
        return reply


def _pairs(claims: Iterable[Claim]) -> list[str]:
    return [part for claim in claims for part in (str(claim.job_id), claim.token)]
