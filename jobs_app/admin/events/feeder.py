"""Feeds the pages of events as the log grows, and notifies everybody of alerts, which are in the log too."""

import asyncio

from jobs_app.admin.events.live_state import LiveEvents
from jobs_app.live import rooms
from jobs_app.live.broadcaster import Broadcaster
from jobs_app.live.event_log import EventLog, LogLine
from jobs_app.live.feeder import Feeder, Values
from runlane.parts import Loop

SEND_EVERY_S = 0.25
MAX_SHOWN = 200
ALERT_SHOWN_MS = 10_000


class EventsFeeder(Feeder):
    """The newest events."""

    def __init__(self, live: Broadcaster, event_log: EventLog) -> None:
        self._live = live
        self._log = event_log

    def loops(self) -> dict[str, Loop]:
        return {"pages: events": self._follow}

    async def present(self, room: str) -> Values:
        return {LiveEvents: {"lines": self._newest()}} if room == rooms.EVENTS else {}

    async def _follow(self) -> None:
        notified = 0
        while True:
            await self._log.grown.wait()
            self._log.grown.clear()
            for line in reversed(self._log.lines(what="alert", after=notified)):
                notified = line["number"]
                await self._notify(line)
            await self._live.deltas.send(rooms.EVENTS, LiveEvents, lines=self._newest())
            await asyncio.sleep(SEND_EVERY_S)

    async def _notify(self, alert: LogLine) -> None:
        await self._live.notifications.notify(
            "warning",
            alert["text"],
            (rooms.DASHBOARD, rooms.ADMIN),
            href=alert["href"],
            id=f"alert-{alert['number']}",
            duration=ALERT_SHOWN_MS,
        )
        self._live.mark_stale(rooms.ADMIN)

    def _newest(self) -> list[LogLine]:
        return self._log.lines()[:MAX_SHOWN]
