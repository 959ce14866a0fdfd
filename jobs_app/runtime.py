"""What this process holds while it serves, and where everything that serves finds it: ``current()``.

Made by ``jobs_app.composition``. Nothing is opened at import, so that building the pages needs neither Redis nor a
database; a test makes its own and makes it the current one.
"""

from dataclasses import dataclass, field

from jobs_app.live.event_log import EventLog
from jobs_app.live.hub import Hub
from jobs_app.server.single_flight import Caches
from jobs_app.server.watch import Watch
from runlane.alerts.service import Alerts
from runlane.audit import AuditLog
from runlane.bulk.service import Operations
from runlane.core.counts import Counts
from runlane.core.reader import JobReader
from runlane.core.service import JobService
from runlane.core.workers import Workers
from runlane.db.database import Database
from runlane.kinds.live import LiveKinds
from runlane.kinds.service import LimitsService
from runlane.maintenance.redis import RedisMaintenance
from runlane.maintenance.service import Maintenance
from runlane.metrics.failures import Failures
from runlane.metrics.samples import Samples
from runlane.metrics.statistics import Statistics
from runlane.parts import Parts
from runlane.queue.client import JobQueue
from runlane.queue.worker_registry import WorkerRegistry
from runlane.schedules.service import ScheduleService
from runlane.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """The parts that handlers of pages and requests use, and what is read once for all of them."""

    config: Settings
    database: Database
    queue: JobQueue
    registry: WorkerRegistry
    service: JobService
    reader: JobReader
    limits: LimitsService
    kinds: LiveKinds
    schedules: ScheduleService
    operations: Operations
    alerts: Alerts
    workers: Workers
    audit: AuditLog
    counts: Counts
    statistics: Statistics
    samples: Samples
    failures: Failures
    maintenance: Maintenance
    redis_maintenance: RedisMaintenance
    hub: Hub
    event_log: EventLog
    watch: Watch
    parts: Parts = field(default_factory=Parts)
    caches: Caches = field(default_factory=Caches)


_current: Runtime | None = None


def current() -> Runtime:
    """The runtime of the running server."""
    if _current is None:
        raise RuntimeError("The server has not started.")
    return _current


def jobs() -> JobService:
    """The current service of jobs, through which every change of one goes."""
    return current().service


def use(runtime: Runtime | None) -> None:
    """Make ``runtime`` the current one; tests give their own."""
    global _current
    _current = runtime
