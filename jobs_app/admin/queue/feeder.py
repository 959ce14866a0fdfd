"""Feeds the pages that show operations on many jobs: how far they are, and whether they can be undone."""

import asyncio
import contextlib
import logging

from jobs_app import routes
from jobs_app.admin.queue.live_state import LiveOperations
from jobs_app.admin.queue.rows import OperationRow, operation_row
from jobs_app.live import rooms
from jobs_app.live.broadcaster import Broadcaster
from jobs_app.live.feeder import Feeder, Values
from runlane.bulk.service import Operations
from runlane.clock import utc_now
from runlane.core.deletion import UNDO_WITHIN
from runlane.errors import Unavailable
from runlane.parts import Loop

SEND_EVERY_S = 0.25
MAX_SHOWN = 10
SHOWN_IN = (rooms.DASHBOARD, rooms.ADMIN)

log = logging.getLogger(__name__)


class OperationsFeeder(Feeder):
    """The last operations."""

    def __init__(self, live: Broadcaster, operations: Operations) -> None:
        self._live = live
        self._operations = operations
        self._rows: list[OperationRow] = []

    def loops(self) -> dict[str, Loop]:
        return {"pages: operations": self._follow}

    async def present(self, room: str) -> Values:
        return {LiveOperations: {"operations": self._rows}} if room in SHOWN_IN else {}

    async def _follow(self) -> None:
        changed = self._operations.changed
        changed.set()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._undo_over_in_s()):
                    await changed.wait()
            changed.clear()
            await self._read()
            await asyncio.sleep(SEND_EVERY_S)

    def _undo_over_in_s(self) -> float | None:
        """When to read again because an undo may have run out, which nobody announces; ``None``: no undo is open."""
        return UNDO_WITHIN.total_seconds() if any(row["can_be_undone"] for row in self._rows) else None

    async def _read(self) -> None:
        try:
            found = await self._operations.newest(MAX_SHOWN)
        except Unavailable as exc:
            log.debug("The operations on many jobs cannot be read: %s", exc.message)
            return
        before = {row["id"] for row in self._rows if not row["is_over"]}
        self._rows = [operation_row(operation, utc_now()) for operation in found]
        for row in self._rows:
            if row["id"] in before and row["is_over"]:
                text = f"{row['title']}: {row['state']}, {row['so_far']}."
                await self._live.notifications.notify("info", text, SHOWN_IN, href=routes.ADMIN_QUEUE, id=row["id"])
        for room in SHOWN_IN:
            await self._live.deltas.send(room, LiveOperations, operations=self._rows)
