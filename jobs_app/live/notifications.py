"""Notifications for everybody: toasts, the list of them, and what a screen reader reads out.

Owns how often: a burst of failures is one message, of which the first comes at once. What one person did is reported to
them alone, by ``jobs_app.live.notify``.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Iterable
from typing import Any

from jobs_app import routes
from jobs_app.live import rooms
from jobs_app.live.deltas import Deltas
from jobs_app.live.effects import Level, toast
from jobs_app.live.notification_rows import Notification
from jobs_app.live.state import Live
from jobs_app.ui import formats
from jobs_app.ui.formats import job_name
from runlane.clock import utc_now
from runlane.model.snapshot import JobSnapshot
from runlane.model.status import JobStatus
from runlane.parts import Loop

MAX_KEPT = 30
MAX_REASON = 200
# More of them would drown what a person has asked the screen reader for.
SPEAK_EVERY_S = 5.0
# A screen reader does not read out a text that stays as it is; with this at its end it is another one.
SPOKEN_AGAIN = "\u00a0"


class Notifications:
    """The last notifications, and the loops that sum up what happens often."""

    def __init__(self, deltas: Deltas) -> None:
        self._deltas = deltas
        self._newest: deque[Notification] = deque(maxlen=MAX_KEPT)
        self._failed: list[JobSnapshot] = []
        self._has_failed = asyncio.Event()
        self._ended: Counter[str] = Counter()
        self._has_ended = asyncio.Event()

    def loops(self) -> dict[str, Loop]:
        """What sums up, each a part of the server."""
        return {"pages: failures": self._report_failures, "pages: spoken": self._speak}

    def newest(self) -> list[Notification]:
        """The last notifications, newest first."""
        return list(self._newest)

    async def notify(self, level: Level, text: str, to: Iterable[str], *, href: str = "", **options: Any) -> None:
        """Show a toast in the rooms ``to``, and list the notification in every tab; ``options`` as for ``toast``."""
        listed = "error" if level == "warning" else level
        self._newest.appendleft(Notification(at=formats.iso(utc_now()), level=listed, text=text, href=href))
        for room in to:
            await self._deltas.run(room, toast(level, text, **options))
        await self._deltas.send_to_all(Live, notifications=self.newest())

    def job_ended(self, job: JobSnapshot) -> None:
        """Collect a job that has just ended, to be summed up with others."""
        self._ended[str(job.status)] += 1
        self._has_ended.set()
        if job.status is JobStatus.FAILED:
            self._failed.append(job)
            self._has_failed.set()

    async def _report_failures(self) -> None:
        while True:
            await self._has_failed.wait()
            self._has_failed.clear()
            failed, self._failed = self._failed, []
            await self._report(failed)
            await asyncio.sleep(SPEAK_EVERY_S)

    async def _report(self, failed: list[JobSnapshot]) -> None:
        first = failed[0]
        text = f"Job {first.short_id} ({job_name(first)}) failed"
        href = routes.job(first.id)
        if len(failed) > 1:
            text = f"{len(failed)} jobs failed, the first is {first.short_id}"
            href = f"{routes.DASHBOARD}?status=failed"
        await self.notify(
            "error",
            text,
            (rooms.DASHBOARD, rooms.of_job(first.id)),
            href=href,
            description=first.error.message[:MAX_REASON] if first.error else "",
            id="job-failed",
            close_button=True,
            duration=8000,
        )

    async def _speak(self) -> None:
        """Sum up what ended for those who cannot see it."""
        spoken = ""
        while True:
            await self._has_ended.wait()
            self._has_ended.clear()
            ended, self._ended = self._ended, Counter()
            text = f"Jobs ended: {', '.join(f'{number} {status}' for status, number in ended.items())}."
            spoken = text + SPOKEN_AGAIN if spoken == text else text
            await self._deltas.send(rooms.DASHBOARD, Live, spoken=spoken)
            await asyncio.sleep(SPEAK_EVERY_S)
