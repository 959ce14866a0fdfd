"""A kind, as its page shows it."""

from typing import TypedDict


class KindRow(TypedDict):
    """A kind of job, with what holds for it; ``params`` has one line a field."""

    name: str
    title: str
    description: str
    limits: str
    usually: str
    params: list[str]
    paused: bool
    max_running: str
    rate_count: str
    rate_s: str
    version: int
    """Of what people have set; see ``runlane.kinds.settings_store``."""
    workers: list[str]
    """The living workers that can run it."""
    off: list[str]
    """Why living workers cannot run it although they should, a sentence for each."""
    is_known: bool
    """Whether this server knows it too; the others are known to workers only."""
