"""Figures as text, as the page shows them."""

from typing import TypedDict


class FiguresRow(TypedDict):
    """The figures of a kind, or of a bucket, as text. ``address``: where the dashboard lists those jobs."""

    name: str
    submitted: str
    completed: str
    failed: str
    cancelled: str
    retried: str
    failure_rate: str
    wait: str
    run: str
    address: str
    failed_address: str
    slow_address: str


NO_FIGURES = FiguresRow(**dict.fromkeys(FiguresRow.__annotations__, ""))  # type: ignore[typeddict-item]


class CostRow(TypedDict):
    """The storage that the figures of one step take."""

    step: str
    rows: str
    size: str
    oldest_at: str
