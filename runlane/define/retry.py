"""When an attempt that failed is followed by another, and how long after it."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

MAX_PAUSE_S = 300.0


class GiveUp(Exception):
    """Raised by a job that no further attempt can help: it fails at once, with this message."""


@dataclass(frozen=True)
class Retry:
    """What of a job's errors is tried again, and when.

    ``on``: the errors that another attempt may help; ``GiveUp`` never is one. ``backoff``: a number is the pause in
    seconds before the second attempt, which doubles with each later one up to five minutes; a list gives each pause,
    its last one for all that follow; ``None`` leaves it to the worker's setting.
    """

    on: tuple[type[BaseException], ...] = (Exception,)
    backoff: float | Sequence[float] | None = None

    def allows(self, error: BaseException) -> bool:
        return isinstance(error, self.on) and not isinstance(error, GiveUp)

    def pause_s(self, attempt: int, base_s: float) -> float:
        """How long to wait after this attempt failed. ``base_s``: the worker's setting.

        A pause that doubles is less by up to a half at random: jobs that failed together do not try again together.
        """
        if isinstance(self.backoff, Sequence):
            return float(self.backoff[min(attempt, len(self.backoff)) - 1])
        base_s = base_s if self.backoff is None else self.backoff
        max_s: float = min(base_s * 2 ** min(attempt - 1, 30), MAX_PAUSE_S)
        return max_s * random.uniform(0.5, 1.0)
