"""What a plain function costs over a call: from the worker's await to its result, with processes that are warm.

python -m bench.plain
"""

import asyncio
import statistics
import time

import uvloop

from runlane.engine.plain.pool import PlainPool
from runlane.engine.processes import close_spawner
from testbed import plain_jobs
from testbed.plain import MODULE, Recorder
from testbed.waiting import until

ROUNDS = 500
REPORTS = 500
AT_ONCE = 5


def shown(times_s: list[float]) -> str:
    times_ms = sorted(1000 * each for each in times_s)
    return f"p50 {statistics.median(times_ms):.2f} ms, p99 {times_ms[int(len(times_ms) * 0.99)]:.2f} ms"


async def timed(pool: PlainPool) -> float:
    began = time.perf_counter()
    await pool.run(plain_jobs.echo, {"value": {"rows": [1, 2, 3]}}, Recorder(), grace_s=lambda: 1.0)
    return time.perf_counter() - began


async def main() -> None:
    pool = PlainPool([MODULE], AT_ONCE)
    began = time.perf_counter()
    pool.open()

    async def ready() -> int:
        return pool.ready

    await until(ready, lambda count: count >= 1)
    print(f"first process ready        {1000 * (time.perf_counter() - began):.0f} ms")
    await until(ready, lambda count: count == AT_ONCE)
    print(f"one job at a time          {shown([await timed(pool) for _ in range(ROUNDS)])}")
    batches = [await asyncio.gather(*(timed(pool) for _ in range(AT_ONCE))) for _ in range(ROUNDS // AT_ONCE)]
    print(f"{AT_ONCE} jobs at once             {shown([each for batch in batches for each in batch])}")
    began = time.perf_counter()
    await pool.run(plain_jobs.report_much, {"reports": REPORTS}, Recorder(), grace_s=lambda: 1.0)
    print(f"one report of a context    {1000 * (time.perf_counter() - began) / REPORTS:.3f} ms")
    await pool.close()
    await close_spawner()


if __name__ == "__main__":
    uvloop.run(main())
