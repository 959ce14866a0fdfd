"""How long the store takes for what the pages ask of it, with a million jobs: lists, filters, sorts, pages, counts.

Prints the median and the 99th percentile of each, and writes ``bench/results/<time>.json``. The database is made by
``bench.seed`` first, unless there is one in the folder. With ``--postgresql`` the jobs are brought to a server of its
own as well, which takes some minutes, and the same is asked of that.

    python -m bench.lists /tmp/many --jobs 1000000 --postgresql
"""

import argparse
import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psycopg

from bench import report
from bench.seed import seed
from runlane.clock import utc_now
from runlane.core.counts import Counts
from runlane.core.pagination import SORTS
from runlane.core.reader import JobReader
from runlane.db.database import Database
from runlane.db.transfer import transfer
from runlane.metrics.failures import Failures
from runlane.model.status import JobStatus
from runlane.search.matching import JobFilter
from runlane.search.text_index import TextIndex
from testbed.postgres_server import PostgresServer

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
    "params.url:example.com/4242",
    "finished_after:7200h finished_before:7190h",
    "attempt:>50",
    "slow:>10h",
)


class Lists:
    """One database, and what is asked of it."""

    def __init__(self, system: str, database: Database, figures: report.Figures) -> None:
        self._system = system
        self._reader, self._counts, self._failures = JobReader(database), Counts(database), Failures(database)
        self._figures = figures

    async def measure(self) -> None:
        page = self._reader.page
        for sort in SORTS:
            await self._time(f"list by {sort}", lambda sort=sort: page(sort=sort, limit=50, brief=True))
            first = await page(sort=sort, limit=50)
            after = first.next_cursor
            await self._time(
                f"next page by {sort}",
                lambda sort=sort, after=after: page(sort=sort, limit=50, cursor=after, brief=True),
            )
        for status in JobStatus:
            job_filter = JobFilter(statuses=(status,))
            await self._time(f"list of {status}", lambda job_filter=job_filter: page(job_filter, limit=50, brief=True))
        for text in QUERIES:
            job_filter = JobFilter(text=text)
            await self._time(f"list of {text}", lambda job_filter=job_filter: page(job_filter, limit=50, brief=True))
        await self._time("counts", self._counts.all)
        await self._time("failures by cause", lambda: self._failures.groups(utc_now()))
        await self._time("run times of a kind", lambda: self._reader.run_times("web_agent", 50))
        [job] = (await page(limit=1)).jobs
        await self._time("neighbours of a job", lambda: self._reader.neighbours(job))
        failed = JobFilter(statuses=(JobStatus.FAILED,))
        await self._time("neighbours of a job among the failed", lambda: self._reader.neighbours(job, failed))
        await self._time("preview of an action on all failed", lambda: self._reader.count_by_status(failed))
        await self._time("oldest queued", self._reader.oldest_queued_at)

    async def _time(self, figure: str, ask: Callable[[], Awaitable[Any]]) -> None:
        took = []
        for _ in range(TIMES):
            began = time.perf_counter()
            await ask()
            took.append(time.perf_counter() - began)
            if sum(took) > 10:
                break
        self._figures.delays(figure, self._system, took)
        p50, p99 = (1000 * report.percentile(took, rank) for rank in (50, 99))
        print(f"{self._system:10} {figure:45} {p50:9.1f} {p99:9.1f} ms", flush=True)


async def measure(system: str, url: str, figures: report.Figures) -> None:
    database = Database(url)
    try:
        await Lists(system, database, figures).measure()
    finally:
        await database.close()


async def bring(path: Path, url: str) -> None:
    """Fill a PostgreSQL database with the jobs of a SQLite file, ready to be asked."""
    began = time.perf_counter()
    moved = transfer(f"sqlite:///{path}", url)
    took_s, rows = time.perf_counter() - began, sum(table.rows for table in moved)
    print(f"{rows:,} rows were copied and compared in {took_s:.0f} s, {rows / took_s:,.0f} a second.", flush=True)
    began = time.perf_counter()
    database = Database(url)
    notes = await TextIndex(database).catch_up()
    await database.close()
    print(f"The words of {notes:,} jobs were indexed in {time.perf_counter() - began:.0f} s.", flush=True)
    with psycopg.connect(url, autocommit=True) as db:
        db.execute("VACUUM ANALYZE")


async def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("folder", type=Path)
    options.add_argument("--jobs", type=int, default=1_000_000)
    options.add_argument("--postgresql", action="store_true", help="ask a PostgreSQL server too")
    given = options.parse_args()
    path = given.folder / "runlane.db"
    if not path.exists():
        await asyncio.to_thread(seed, path, given.jobs, random.Random(1))
    figures = report.Figures()
    await measure("SQLite", f"sqlite:///{path}", figures)
    if given.postgresql:
        server = PostgresServer(fsync=True)
        try:
            server.start()
            url = server.create("many")
            await bring(path, url)
            await measure("PostgreSQL", url, figures)
        finally:
            server.stop()
    print(f"Written to {report.write(report.machine(), figures.as_json())}.")


if __name__ == "__main__":
    asyncio.run(main())
