"""What follows a commit: the queue learns of it, then everybody who listens. Whoever changes a job ends here.

SQL is committed before, so a Redis that is away costs delay only: failures are logged, ``fell_behind`` is set when a
job that waits is not in the queue, and ``runlane.core.reconcile`` makes Redis follow. A lost announcement is healed by
whoever reads the store.
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
    """The queue and the listeners of one Redis, as those see them who have just committed something."""

    def __init__(self, queue: JobQueue, events: Events) -> None:
        self.fell_behind = asyncio.Event()
        """Set when the queue missed something; ``Reconciler.requeue_missing`` makes up for it."""
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
        """Take jobs (each with its kind) out of the queue that do not wait any more, then announce why."""
        await quietly(self._queue.remove(waited))
        await self.announce(changes)

    async def announce(self, changes: Iterable[Change | Deleted]) -> None:
        """Announce changes after which nothing is enqueued."""
        await quietly(self._events.publish(list(changes)))

    async def command(self, command: Command) -> None:
        """Have the workers obey a command, if Redis answers; what they must not miss, SQL holds."""
        await quietly(self._queue.send(command))

    async def remind(self, name: str, at: datetime) -> None:
        """Have a worker look at ``name`` at that time."""
        if not await quietly(self._queue.remind(name, at)):
            self.fell_behind.set()

    async def forget_reminder(self, name: str) -> None:
        """Have no worker look at ``name``."""
        await quietly(self._queue.forget_reminder(name))
