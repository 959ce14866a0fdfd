"""What this process holds while it serves: made when the server starts, closed when it stops.

Nothing is opened at import, so that building the pages needs neither Redis nor a database.
"""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial
from uuid import UUID

from jobs_app.live.event_log import EventLog
from jobs_app.live.hub import Hub, Mailbox
from jobs_app.server.watch import Watch
from runlane.alerts.service import Alerts
from runlane.alerts.store import AlertStore
from runlane.background import end_tasks
from runlane.bulk.service import Operations
from runlane.bulk.store import OperationStore
from runlane.clock import utc_now
from runlane.core.deletion import Removal
from runlane.core.service import JobService
from runlane.core.store import Store
from runlane.db.database import Database
from runlane.errors import Unavailable
from runlane.kinds.catalogue import catalogue
from runlane.maintenance.redis import RedisMaintenance
from runlane.maintenance.service import Maintenance, Vacuumed
from runlane.parts import Parts
from runlane.queue.change_feed import Feed, RedisEvents
from runlane.queue.client import JobQueue, WorkerCommand
from runlane.queue.redis_client import REDIS_TROUBLE
from runlane.queue.worker_registry import WorkerInfo, WorkerRegistry, WorkerState
from runlane.schedules.service import ScheduleService
from runlane.schedules.store import ScheduleStore
from runlane.search.text_index import TextIndex
from runlane.settings import Settings

CATCH_UP_AGAIN_S = 1.0
PURGE_EVERY_S = 5.0
COUNT_EVERY_S = 5.0
INDEX_EVERY_S = 5.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Runtime:
    """The parts that handlers of pages and requests use."""

    service: JobService
    schedules: ScheduleService
    hub: Hub
    registry: WorkerRegistry
    queue: JobQueue
    config: Settings
    event_log: EventLog
    operations: Operations
    redis_care: RedisMaintenance
    maintenance: Maintenance
    alerts: Alerts
    watch: Watch
    parts: Parts = field(default_factory=Parts)


_current: Runtime | None = None


def current() -> Runtime:
    """The parts of the running server."""
    if _current is None:
        raise RuntimeError("The server has not started.")
    return _current


def jobs() -> JobService:
    """The service, which does everything that can be done with jobs."""
    return current().service


async def workers() -> list[WorkerInfo]:
    """The workers, each with what it runs now, and with what has ended while its code runs on.

    A worker says what it runs only every two seconds; SQL knows at once. Of a lost one, and while the database is away,
    what the worker itself said last. Raises one of ``REDIS_TROUBLE``.
    """
    found = await current().registry.all()
    running: dict[str, list[UUID]] = defaultdict(list)
    try:
        for job in await jobs().store.running():
            running[job.worker or ""].append(job.id)
    except Unavailable:
        return found
    for worker in found:
        running[worker.id] += worker.lingering
    return [
        worker if worker.state is WorkerState.LOST else worker.model_copy(update={"running": running[worker.id]})
        for worker in found
    ]


async def ask_worker(worker_id: str, wish: WorkerCommand) -> WorkerInfo:
    """Tell a worker what is wanted of it, and write down who did.

    Raises:
        WorkerNotFound: there is no such living worker.
        Unavailable: Redis or the database does not answer.
    """
    try:
        worker = await current().registry.command(worker_id, wish)
    except REDIS_TROUBLE as exc:
        raise Unavailable("Redis does not answer, so the worker cannot be told right now; try again.") from exc
    await jobs().store.audit.note(wish, "worker", worker_id)
    return worker


async def forget_worker(worker_id: str) -> WorkerInfo:
    """Let go of a lost worker, which is no trouble any more, and write down who did.

    Raises:
        LostWorkerNotFound: there is no such lost worker.
        Unavailable: Redis or the database does not answer.
    """
    try:
        worker = await current().registry.forget(worker_id)
    except REDIS_TROUBLE as exc:
        raise Unavailable("Redis does not answer, so the worker cannot be forgotten right now; try again.") from exc
    await jobs().store.audit.note("forget", "worker", worker_id)
    return worker


async def vacuum() -> Vacuumed:
    """Write the database anew without its free pages, and write down who had it done. Raises as ``Maintenance``."""
    found = await current().maintenance.vacuum()
    sizes = ({"bytes": found.bytes_before}, {"bytes": found.bytes_after})
    await jobs().store.audit.note("vacuum", "database", "database", *sizes)
    return found


def use(runtime: Runtime | None) -> None:
    """Make ``runtime`` the current one; tests give their own."""
    global _current
    _current = runtime


