"""How fast the admin pages are with a million jobs and ninety days of figures, and what cleaning up costs the workers.

Prints three tables and writes ``bench/results/<time>-admin.json``: how long the server takes to open each tab; the rate
at which 100,000 jobs are removed for good, with how long jobs wait for a worker during that and before; and what twenty
admin pages cost while nothing happens. The database is made by ``bench.seed`` first, unless there is one in the folder;
it is copied, so that it serves again.

    python -m bench.admin /tmp/many --jobs 1000000
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import reflex as rx
from reflex.istate.data import RouterData

import jobs_app.app  # noqa: F401 - registers the pages
from bench.measure import Product, _app, _connected_page
from bench.report import RESULTS, percentile
from bench.seed import seed
from jobs_app import composition, routes, runtime
from jobs_app.admin.alerts.state import AdminAlerts
from jobs_app.admin.events.state import AdminAudit, AdminEvents
from jobs_app.admin.kinds.state import AdminKinds
from jobs_app.admin.metrics.state import AdminMetrics
from jobs_app.admin.overview import overview
from jobs_app.admin.queue.state import AdminQueue
from jobs_app.admin.schedules.state import AdminSchedules
from jobs_app.admin.state import Admin
from jobs_app.admin.system.state import AdminSystem
from runlane.db.schema import migrate
from runlane.model.requests import Submission
from runlane.model.status import JobStatus
from runlane.search.matching import JobFilter
from runlane.settings import read_settings
from testbed.redis_server import RedisServer
from testbed.waiting import until

TIMES = 5
CLEANED = 100_000
PROBES_EVERY_S = 0.05
CALM_S = 10.0
PAGES = 20
IDLE_S = 20.0
TABS: dict[str, tuple[type[rx.State], str]] = {
    "overview": (Admin, routes.ADMIN),
    "queue": (AdminQueue, routes.ADMIN_QUEUE),
    **{
        f"metrics, {window}": (AdminMetrics, f"{routes.ADMIN_METRICS}?window={window}")
        for window in ("1h", "7d", "90d")
    },
    "workers": (Admin, routes.ADMIN_WORKERS),
    "schedules": (AdminSchedules, routes.ADMIN_SCHEDULES),
    "kinds": (AdminKinds, routes.ADMIN_KINDS),
    "alerts": (AdminAlerts, routes.ADMIN_ALERTS),
    "system": (AdminSystem, routes.ADMIN_SYSTEM),
    "events": (AdminEvents, routes.ADMIN_EVENTS),
    "audit": (AdminAudit, routes.ADMIN_AUDIT),
}


async def opening() -> dict[str, float]:
    """Milliseconds that the server takes for what a tab asks when it is opened: the median, nothing read before."""
    found = {}
    for name, (state, address) in TABS.items():
        took = []
        for _ in range(TIMES):
            root = rx.State(_reflex_internal_init=True)  # type: ignore[call-arg]
            query = dict(part.split("=") for part in address.partition("?")[2].split("&") if part)
            root.router = RouterData.from_router_data(
                {"pathname": address.partition("?")[0], "asPath": address, "query": query, "headers": {}}
            )
            forget()
            began = time.perf_counter()
            await (await root.get_state(Admin)).load()
            if state is not Admin:
                loaded = (await root.get_state(state)).load()
                await loaded if asyncio.iscoroutine(loaded) else None
            took.append(1000 * (time.perf_counter() - began))
        found[name] = round(statistics.median(took), 1)
    return found


def forget() -> None:
    """Forget what is shared between tabs, so that everything is read again."""
    runtime.current().caches.forget()


async def cleaning(active: runtime.Runtime, database: Path) -> dict[str, float]:
    """Jobs removed a second, and in milliseconds how long jobs waited for a worker before and during that."""
    calm = await probe(active, asyncio.sleep(CALM_S), database)
    with contextlib.closing(sqlite3.connect(database)) as db:
        [edge] = db.execute(
            "SELECT finished_at FROM job WHERE status = 'completed' ORDER BY finished_at LIMIT 1 OFFSET ?", (CLEANED,)
        ).fetchone()
    before = datetime.fromisoformat(edge).replace(tzinfo=UTC)
    job_filter = JobFilter(statuses=(JobStatus.COMPLETED,), finished_before=before)
    began = time.perf_counter()
    operation = await active.operations.begin("clean", job_filter)
    took_s = 0.0

    async def over() -> None:
        nonlocal took_s
        await until(lambda: active.operations.get(operation.id), lambda now: now.state.is_over, within_s=300)
        took_s = time.perf_counter() - began

    busy = await probe(active, over(), database)
    done = (await active.operations.get(operation.id)).done
    return {
        "removed": done,
        "removed a second": round(done / took_s),
        **{f"waited before, p{rank}, ms": round(1000 * percentile(calm, rank), 1) for rank in (50, 99)},
        **{f"waited meanwhile, p{rank}, ms": round(1000 * percentile(busy, rank), 1) for rank in (50, 99)},
        "waited before, most, ms": round(1000 * max(calm), 1),
        "waited meanwhile, most, ms": round(1000 * max(busy), 1),
    }


async def probe(active: runtime.Runtime, work: Any, database: Path) -> list[float]:
    """How many seconds jobs that are submitted all the time wait for a worker, until ``work`` is over."""
    task, ids = asyncio.ensure_future(work), []
    while not task.done():
        job, _ = await active.service.submit(Submission(kind="noop", max_attempts=1))
        ids.append(job.id)
        await asyncio.sleep(PROBES_EVERY_S)
    await task
    await until(
        lambda: active.reader.get_many(ids),
        lambda jobs: all(job.status.is_terminal for job in jobs.values()),
        within_s=60,
    )
    jobs = (await active.reader.get_many(ids)).values()
    return [(job.started_at - job.queued_at).total_seconds() for job in jobs if job.started_at and job.queued_at]


async def idling(folder: Path) -> dict[str, float]:
    """What twenty admin pages cost the server while nothing happens, in percent of a core."""
    product = Product(folder)
    await product.start()
    paths = [address for _, address in TABS.values()]
    try:
        async with contextlib.AsyncExitStack() as stack:
            await asyncio.sleep(10)
            alone = await spent(product)
            for number in range(PAGES):
                path = paths[number % len(paths)]
                await stack.enter_async_context(_connected_page(product.url, [], path))
            await asyncio.sleep(5)
            return {"no page, % of a core": alone, f"{PAGES} pages, % of a core": await spent(product)}
    finally:
        await product.stop()


async def spent(product: Product) -> float:
    process = _app(product)
    before, began = sum(process.cpu_times()[:2]), time.perf_counter()
    await asyncio.sleep(IDLE_S)
    return round(100 * (sum(process.cpu_times()[:2]) - before) / (time.perf_counter() - began), 1)


async def measure(source: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        database = folder / "runlane.db"
        shutil.copy(source / "runlane.db", database)
        url = f"sqlite:///{database}"
        migrate(url)
        redis = RedisServer(folder)
        redis.start()
        config = read_settings(_env_file=None, redis_url=redis.url, database_url=url, data_dir=folder)
        environ = os.environ | {"REDIS_URL": redis.url, "DATABASE_URL": url, "RUNLANE_LOG_LEVEL": "ERROR"}
        async with composition.serving(config) as active:
            worker = await asyncio.create_subprocess_exec(sys.executable, "-m", "worker", env=environ)
            await until(active.registry.all, bool, within_s=30)
            waiting = JobFilter(statuses=(JobStatus.QUEUED, JobStatus.SCHEDULED))
            await active.operations.begin("clean", waiting)
            await until(lambda: active.reader.count(waiting), lambda count: count == 0, within_s=120)
            await overview()
            found["opening a tab, ms"] = await opening()
            found["clearing out"] = await cleaning(active, database)
            worker.terminate()
            await worker.wait()
        redis.stop()
        found["idle"] = await idling(folder)
    return found


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("folder", type=Path, help="where the database is, or is made")
    options.add_argument("--jobs", type=int, default=1_000_000)
    given = options.parse_args()
    if not (given.folder / "runlane.db").exists():
        seed(given.folder / "runlane.db", given.jobs, random.Random(1))
    found = asyncio.run(measure(given.folder))
    for title, figures in found.items():
        print(f"\n{title}")
        for figure, value in figures.items():
            print(f"  {figure:<32}{value:>12,}")
    RESULTS.mkdir(exist_ok=True)
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-admin.json"
    (RESULTS / name).write_text(json.dumps(found, indent=1) + "\n")
    print(f"\n{RESULTS / name}")


if __name__ == "__main__":
    main()
