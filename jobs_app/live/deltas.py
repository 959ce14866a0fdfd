"""What a room of tabs is sent: values of a state, something their browsers do, or an event that their states handle.

The one module that relies on Reflex's internals: deltas built by hand, which are encoded once and broadcast to a whole
room, and events put in a tab's queue. ``tests/contract/test_live_rooms.py`` holds what it relies on.
"""

from typing import Any

import reflex as rx
from reflex.state import StateUpdate
from reflex_base.constants import SocketEvent
from reflex_base.constants.state import FIELD_MARKER
from reflex_base.event import Event

from jobs_app.live.rooms import Rooms, namespace_of


class Deltas:
    """Sends to rooms; nothing is sent to one that nobody is in."""

    def __init__(self, app: rx.App, rooms: Rooms) -> None:
        self._app = app
        self._rooms = rooms

    async def send(self, room: str, state: type[rx.State], **values: Any) -> None:
        """Give vars of ``state`` new values in every tab of the room, without any tab's state knowing."""
        delta = {state.get_full_name(): {name + FIELD_MARKER: value for name, value in values.items()}}
        await self._emit(room, StateUpdate(delta=delta))

    async def send_to_all(self, state: type[rx.State], **values: Any) -> None:
        """As ``send``, in every tab, whatever page it shows."""
        for room in self._rooms.open():
            await self.send(room, state, **values)

    async def run(self, room: str, effect: Any) -> None:
        """Have the browsers in the room do something, such as show a toast."""
        await self._emit(room, StateUpdate(events=Event.from_event_type(effect)))

    async def handle(self, room: str, handler: Any) -> None:
        """Have the state of each tab in the room handle an event."""
        tokens = namespace_of(self._app).sid_to_token
        for token in filter(None, map(tokens.get, self._rooms.members(room))):
            for event in Event.from_event_type(handler):
                await self._app.event_processor.enqueue(token, event)

    async def _emit(self, room: str, update: StateUpdate) -> None:
        if self._rooms.is_open(room):
            await namespace_of(self._app).emit(str(SocketEvent.EVENT), update, room=room)
