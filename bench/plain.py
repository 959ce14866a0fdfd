"""What a plain function costs over a call: from the worker's await to its result, with processes that are warm.

python -m bench.plain
"""

import asyncio
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

import uvloop

from runlane import Context, Finished, SyncContext, job
from runlane.define.context import LogLevel, Saved
from runlane.engine.plain.pool import PlainPool
from runlane.engine.processes import close_spawner
from testbed.waiting import until

ROUNDS = 500
REPORTS = 500
AT_ONCE = 5


@job(name="bench.echo")
def echo(value: Any) -> Any:
    return value


@job(name="bench.report")
def report(count: int, ctx: SyncContext) -> None:
    for _ in range(count):
        ctx.progress(1, 2)


class Silent(Context):
    """Takes reports, and does nothing with them."""

    async def progress(self, done: float, total: float, message: str | None = None) -> None: ...

    async def step(self, message: str, done: float | None = None, total: float | None = None) -> None: ...

    async def log(self, line: str, level: LogLevel = "info") -> None: ...

    async def artifact(self, name: str, content: bytes, media_type: str = "application/octet-stream") -> None: ...

    async def _keep(self, saved: Saved, *, wait: bool = False) -> None: ...

    async def process(
        self, *argv: str, cwd: str | None = None, env: Mapping[str, str] | None = None, check: bool = True
    ) -> Finished:
        raise AssertionError("no job here runs a program")

    async def thread(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        raise AssertionError("no job here runs a thread")


def shown(times_s: list[float]) -> str:
    times_ms = sorted(1000 * each for each in times_s)
    return f"p50 {statistics.median(times_ms):.2f} ms, p99 {times_ms[int(len(times_ms) * 0.99)]:.2f} ms"


async def timed(pool: PlainPool, job: Any, **params: Any) -> float:
    began = time.perf_counter()
    await pool.run(job, params, Silent(uuid4(), 1), grace_s=lambda: 1.0)
    return time.perf_counter() - began


async def main() -> None:
    pool = PlainPool(["bench.plain"], AT_ONCE)
    began = time.perf_counter()
    pool.open()

    async def ready() -> int:
        return pool.ready

    await until(ready, lambda count: count >= 1)
    print(f"first process ready        {1000 * (time.perf_counter() - began):.0f} ms")
    await until(ready, lambda count: count == AT_ONCE)
    print(f"one job at a time          {shown([await timed(pool, echo, value=[1, 2]) for _ in range(ROUNDS)])}")
    batches = [
        await asyncio.gather(*(timed(pool, echo, value=[1, 2]) for _ in range(AT_ONCE)))
        for _ in range(ROUNDS // AT_ONCE)
    ]
    print(f"{AT_ONCE} jobs at once             {shown([each for batch in batches for each in batch])}")
    print(f"one report of a context    {1000 * await timed(pool, report, count=REPORTS) / REPORTS:.3f} ms")
    await pool.close()
    await close_spawner()


if __name__ == "__main__":
    uvloop.run(main())
