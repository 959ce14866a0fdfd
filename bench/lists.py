"""How long the store takes for what the pages ask of it, with a million jobs: lists, filters, sorts, pages, counts.

Prints the median and the 99th percentile of each, and writes ``bench/results/<time>.json``. The database is made by
``bench.seed`` first, unless there is one in the folder.

    python -m bench.lists /tmp/many --jobs 1000000
"""

import argparse
import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from bench import report
from bench.seed import seed
from jobs.clock import utc_now
from jobs.database import Database
from jobs.matching import JobFilter
from jobs.models import JobStatus
from jobs.store import SORTS, Store

TIMES = 40
QUERIES = (
    "kind:noisy",
    "status:failed kind:flaky",
    "-status:completed",
    "error:timedout",
    "params.url:example.com/42",
    "message:title",
    "after:2h",
    "before:300d",
    "slow:>60s",
    "priority:>5",
    "nowhere-to-be-found",
)


class Lists:
    """One database, and what was measured on it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._figures = report.Figures()

    async def measure(self) -> None:
        page = self._store.page
        for sort in SORTS:
            await self._time(f"list by {sort}", lambda sort=sort: page(sort=sort, limit=50, brief=True))
            first = await page(sort=sort, limit=50)
            after = first.next_cursor
            await self._time(
                f"next page by {sort}",
                lambda sort=sort, after=after: page(sort=sort, limit=50, cursor=after, brief=True),
            )
        for status in JobStatus:
            wanted = JobFilter(statuses=(status,))
            await self._time(f"list of {status}", lambda wanted=wanted: page(wanted, limit=50, brief=True))
        for text in QUERIES:
            wanted = JobFilter(text=text)
            await self._time(f"list of {text}", lambda wanted=wanted: page(wanted, limit=50, brief=True))
        await self._time("counts", self._store.counts)
        await self._time("failures by cause", lambda: self._store.failures.groups(utc_now()))
        await self._time("run times of a kind", lambda: self._store.run_times("web_agent", 50))
        [job] = (await page(limit=1)).jobs
        await self._time("neighbours of a job", lambda: self._store.neighbours(job))
        failed = JobFilter(statuses=(JobStatus.FAILED,))
        await self._time("neighbours of a job among the failed", lambda: self._store.neighbours(job, failed))
        await self._time("preview of an action on all failed", lambda: self._store.count_by_status(failed))
        await self._time("oldest queued", self._store.oldest_queued_at)

    async def _time(self, figure: str, ask: Callable[[], Awaitable[Any]]) -> None:
        took = []
        for _ in range(TIMES):
            began = time.perf_counter()
            await ask()
            took.append(time.perf_counter() - began)
            if sum(took) > 10:
                break
        self._figures.delays(figure, report.OURS, took)
        print(f"{figure:45} {1000 * report.percentile(took, 50):9.1f} {1000 * report.percentile(took, 99):9.1f} ms")

    def as_json(self) -> dict[str, Any]:
        return self._figures.as_json()


async def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("folder", type=Path)
    options.add_argument("--jobs", type=int, default=1_000_000)
    given = options.parse_args()
    path = given.folder / "jobs.db"
    if not path.exists():
        seed(path, given.jobs, random.Random(1))
    database = Database(f"sqlite:///{path}")
    lists = Lists(Store(database))
    try:
        await lists.measure()
    finally:
        await database.close()
    print(f"Written to {report.write(report.machine(), lists.as_json())}.")


if __name__ == "__main__":
    asyncio.run(main())
