"""How many jobs may run at once, over all workers and of each kind, and how high a priority may be."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

# The lowest is its negative; the queue's scores have no room for more, see ``runlane.queue.client``.
MAX_PRIORITY = 1000
MAX_CONCURRENCY = 1000
MAX_RATE = 100_000
MIN_RATE_S, MAX_RATE_S = 0.001, 86_400.0


@dataclass(frozen=True)
class Rate:
    """At most ``count`` starts in any ``seconds``."""

    count: int
    seconds: float

    def __post_init__(self) -> None:
        if not (1 <= self.count <= MAX_RATE and MIN_RATE_S <= self.seconds <= MAX_RATE_S):
            raise ValueError(f"a rate of {self.count} in {self.seconds} s: count from 1, seconds from 0.001 to a day")


@dataclass(frozen=True)
class KindLimit:
    """The limits of one kind's jobs; ``None``: no limit of its own."""

    max_running: int | None = None
    rate: Rate | None = None
    paused: bool = False


@dataclass(frozen=True)
class Limits:
    """What claiming obeys."""

    concurrency: int
    paused: bool = False
    kinds: Mapping[str, KindLimit] = field(default_factory=lambda: MappingProxyType({}))
