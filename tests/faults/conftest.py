"""Accidents on real processes: workers of a tree with one more kind, whose handler writes down when its code runs."""

import asyncio
import contextlib
import os
import shutil
import signal
import textwrap
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from jobs.engines import Use, connect
from jobs.events import RedisEvents
from jobs.kinds import Catalogue, Kind, Params, catalogue
from jobs.limits import Rate
from jobs.models import JobStatus
from jobs.queue import JobQueue
from jobs.requests import Submission
from jobs.service import JobService
from jobs.settings import Settings
from jobs.snapshot import JobSnapshot
from jobs.store import Store
from jobs_app.runtime import Runtime
from tests.integration.conftest import *  # noqa: F403 - the fixtures of real processes
from tests.integration.conftest import StartWorker, Worker
from tests.support import ROOT, RedisServer, until

LEASE_S = 1


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server for one test alone, which may be mistreated."""
    (tmp_path / "redis").mkdir()
    server = RedisServer(tmp_path / "redis")
    server.start()
    yield server
    os.kill(server.pid, signal.SIGCONT)
    server.stop()


KIND = '''
"""Writes down when its code runs."""

from jobs.kinds import Kind, Params
from jobs.limits import Rate


class RecordParams(Params):
    path: str
    seconds: float = 0.0
    stubborn_s: float = 0.0
    block_s: float = 0.0
    fails: bool = False
    talks: bool = False
    ends_duties: bool = False
    wants_retry: bool = False


KIND = Kind(name="{name}", title="Record", description="", params=RecordParams, max_attempts=5{more})
'''

HANDLER = '''
"""Appends a line when it begins and one when its code has ended."""

import asyncio
import itertools
import os
import time

from arq import Retry

from jobs.kinds.{name} import RecordParams
from worker.progress import Progress


def write(path: str, what: str, job: Progress) -> None:
    line = f"{{what}} {{job.id}} {{job.attempt}} {{os.getpid()}} {{time.time()}}\\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, line.encode())
    os.close(descriptor)


async def run(params: RecordParams, job: Progress) -> dict[str, int]:
    write(params.path, "begin", job)
    try:
        if params.ends_duties:
            for task in asyncio.all_tasks():
                if "Upkeep" in task.get_coro().__qualname__:
                    task.cancel()
        if params.block_s:
            time.sleep(params.block_s)
        ends_at = time.time() + params.stubborn_s
        while time.time() < ends_at:
            try:
                await asyncio.sleep(ends_at - time.time())
            except asyncio.CancelledError:
                write(params.path, "swallowed", job)
        ends_at = time.time() + params.seconds
        for number in itertools.count():
            if not params.talks or time.time() > ends_at:
                break
            await job.log(f"line {{number}}")
            await asyncio.sleep(0.02)
        await asyncio.sleep(max(0, ends_at - time.time()))
        if params.fails:
            raise RuntimeError("as asked")
        if params.wants_retry:
            raise Retry(defer=0.1)
    finally:
        write(params.path, "end", job)
    return {{"attempt": job.attempt}}
'''


class RecordParams(Params):
    """As in the tree, for submitting."""

    path: str
    seconds: float = 0.0
    stubborn_s: float = 0.0
    block_s: float = 0.0
    fails: bool = False
    talks: bool = False
    ends_duties: bool = False
    wants_retry: bool = False


def add_kind(tree: Path, name: str, more: str = "") -> None:
    (tree / "jobs" / "kinds" / f"{name}.py").write_text(textwrap.dedent(KIND).format(name=name, more=more))
    (tree / "worker" / "tasks" / f"{name}.py").write_text(textwrap.dedent(HANDLER).format(name=name))


LIMITED = ", max_running=2"
RATED = ", rate=Rate(3, 1.0)"
BRIEF = ", timeout_s=1.0"


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the product with the kinds ``record``, ``limited``, ``rated`` and ``brief``."""
    folder = tmp_path_factory.mktemp("tree")
    for package in ("jobs", "worker"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, more in (("record", ""), ("limited", LIMITED), ("rated", RATED), ("brief", BRIEF)):
        add_kind(folder, name, more)
    return folder


@dataclass(frozen=True)
class Line:
    """One line of the record."""

    what: str
    job_id: UUID
    attempt: int
    pid: int
    at: float


class Record:
    """When whose code ran, by the handlers' own account."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.killed: dict[int, float] = {}

    def lines(self) -> list[Line]:
        if not self.path.exists():
            return []
        found = [line.split() for line in self.path.read_text().splitlines()]
        return [Line(what, UUID(job), int(attempt), int(pid), float(at)) for what, job, attempt, pid, at in found]

    def spans(self) -> list[tuple[float, float, UUID]]:
        """Begin, end and job of every run; that of a killed process ends when it was killed."""
        began: dict[tuple[UUID, int, int], float] = {}
        spans = []
        for line in self.lines():
            key = (line.job_id, line.attempt, line.pid)
            if line.what == "begin":
                began[key] = line.at
            elif line.what == "end" and key in began:
                spans.append((began.pop(key), line.at, line.job_id))
        spans += [(at, self.killed.get(pid, time.time()), job) for (job, _, pid), at in began.items()]
        return spans

    def most_at_once(self, job_id: UUID | None = None, spans: list[tuple[float, float, UUID]] | None = None) -> int:
        """How many codes ran at the same time at most, of all jobs or of one."""
        chosen = [s for s in (self.spans() if spans is None else spans) if job_id in (None, s[2])]
        moments = sorted([(begin, 1) for begin, _, _ in chosen] + [(end, -1) for _, end, _ in chosen])
        running = most = 0
        for _, change in moments:
            running += change
            most = max(most, running)
        return most

    def never_two_runs_of_one_job(self) -> bool:
        spans = self.spans()
        return all(self.most_at_once(job_id, spans) == 1 for job_id in {job for _, _, job in spans})

    async def has(self, what: str, job_id: UUID, count: int = 1) -> None:
        async def seen() -> int:
            return sum(line.what == what and line.job_id == job_id for line in self.lines())

        await until(seen, lambda found: found >= count, within_s=15)


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return Record(tmp_path / "record")


@dataclass
class Farm:
    """Workers that know the recording kinds, and what is submitted to them."""

    service: JobService
    record: Record
    start: Callable[..., Awaitable[Worker]]

    async def submit(
        self, kind: str = "record", *, options: dict[str, Any] | None = None, **params: Any
    ) -> JobSnapshot:
        given = {"path": str(self.record.path), **params}
        job, _ = await self.service.submit(Submission(kind=kind, params=given, **(options or {})))
        return job

    async def submit_many(self, count: int, kind: str = "record", **params: Any) -> list[JobSnapshot]:
        given = {"path": str(self.record.path), **params}
        return await self.service.submit_many([Submission(kind=kind, params=given) for _ in range(count)])

    async def job(self, job: JobSnapshot) -> JobSnapshot:
        return await self.service.store.get(job.id)

    async def is_(self, job: JobSnapshot, *statuses: str, within_s: float = 15) -> JobSnapshot:
        return await until(lambda: self.job(job), lambda seen: seen.status in statuses, within_s=within_s)

    async def all_are(self, jobs: list[JobSnapshot], status: str, within_s: float = 15) -> None:
        async def statuses() -> set[str]:
            return {str(found) for found in (await self.service.store.statuses([job.id for job in jobs])).values()}

        await until(statuses, lambda seen: seen == {status}, within_s=within_s)

    async def count_completed(self) -> int:
        return (await self.service.store.counts())[JobStatus.COMPLETED]

    async def told(self, job: JobSnapshot) -> list[str]:
        return [event.message for event in await self.service.store.events(job.id)]

    def kill(self, worker: Worker) -> None:
        worker.signal(9)
        self.record.killed[worker.process.pid] = time.time()


@pytest.fixture
async def farm(
    active: Runtime, config: Settings, record: Record, tree: Path, start_worker: StartWorker
) -> AsyncIterator[Farm]:
    """A service that knows the recording kinds too, and workers with a short lease."""
    more = [
        Kind(name="record", title="", description="", params=RecordParams, max_attempts=5),
        Kind(name="limited", title="", description="", params=RecordParams, max_running=2),
        Kind(name="rated", title="", description="", params=RecordParams, rate=Rate(3, 1.0)),
        Kind(name="brief", title="", description="", params=RecordParams, max_attempts=2, timeout_s=1.0),
    ]
    url = config.resolved_redis_url
    queue, events = JobQueue(url), RedisEvents(url)
    service = JobService(active.service.store, queue, events, Catalogue([*catalogue(), *more]), config)

    async def start(*, ready: bool = True, **environ: str) -> Worker:
        given = {"JOBS_LEASE_S": str(LEASE_S), "JOBS_STOP_GRACE_S": "0", "JOBS_CANCEL_GRACE_S": "1"}
        return await start_worker(cwd=tree, ready=ready, **given | environ)

    yield Farm(service, record, start)
    await queue.close()
    await events.close()


@pytest.fixture
def store(active: Runtime) -> Store:
    return active.service.store


@pytest.fixture
def locked(config: Settings) -> Callable[[], contextlib.AbstractContextManager[None]]:
    """For as long as a block lasts, somebody else holds the database: it can be read, and nobody else may write."""

    @contextlib.contextmanager
    def lock() -> Iterator[None]:
        engine = connect(config.resolved_database_url, Use.WRITE)
        with engine.begin() as db:
            if db.dialect.name == "postgresql":
                db.execute(text("LOCK TABLE job, job_event IN EXCLUSIVE MODE"))
            yield
        engine.dispose()

    return lock


async def sees_lines(worker: Worker, part: str) -> str:
    async def lines() -> str:
        return next((line for line in worker.lines if part in line), "")

    return await until(lines, within_s=15)


async def gather(*calls: Awaitable[Any]) -> list[Any]:
    return await asyncio.gather(*calls, return_exceptions=True)
