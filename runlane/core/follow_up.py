"""What follows a commit: the queue is updated, and the change announced. Every change of a job ends here.

SQL is committed before, so a Redis that is away only delays: failures are logged, ``fell_behind`` is set when a waiting
job is not in the queue, and ``runlane.core.reconcile`` brings Redis up to date. Whoever reads the store makes up for a
lost announcement.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from runlane.model.snapshot import Change, Deleted
from runlane.model.status import WAITING
from runlane.queue.change_feed import Events
from runlane.queue.client import Command, JobQueue
from runlane.queue.redis_client import quietly


class FollowUp:
    """The queue and the announcements of one Redis, for whoever has just committed something."""

    def __init__(self, queue: JobQueue, events: Events) -> None:
        # Set when the queue missed something; ``Reconciler.requeue_missing`` makes up for it.
        self.fell_behind = asyncio.Event()
        self._queue = queue
        self._events = events

    async def changed(self, changes: Sequence[Change]) -> None:
        """Enqueue those of the jobs that wait, and announce all changes, in order.

        Both at once: a server that hangs should hold up whoever submits only once.
        """
        waiting = [change.job for change in changes if change.job.status in WAITING]
        if not waiting:
            await self.announce(changes)
            return
        enqueued, _ = await asyncio.gather(quietly(self._queue.enqueue(waiting)), self.announce(changes))
        if not enqueued:
            self.fell_behind.set()

    async def removed(self, waited: Sequence[tuple[UUID, str]], changes: Iterable[Change | Deleted]) -> None:
        """Take jobs (each with its kind) that no longer wait out of the queue, then announce why."""
        await quietly(self._queue.remove(waited))
        await self.announce(changes)

    async def announce(self, changes: Iterable[Change | Deleted]) -> None:
        """Announce changes that leave no job to enqueue."""
        await quietly(self._events.publish(list(changes)))

    async def command(self, command: Command) -> None:
        """Send a command to the workers, if Redis answers; what they must not miss is in SQL."""
        await quietly(self._queue.send(command))

    async def remind(self, name: str, at: datetime) -> None:
        """Have a worker deal with ``name`` at that time."""
        if not await quietly(self._queue.remind(name, at)):
            self.fell_behind.set()

    async def forget_reminder(self, name: str) -> None:
        """Drop the reminder of ``name``."""
        await quietly(self._queue.forget_reminder(name))
