"""What may run now: whether the queue is paused, how many jobs run at once, and the limits of each kind.

People set it while the system runs, in SQL; the defaults come from the environment and the kinds. Claiming obeys a copy
in Redis, which is set after each change, and again by the reconciler.
"""

import asyncio
from dataclasses import dataclass

from runlane.errors import KindNotFound
from runlane.kinds.catalogue import Catalogue
from runlane.kinds.settings_store import KindSetting, QueueSetting, SettingsStore
from runlane.kinds.store import KindStore
from runlane.model.limits import KindLimit, Limits, Rate
from runlane.model.requests import KindChange, QueueChange
from runlane.queue.client import JobQueue
from runlane.queue.redis_client import quietly
from runlane.settings import Settings


@dataclass(frozen=True)
class InForce:
    """The limits in force, and the settings behind them: the queue's, and those of kinds that have any."""

    limits: Limits
    queue: QueueSetting
    kinds: dict[str, KindSetting]


class LimitsService:
    """The limits of one queue."""

    def __init__(
        self, store: SettingsStore, registered: KindStore, queue: JobQueue, kinds: Catalogue, settings: Settings
    ) -> None:
        self._store = store
        self._registered = registered
        self._queue = queue
        self._kinds = kinds
        self._settings = settings

    async def current(self) -> Limits:
        """What claiming obeys: what people have set, else the defaults of the environment and of each kind."""
        return (await self.with_settings()).limits

    async def with_settings(self) -> InForce:
        """As ``current``, with what people have set, each with its version."""
        setting, of_kinds, registered = await asyncio.gather(
            self._store.queue(), self._store.kinds(), self._registered.limits()
        )
        # from SQL: this process may not know yet what another has just registered, and its limit must not be undone
        defaults = {kind.name: KindLimit(kind.max_running, kind.rate) for kind in self._kinds} | registered
        limits = Limits(
            concurrency=setting.concurrency or self._settings.concurrency,
            paused=setting.paused,
            kinds={
                name: _limit(defaults.get(name, KindLimit()), of_kinds.get(name, KindSetting()))
                for name in defaults | of_kinds  # also of one that is not registered: an older worker may still run it
            },
        )
        return InForce(limits, setting, of_kinds)

    async def change_queue(self, change: QueueChange) -> Limits:
        """Pause or resume, or change how many jobs run at once; running jobs are left alone.

        Raises:
            Conflict: it is not at the version that the change names.
        """
        changes = change.model_dump(exclude_unset=True, exclude={"version"})
        await self._store.change_queue(changes, change.version)
        return await self._obey_limits()

    async def change_kind(self, name: str, change: KindChange) -> Limits:
        """Pause or resume the jobs of a kind, or change how many of them run at once or start in a time.

        Raises:
            KindNotFound: no such kind.
            Conflict: its setting is not at the version that the change names.
        """
        if name not in self._kinds:
            raise KindNotFound(name)
        changes = change.model_dump(exclude_unset=True, exclude={"version", "rate"})
        if "rate" in change.model_fields_set:
            rate = change.rate
            changes |= {"rate_count": rate and rate.count, "rate_s": rate and rate.seconds}
        await self._store.change_kind(name, changes, change.version)
        return await self._obey_limits()

    async def _obey_limits(self) -> Limits:
        await quietly(self._queue.set_limits(self.current))
        return await self.current()


def _limit(default: KindLimit, setting: KindSetting) -> KindLimit:
    """The limit of a kind: what people have set, else its own default."""
    rate = default.rate
    if setting.rate_count is not None and setting.rate_s is not None:
        rate = Rate(setting.rate_count, setting.rate_s)
    return KindLimit(setting.max_running or default.max_running, rate, setting.paused)
