"""What a feature adds to the live layer: a feeder, which receives every change and feeds the rooms of its pages.

A feeder overrides what it needs. It has a ``Broadcaster`` to send through, and is added to it when the server starts:
see ``jobs_app.app``. *Hot* values are the same in every tab of a room, so they are sent as one delta; for *cold* ones,
which differ from tab to tab, a feeder marks its room stale, and each tab reads again.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import reflex as rx

from runlane.model.limits import Limits
from runlane.model.snapshot import Change
from runlane.parts import Loop

# The values of vars, by the state that they belong to.
Values = dict[type[rx.State], dict[str, Any]]


class Feeder:
    """Feeds the rooms of one feature; does nothing by itself."""

    def loops(self) -> dict[str, Loop]:
        """Loops that run while the server does, each a part of it."""
        return {}

    def apply(self, change: Change) -> None:
        """A job has changed."""

    def remove(self, job_ids: Sequence[UUID]) -> None:
        """Jobs were deleted."""

    def change_limits(self, limits: Limits) -> None:
        """Other limits than before hold for the queue."""

    async def change_kinds(self) -> None:
        """Workers have brought other kinds, or other versions of them."""

    async def read_again(self) -> None:
        """Changes may have been missed: forget what was received, and read the store."""

    async def flush(self) -> None:
        """Send the hot values that have changed. Called after changes, at most every ``FLUSH_EVERY_S``."""

    async def check(self) -> None:
        """Check what nobody announces. Called every ``CHECK_EVERY_S``."""

    async def present(self, room: str) -> Values:
        """The hot values of a room, for a tab that has just joined it."""
        return {}

    def refreshed(self, rooms_read: set[str]) -> None:
        """The tabs in these rooms have just been sent an event that makes them read again."""
