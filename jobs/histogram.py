"""Durations in buckets that grow by 5 %: small, mergeable, and true to 2.5 % at any percentile.

A sorted list of all durations would be exact and would grow with every job; this grows with how much they differ. The
rule is that of DDSketch (Masson, Rim and Lee, 2019); its own package keeps sketches as protocol buffers, which no SQL
tool reads, so the twenty lines are here and a histogram is kept as a JSON object of bucket to count.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

GROWTH = 1.05
SHORTEST_S = 0.0005
"""Anything shorter counts as this."""

_LOG_GROWTH = math.log(GROWTH)


@dataclass
class Histogram:
    """How often which durations were seen, by bucket."""

    counts: Counter[int] = field(default_factory=Counter)

    @classmethod
    def of(cls, durations_s: Iterable[float]) -> "Histogram":
        return cls(Counter(map(_bucket, durations_s)))

    @classmethod
    def from_json(cls, counts: Mapping[str, int]) -> "Histogram":
        return cls(Counter({int(bucket): count for bucket, count in counts.items()}))

    def to_json(self) -> dict[str, int]:
        return {str(bucket): count for bucket, count in sorted(self.counts.items())}

    def add(self, duration_s: float) -> None:
        self.counts[_bucket(duration_s)] += 1

    def merge(self, other: "Histogram") -> None:
        self.counts.update(other.counts)

    def percentile(self, share: float) -> float | None:
        """The duration that ``share`` (0 to 1) of those seen do not exceed, in seconds; ``None`` if none was seen."""
        wanted = share * self.counts.total()
        passed = 0
        for bucket, count in sorted(self.counts.items()):
            passed += count
            if passed >= wanted:
                return float(f"{SHORTEST_S * GROWTH ** (bucket + 0.5):.4g}")
        return None


def _bucket(duration_s: float) -> int:
    return int(math.log(max(duration_s, SHORTEST_S) / SHORTEST_S) / _LOG_GROWTH)