@contextlib.asynccontextmanager
async def serving(config: Settings) -> AsyncIterator[Runtime]:
    """The runtime of a server, connected, with its subscription running."""
    url = config.resolved_redis_url
    database = Database(config.resolved_database_url)
    store, queue, events, registry = Store(database), JobQueue(url), RedisEvents(url), WorkerRegistry(url)
    hub = Hub(events, store)
    service = JobService(store, queue, events, catalogue(), config)
    schedules = ScheduleService(ScheduleStore(database), service)
    event_log = EventLog(hub, registry, store)
    operations = Operations(OperationStore(database), service)
    redis_care = RedisMaintenance(url)
    alerts = Alerts(AlertStore(database), catalogue(), allowed=config.webhooks_allow)
    watch = Watch(alerts, service, registry, event_log)
    maintenance = Maintenance(database, config.resolved_database_url, config.data_dir)
    runtime = Runtime(
        service=service,
        schedules=schedules,
        hub=hub,
        registry=registry,
        queue=queue,
        config=config,
        event_log=event_log,
        operations=operations,
        redis_care=redis_care,
        maintenance=maintenance,
        alerts=alerts,
        watch=watch,
    )
    use(runtime)
    runtime.parts.start(
        {
            **event_log.loops(),
            **watch.loops(),
            "operations": operations.run,
            "hub": hub.run,
            "catching up": partial(_catch_up_after_gaps, runtime),
            "purge": partial(_purge_deleted, store.removal),
            "figures": partial(_keep_figures, store),
            "samples": partial(_take_samples, runtime),
            "text index": partial(_keep_index, store.text_index),
        }
    )
    try:
        yield runtime
    finally:
        await runtime.parts.end()
        use(None)
        for part in (queue, events, registry, redis_care, database):
            await part.close()


async def _catch_up_after_gaps(runtime: Runtime) -> None:
    """Give Redis what it was not told of: when this server starts or its connection is back, and after a refusal."""
    behind = runtime.service.fell_behind
    with runtime.hub.listen() as mailbox:
        asked = asyncio.create_task(_when_up(mailbox, behind))
        try:
            while True:
                await behind.wait()
                behind.clear()
                try:
                    await runtime.queue.ping()
                    await runtime.service.requeue_missing()
                except (*REDIS_TROUBLE, Unavailable) as exc:
                    log.info("Could not catch up: %s", exc)
                    behind.set()
                    await asyncio.sleep(CATCH_UP_AGAIN_S)
        finally:
            await end_tasks(asked)


async def _purge_deleted(removal: Removal) -> None:
    """Remove for good what nobody wanted back."""
    while True:
        try:
            if await removal.any_deleted():
                purged = await removal.purge(utc_now())
                log.info("Purged %d deleted jobs.", purged)
        except Unavailable as exc:
            log.info("Could not purge deleted jobs: %s", exc.message)
        await asyncio.sleep(PURGE_EVERY_S)


async def _keep_figures(store: Store) -> None:
    """Count what happened."""
    while True:
        try:
            await store.statistics.roll_up(utc_now())
            await store.jobs_counted.fold()
        except Unavailable as exc:
            log.info("Could not keep figures: %s", exc.message)
        await asyncio.sleep(COUNT_EVERY_S)


async def _take_samples(runtime: Runtime) -> None:
    """Sample the state once a minute."""
    store, sampled_at = runtime.service.store, None
    while True:
        now = utc_now()
        minute = now.replace(second=0, microsecond=0)
        try:
            if sampled_at != minute:
                counts, oldest = await store.counts(), await store.oldest_queued_at()
                await store.samples.take(now, counts, await _taking(runtime.registry), oldest)
                sampled_at = minute
        except Unavailable as exc:
            log.info("Could not take a sample: %s", exc.message)
        await asyncio.sleep(COUNT_EVERY_S)


async def _keep_index(index: TextIndex) -> None:
    """Index the words that changed."""
    while True:
        try:
            await index.catch_up()
        except Unavailable as exc:
            log.info("Could not index words: %s", exc.message)
        await asyncio.sleep(INDEX_EVERY_S)


async def _taking(registry: WorkerRegistry) -> int | None:
    """How many workers take jobs; ``None`` if Redis does not answer."""
    try:
        return sum(worker.state is WorkerState.RUNNING for worker in await registry.all())
    except REDIS_TROUBLE:
        return None


async def _when_up(mailbox: Mailbox, behind: asyncio.Event) -> None:
    async for item in mailbox:
        if item is Feed.UP:
            behind.set()
