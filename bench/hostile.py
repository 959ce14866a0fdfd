"""How a server answers while somebody attacks it: large bodies, a crowd of connections, lists of large results.

Prints for each attack the median and the longest time of ``/healthz``, and what the app's memory grew by; writes
``bench/results/<time>.json``. The attacks are those of ``testbed.attacks``, from a process of their own.

    python -m bench.hostile
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable
from pathlib import Path

import httpx
import psutil

from bench import report
from bench.stack import Ours, Process, Stage
from runlane.core.attempts import completed
from testbed.attacks import attacking
from testbed.attempts import end_attempt, start_attempt
from testbed.waiting import until

ASK_EVERY_S = 0.02
RESULT_BYTES = 9_900_000
LARGE_JOBS = 200
LISTS = 4
HELD_S = 5.0


class Watch:
    """Asks ``/healthz`` all the time, and follows the memory of the app."""

    def __init__(self, client: httpx.AsyncClient, app: Process) -> None:
        self._client = client
        self._app = app.process
        self.took_s: list[float] = []
        self.most_bytes = 0

    async def during(self, attack: Awaitable[object]) -> object:
        """What the attack gives."""
        self.took_s, self.most_bytes = [], self._bytes()
        before = self.most_bytes
        attacking = asyncio.ensure_future(attack)
        while not attacking.done():
            began = time.perf_counter()
            (await self._client.get("/healthz")).raise_for_status()
            self.took_s.append(time.perf_counter() - began)
            self.most_bytes = max(self.most_bytes, self._bytes())
            await asyncio.sleep(ASK_EVERY_S)
        self.grown_bytes = self.most_bytes - before
        return await attacking

    def _bytes(self) -> int:
        return int(self._app.memory_info().rss)

    def figures(self) -> dict[str, float]:
        return {
            "asked": len(self.took_s),
            "median_ms": round(1000 * statistics.median(self.took_s), 1),
            "longest_ms": round(1000 * max(self.took_s), 1),
            "grown_mb": round(self.grown_bytes / 1e6, 1),
        }


async def attack(name: str, url: str, held_s: float = 0.0) -> dict[str, int]:
    """What came of one attack, which has all it wants for so long."""
    async with attacking(name, url) as found:
        await asyncio.sleep(held_s)
    return found


def connections(process: psutil.Process) -> int:
    """How many clients are connected to it."""
    return sum(each.status == psutil.CONN_ESTABLISHED for each in process.net_connections("tcp"))


async def large_jobs(ours: Ours) -> None:
    for number in range(LARGE_JOBS):
        job = await ours.submit("noop")
        await start_attempt(ours.service, job.id, "bench")
        await end_attempt(ours.service, completed(job.id, 1, {"text": str(number) + "x" * RESULT_BYTES}))


async def measure(folder: Path) -> dict[str, object]:
    stage = Stage(folder)
    stage.start()
    found: dict[str, object] = {}
    try:
        async with stage.ours() as ours, ours.app() as client:
            app = ours.process
            watch, url = Watch(client, app), str(client.base_url).rstrip("/")
            await watch.during(asyncio.sleep(2))
            found["nothing"] = watch.figures()

            await large_jobs(ours)
            await client.get("/api/jobs", params={"limit": 1})

            async def lists() -> None:
                await asyncio.gather(*(client.get("/api/jobs", params={"limit": 200}) for _ in range(LISTS)))

            await watch.during(lists())
            found["4 lists of jobs with 9.9 MB results"] = watch.figures()

            before = connections(app.process)
            answers = await watch.during(attack("bodies", url))
            found["20 clients with 10 MB bodies"] = watch.figures() | {"answers": answers}

            kept = await watch.during(attack("crowd", url, HELD_S))
            found["2200 connections"] = watch.figures() | {"kept": kept}
            began = time.perf_counter()

            async def left() -> int:
                return connections(app.process)

            await until(left, lambda number: number <= before + 1, every_s=0.1)
            found["2200 connections"] |= {"freed_s": round(time.perf_counter() - began, 1)}  # type: ignore[operator]
    finally:
        stage.redis.stop()
    return found


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "").parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(measure(Path(folder)))
    for name, figures in found.items():
        print(f"{name}: {json.dumps(figures)}")
    print(f"Written to {report.write(report.machine(), found)}.")


if __name__ == "__main__":
    main()
