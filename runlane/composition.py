"""The services that every program uses, of one database and one Redis. No logic; opens nothing.

The database, the queue and the announcements are closed by whoever made them. What only one program needs (pages,
claims, alerts) is built in that program's own composition root.
"""

from dataclasses import dataclass

from runlane.core.counts import Counts
from runlane.core.deletion import Removal
from runlane.core.edits import Edits
from runlane.core.follow_up import FollowUp
from runlane.core.reconcile import Reconciler
from runlane.core.service import JobService
from runlane.core.store import Store
from runlane.db.database import Database
from runlane.kinds.catalogue import Catalogue
from runlane.kinds.service import LimitsService
from runlane.kinds.settings_store import SettingsStore
from runlane.kinds.store import KindStore
from runlane.queue.change_feed import Events
from runlane.queue.client import JobQueue
from runlane.schedules.service import ScheduleService
from runlane.schedules.store import ScheduleStore
from runlane.settings import Settings


@dataclass(frozen=True)
class Services:
    """What can be done with jobs, schedules and limits, and the stores that it is done on."""

    store: Store
    removal: Removal
    counts: Counts
    follow_up: FollowUp
    reconciler: Reconciler
    limits: LimitsService
    jobs: JobService
    schedules: ScheduleService
    kinds: KindStore


def compose(database: Database, queue: JobQueue, events: Events, kinds: Catalogue, settings: Settings) -> Services:
    """The services of these parts."""
    store, removal, follow_up = Store(database), Removal(database), FollowUp(queue, events)
    registered = KindStore(database)
    jobs = JobService(store, Edits(database), removal, queue, follow_up, kinds, registered, settings)
    return Services(
        store=store,
        removal=removal,
        counts=Counts(database),
        follow_up=follow_up,
        reconciler=Reconciler(store, queue, follow_up),
        limits=LimitsService(SettingsStore(database), registered, queue, kinds, settings),
        jobs=jobs,
        schedules=ScheduleService(ScheduleStore(database), jobs, follow_up),
        kinds=registered,
    )
