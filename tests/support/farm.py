"""Faults on real processes: workers with more kinds, whose jobs write down when their code runs."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from jobs_app.runtime import Runtime
from runlane.composition import Services, compose
from runlane.core.counts import Counts
from runlane.core.service import JobService
from runlane.db.database import Database
from runlane.db.engines import Use, connect
from runlane.model.requests import Submission
from runlane.model.snapshot import JobSnapshot
from runlane.model.status import JobStatus
from runlane.queue.change_feed import RedisEvents
from runlane.queue.client import JobQueue
from runlane.settings import Settings
from testbed.waiting import until
from tests.support.kinds import WITH_STEERED, with_steered
from tests.support.processes import StartWorker, Worker

LEASE_S = 1
# How long a window of the rate of ``rated`` is; three start in it.
RATED_S = 3.0


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
        async def counted() -> int:
            return sum(line.what == what and line.job_id == job_id for line in self.lines())

        await until(counted, lambda found: found >= count)


@pytest.fixture
def record(tmp_path: Path) -> Record:
    return Record(tmp_path / "record")


@dataclass
class Farm:
    """Workers that know the recording kinds, and what is submitted to them."""

    services: Services
    counts: Counts
    record: Record
    start: Callable[..., Awaitable[Worker]]

    async def submit(
        self, kind: str = "record", *, hold: bool = False, options: dict[str, Any] | None = None, **params: Any
    ) -> JobSnapshot:
        """A job; with ``hold`` its code runs until ``let_go``."""
        job, _ = await self.service.submit(self.submission(kind, hold=hold, options=options, **params))
        return job

    def submission(
        self, kind: str = "record", *, hold: bool = False, options: dict[str, Any] | None = None, **params: Any
    ) -> Submission:
        """What ``submit`` submits."""
        return Submission(kind=kind, params=self._given(hold, params), **(options or {}))

    async def submit_many(
        self, count: int, kind: str = "record", *, hold: bool = False, **params: Any
    ) -> list[JobSnapshot]:
        given = self._given(hold, params)
        return await self.service.submit_many([Submission(kind=kind, params=given) for _ in range(count)])

    def let_go(self) -> None:
        """Have the code of every job that is held go on, now and whenever it runs again."""
        self._gate.touch()

    @property
    def service(self) -> JobService:
        return self.services.jobs

    @property
    def _gate(self) -> Path:
        return self.record.path.with_name("gate")

    def _given(self, hold: bool, params: dict[str, Any]) -> dict[str, Any]:
        return {"path": str(self.record.path), "until": str(self._gate) if hold else "", **params}

    async def job(self, job: JobSnapshot) -> JobSnapshot:
        return await self.services.store.get(job.id)

    async def is_(self, job: JobSnapshot, *statuses: str) -> JobSnapshot:
        return await until(lambda: self.job(job), lambda found: found.status in statuses)

    async def all_are(self, jobs: list[JobSnapshot], status: str) -> None:
        async def statuses() -> set[str]:
            return {str(found) for found in (await self.services.store.statuses([job.id for job in jobs])).values()}

        await until(statuses, lambda found: found == {status})

    async def count_completed(self) -> int:
        return (await self.counts.all())[JobStatus.COMPLETED]

    async def messages(self, job: JobSnapshot) -> list[str]:
        return [event.message for event in await self.services.store.events(job.id)]

    def kill(self, worker: Worker) -> None:
        worker.signal(9)
        self.record.killed[worker.process.pid] = time.time()


@pytest.fixture
async def farm(active: Runtime, config: Settings, record: Record, start_worker: StartWorker) -> AsyncIterator[Farm]:
    """A service that knows the recording kinds too, and workers with a short lease."""
    url = config.resolved_redis_url
    queue, events = JobQueue(url), RedisEvents(url)
    database = Database(config.resolved_database_url)
    services = compose(database, queue, events, with_steered(), config)

    async def start(*, ready: bool = True, **environ: str) -> Worker:
        given = {
            "RUNLANE_LEASE_S": str(LEASE_S),
            "RUNLANE_STOP_GRACE_S": "0",
            "RUNLANE_CANCEL_GRACE_S": "1",
            "RUNLANE_JOBS": WITH_STEERED,
        }
        return await start_worker(ready=ready, **given | environ)

    yield Farm(services, Counts(database), record, start)
    for part in (queue, events, database):
        await part.close()


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

    return await until(lines)


async def gather(*calls: Awaitable[Any]) -> list[Any]:
    return await asyncio.gather(*calls, return_exceptions=True)
