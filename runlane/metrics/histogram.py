"""Durations in buckets that grow by 5 %: small, mergeable, and accurate to 2.5 % at any percentile.

A sorted list of all durations would be exact, but grow with every job; this grows with how much they differ. The method
is that of DDSketch (Masson, Rim and Lee, 2019); its own package stores sketches as protocol buffers, which no SQL tool
reads, so the twenty lines are here and a histogram is stored as a JSON object of bucket to count.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

GROWTH = 1.05
# Anything shorter counts as this.
MIN_S = 0.0005

_LOG_GROWTH = math.log(GROWTH)


@dataclass
class Histogram:
    """How many durations there were in each bucket; the buckets' numbers are text, as in JSON."""

    counts: dict[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, durations_s: Iterable[float]) -> "Histogram":
        return cls(dict(Counter(map(_bucket, durations_s))))

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    def add(self, duration_s: float) -> None:
        bucket = _bucket(duration_s)
        self.counts[bucket] = self.counts.get(bucket, 0) + 1

    def merge(self, other: "Histogram") -> None:
        if not self.counts:
            self.counts = dict(other.counts)
            return
        mine, known = self.counts, self.counts.get
        for bucket, count in other.counts.items():
            mine[bucket] = known(bucket, 0) + count

    @property
    def sum_s(self) -> float:
        """The sum of all durations, accurate to 2.5 %."""
        return sum(count * _middle_s(int(bucket)) for bucket, count in self.counts.items())

    def up_to(self, bounds_s: Sequence[float]) -> list[int]:
        """For each of the ascending bounds, how many durations do not exceed it."""
        found, passed = list[int](), 0
        buckets = sorted((int(bucket), count) for bucket, count in self.counts.items())
        index = 0
        for bound in bounds_s:
            while index < len(buckets) and _middle_s(buckets[index][0]) <= bound:
                passed += buckets[index][1]
                index += 1
            found.append(passed)
        return found

    def percentile(self, share: float) -> float | None:
        """The duration that ``share`` (0 to 1) of all do not exceed, in seconds; ``None`` if there are none."""
        return self.percentiles((share,))[0]

    def percentiles(self, shares: Sequence[float]) -> list[float | None]:
        """As ``percentile``, for several, the lowest first."""
        total, passed, found = self.total, 0, list[float | None]()
        buckets = iter(sorted((int(bucket), count) for bucket, count in self.counts.items()))
        bucket = 0
        for share in shares:
            while passed < share * total or not passed:
                at = next(buckets, None)
                if at is None:
                    break
                bucket, passed = at[0], passed + at[1]
            found.append(float(f"{_middle_s(bucket):.4g}") if total else None)
        return found


def _middle_s(bucket: int) -> float:
    return float(MIN_S * GROWTH ** (bucket + 0.5))


def _bucket(duration_s: float) -> str:
    return str(int(math.log(max(duration_s, MIN_S) / MIN_S) / _LOG_GROWTH))
