"""The latest events of the whole system: jobs change status, workers come and go, people change settings.

Kept in memory, for as long as this process serves. What must last is elsewhere: a job's timeline, and the audit.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Mapping
from typing import Any, Literal, TypedDict
from uuid import UUID

from jobs_app import routes
from jobs_app.live.hub import Hub, Item
from jobs_app.ui import formats
from jobs_app.ui.formats import job_name
from runlane.audit import Action, AuditLog
from runlane.clock import utc_now
from runlane.errors import Unavailable
from runlane.model.snapshot import Change, Deleted, short_id
from runlane.model.status import EventType
from runlane.parts import Loop
from runlane.queue.change_feed import Feed
from runlane.queue.redis_client import REDIS_TROUBLE
from runlane.queue.worker_registry import WorkerRegistry

MAX_LINES = 500
POLL_EVERY_S = 2.0

What = Literal["job", "worker", "setting", "alert", "system"]

log = logging.getLogger(__name__)


class LogLine(TypedDict):
    """One event. ``number`` counts up; ``who`` did it, or is empty; ``href`` leads to it, or is empty."""

    number: int
    at: str
    what: What
    text: str
    who: str
    href: str


class EventLog:
    """The lines, and what fills them."""

    def __init__(self, hub: Hub, registry: WorkerRegistry, audit: AuditLog) -> None:
        self._hub = hub
        self._registry = registry
        self._audit = audit
        self._lines: deque[LogLine] = deque(maxlen=MAX_LINES)
        self._number = 0
        self._states: dict[str, str] | None = None
        self.grown = asyncio.Event()
        """Set with each new line; whoever waits for it clears it."""

    def lines(self, *, what: str = "", text: str = "", after: int = 0) -> list[LogLine]:
        """The lines that contain ``text``, newest first; if given, only those of ``what``, and those numbered above."""
        word = text.lower()
        return [
            line
            for line in reversed(self._lines)
            if line["number"] > after
            and what in ("", line["what"])
            and word in f"{line['text']} {line['who']} {line['href']}".lower()
        ]

    def add(self, what: What, text: str, *, who: str = "", href: str = "") -> None:
        self._number += 1
        line = LogLine(number=self._number, at=formats.iso(utc_now()), what=what, text=text, who=who, href=href)
        self._lines.append(line)
        self.grown.set()

    def loops(self) -> dict[str, Loop]:
        """What fills the log, each a part of the server."""
        return {"events: changes": self._receive, "events: people and workers": self._poll}

    async def _receive(self) -> None:
        with self._hub.listen() as mailbox:
            async for item in mailbox:
                try:
                    self._apply(item)
                except Exception:  # an odd job keeps no other from being listed
                    log.exception("A change could not be listed.")

    def _apply(self, item: Item) -> None:
        if isinstance(item, Change):
            if item.event.type is EventType.STATUS:
                job, event = item.job, item.event
                text = f"{job_name(job)} {job.short_id}: {event.message}"
                self.add("job", text, who=(event.data or {}).get("by", ""), href=routes.job(job.id))
        elif isinstance(item, Deleted):
            first, *others = map(short_id, item.deleted)
            self.add("job", f"{len(item.deleted)} jobs were deleted." if others else f"Job {first} was deleted.")
        elif item is Feed.DOWN:
            self.add("system", "The connection to Redis is lost; changes are not announced.")
        else:
            self.add("system", "Changes are announced again; what was missed is in the jobs' timelines.")

    async def _poll(self) -> None:
        """Read what nobody announces: workers that come and go, and what people set."""
        listed: UUID | None = None
        while True:
            try:
                last = await self._audit.page(limit=1)
                newest = last[0].id if last else UUID(int=0)
                if listed is not None and newest != listed:
                    await self._add_actions(after=listed)
                listed = newest
                self._compare_workers({worker.id: str(worker.state) for worker in await self._registry.all()})
            except (*REDIS_TROUBLE, Unavailable) as exc:
                log.debug("Could not read what happened: %s", exc)
            await asyncio.sleep(POLL_EVERY_S)

    async def _add_actions(self, after: UUID) -> None:
        for action in reversed(await self._audit.page(limit=MAX_LINES)):
            if action.id > after and action.target != "job":
                self.add("setting", describe(action), who=action.who)

    def _compare_workers(self, states: Mapping[str, str]) -> None:
        before, self._states = self._states, dict(states)
        if before is None:
            return
        for worker_id in {**before, **states}:
            was, now = before.get(worker_id), states.get(worker_id)
            if was != now:
                text = "has come" if was is None else "has stopped" if now is None else f"is {now}, was {was}"
                self.add("worker", f"Worker {worker_id} {text}.", href=routes.ADMIN_WORKERS)


def describe(action: Action) -> str:
    """What somebody did, in words: ``change queue: concurrency 5 → 7``."""
    on = action.target if action.target == action.name else f"{action.target} {action.name}"
    return f"{action.action} {on}{differences(action)}"


def differences(action: Action) -> str:
    """``: priority 0 → 5, steps 10 → 3``; empty if nothing differs."""
    before: dict[str, Any] = action.before if isinstance(action.before, dict) else {}
    after: dict[str, Any] = action.after if isinstance(action.after, dict) else {}
    parts = [
        f"{name} {_short(before[name])} → {_short(value)}" if name in before else f"{name} {_short(value)}"
        for name, value in after.items()
        if name in before or value not in (None, "", False)
    ]
    return f": {', '.join(parts)}" if parts else ""


def _short(value: Any) -> str:
    if isinstance(value, list):
        return " or ".join(map(_short, value))
    text = "none" if value is None else "yes" if value is True else "no" if value is False else str(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
