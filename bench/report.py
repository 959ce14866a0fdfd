"""What benches make of their samples: percentiles, rates, ratios, a table, and one JSON file a run.

Pure functions but for ``write``. A ratio is the median of the quotients of the same round, because what disturbs a
machine disturbs the neighbours of a round alike.
"""

import json
import os
import platform
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "bench" / "results"

OURS, HALF, ARQ, TUNED = "ours", "Redis half", "arq", "arq tuned"
SYSTEMS = (OURS, HALF, ARQ, TUNED)


class Figures:
    """Every value measured, by figure and system, one a round."""

    def __init__(self) -> None:
        self._values: dict[str, dict[str, list[float]]] = defaultdict(dict)
        self._remarks: dict[str, str] = {}

    def note(self, figure: str, system: str, value: float, *, remark: str = "") -> None:
        """Keep one round's value. ``figure`` ends with its unit after a comma; a remark is shown below the table."""
        self._values[figure].setdefault(system, []).append(value)
        if remark:
            self._remarks[figure] = remark

    def delays(self, figure: str, system: str, delays_s: Sequence[float], *, remark: str = "") -> None:
        """Keep one round's median and 99th percentile, in milliseconds."""
        for rank in (50, 99):
            self.note(f"{figure} p{rank}, ms", system, 1000 * percentile(delays_s, rank), remark=remark)

    def table(self) -> str:
        """Medians over rounds and our ratio to each other system, as a Markdown table with its remarks."""
        rows = [["figure", *SYSTEMS, *(f"{OURS} / {other}" for other in SYSTEMS[1:])]]
        for figure, by_system in self._values.items():
            medians = [shown(statistics.median(by_system[s])) if s in by_system else "–" for s in SYSTEMS]
            ratios = [ratio(by_system.get(OURS, ()), by_system.get(other, ())) for other in SYSTEMS[1:]]
            mark = " *" if figure in self._remarks else ""
            rows.append([figure + mark, *medians, *("–" if r is None else shown(r) for r in ratios)])
        remarks = [f"* {figure}: {remark}" for figure, remark in self._remarks.items()]
        return "\n".join([aligned(rows), *remarks])

    def as_json(self) -> dict[str, Any]:
        return {"rounds": self._values, "remarks": self._remarks}


def percentile(values: Sequence[float], rank: float) -> float:
    """The value that ``rank`` % of ``values`` do not exceed, between neighbours by linear interpolation."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * rank / 100
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float | None:
    """The median quotient over the rounds that both have; ``None`` if there is none."""
    quotients = [a / b for a, b in zip(ours, theirs, strict=False) if b]
    return statistics.median(quotients) if quotients else None


def drain_rate(starts: Sequence[float], ends: Sequence[float]) -> float:
    """Jobs a second from the first start to the last end."""
    return len(ends) / (max(ends) - min(starts))


def steady_rate(ends: Sequence[float], skip_s: float, window_s: float) -> float:
    """Ends a second within ``window_s``, which begins ``skip_s`` after the first end.

    Of ends that stop before the window is over, the rate from the first to the last.
    """
    first, last = min(ends), max(ends)
    begins, closes = first + skip_s, first + skip_s + window_s
    if last < closes - 0.1 * window_s:
        return (len(ends) - 1) / (last - first)
    return sum(begins <= end < closes for end in ends) / window_s


def shown(value: float) -> str:
    """Three digits that mean something, with thousands set apart."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose first row is its head: first column to the left, the others to the right."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]

    def line(row: Sequence[str]) -> str:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))]
        return f"| {' | '.join(cells)} |"

    rule = [f"{'-' * widths[0]}", *(f"{'-' * (w - 1)}:" for w in widths[1:])]
    return "\n".join([line(rows[0]), line(rule), *(line(row) for row in rows[1:])])


def machine() -> dict[str, str]:
    """When and on what this is measured."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "cores": str(os.cpu_count()),
        "system": platform.platform(),
    }


def write(about: Mapping[str, Any], figures: Mapping[str, Any]) -> Path:
    """Keep one run in a file of its own, named by the time; its path from the root of the tree."""
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps({"machine": about, "figures": figures}, indent=2, ensure_ascii=False))
    return path.relative_to(ROOT)
