"""Builds the runtime of a server from its settings, starts its loops, and closes what it opened. No logic."""

import contextlib
from collections.abc import AsyncIterator

from jobs_app import runtime
from jobs_app.live.event_log import EventLog
from jobs_app.live.hub import Hub
from jobs_app.runtime import Runtime
from jobs_app.server.loops import Loops
from jobs_app.server.watch import Watch
from runlane.alerts.service import Alerts
from runlane.alerts.store import AlertStore
from runlane.audit import AuditLog
from runlane.bulk.service import Operations
from runlane.bulk.store import OperationStore
from runlane.composition import Services, compose
from runlane.core.workers import Workers
from runlane.db.database import Database
from runlane.errors import Unavailable
from runlane.kinds.catalogue import Catalogue, catalogue
from runlane.kinds.live import LiveKinds
from runlane.maintenance.redis import RedisMaintenance
from runlane.maintenance.service import Maintenance
from runlane.metrics.failures import Failures
from runlane.metrics.samples import Samples
from runlane.metrics.statistics import Statistics
from runlane.queue.change_feed import Events, RedisEvents
from runlane.queue.client import JobQueue
from runlane.queue.worker_registry import WorkerRegistry
from runlane.search.text_index import TextIndex
from runlane.settings import Settings


def build(
    config: Settings,
    services: Services,
    kinds: Catalogue,
    *,
    database: Database,
    queue: JobQueue,
    events: Events,
    registry: WorkerRegistry,
) -> Runtime:
    """A runtime of these parts, of which nothing runs yet."""
    reader, counts, limits = services.store, services.counts, services.limits
    audit, statistics, samples = AuditLog(database), Statistics(database), Samples(database)
    hub = Hub(events, reader)
    event_log = EventLog(hub, registry, audit)
    alerts = Alerts(AlertStore(database), kinds, allowed=config.webhooks_allow)
    return Runtime(
        config=config,
        database=database,
        queue=queue,
        registry=registry,
        service=services.jobs,
        reader=reader,
        limits=limits,
        kinds=LiveKinds(services.kinds, kinds, queue, limits, config.resolved_redis_url),
        schedules=services.schedules,
        operations=Operations(OperationStore(database), services.jobs, reader, services.removal),
        alerts=alerts,
        workers=Workers(registry, reader, audit),
        audit=audit,
        counts=counts,
        statistics=statistics,
        samples=samples,
        failures=Failures(database),
        maintenance=Maintenance(database, audit, config.resolved_database_url, config.data_dir),
        redis_maintenance=RedisMaintenance(config.resolved_redis_url),
        hub=hub,
        event_log=event_log,
        watch=Watch(alerts, reader, registry, event_log, counts, statistics, samples, limits),
    )


@contextlib.asynccontextmanager
async def serving(config: Settings) -> AsyncIterator[Runtime]:
    """The runtime of a server, connected, with its loops running."""
    url = config.resolved_redis_url
    database, queue = Database(config.resolved_database_url), JobQueue(url)
    events, registry, kinds = RedisEvents(url), WorkerRegistry(url), catalogue()
    services = compose(database, queue, events, kinds, config)
    built = build(config, services, kinds, database=database, queue=queue, events=events, registry=registry)
    loops = Loops(built, services.reconciler, services.follow_up, services.removal, TextIndex(database))
    runtime.use(built)
    with contextlib.suppress(Unavailable):  # then they are read as soon as the database answers
        await built.kinds.load()
    built.parts.start(
        {
            **built.event_log.loops(),
            **built.watch.loops(),
            "operations": built.operations.run,
            "hub": built.hub.run,
            "kinds": built.kinds.run,
            **loops.all(),
        }
    )
    try:
        yield built
    finally:
        await built.parts.end()
        runtime.use(None)
        for part in (queue, events, registry, built.redis_maintenance, database):
            await part.close()
