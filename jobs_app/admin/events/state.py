"""The admin pages of events, which are shown as they happen, and of the audit: who did what."""

from uuid import UUID

import reflex as rx

from jobs_app import routes, runtime
from jobs_app.admin.events.live_state import LiveEvents
from jobs_app.admin.events.rows import ActionRow
from jobs_app.live import rooms
from jobs_app.live.arrival import join
from jobs_app.live.effects import Effect
from jobs_app.live.event_log import LogLine, differences
from jobs_app.live.notify import notify
from jobs_app.ui import formats
from runlane.audit import PAGE, Action
from runlane.errors import JobsError

MAX_TEXT = 200


class AdminEvents(rx.State):
    """Which events one tab shows."""

    text: str = ""
    what: str = ""
    paused: bool = False
    held: list[LogLine] = []
    """The lines that are shown while it is paused."""

    @rx.event
    async def join(self) -> None:
        """Have the page show each event as it happens."""
        await join(self, rooms.EVENTS)

    @rx.event
    def load(self) -> None:
        self.text, self.what, self.paused, self.held = "", "", False, []

    @rx.event
    def find(self, text: str) -> None:
        self.text = text[:MAX_TEXT].lower()

    @rx.event
    def show(self, what: str) -> None:
        self.what = what

    @rx.event
    async def pause(self, paused: bool) -> None:
        """Freeze the lines that are shown, or follow the events again."""
        self.paused = paused
        self.held = list((await self.get_state(LiveEvents)).lines) if paused else []


class AdminAudit(rx.State):
    """One tab's list of what people did."""

    actions: list[ActionRow] = []
    text: str = ""
    more: bool = False
    _cursors: list[str] = []

    @rx.event
    async def load(self) -> Effect:
        self.text = dict(self.router.url.query_parameters).get("q", "")[:MAX_TEXT]
        self._cursors = []
        return await self._read()

    @rx.event
    async def refresh(self) -> Effect:
        return None if self._cursors else await self._read()

    @rx.event
    async def find(self, form: dict[str, str]) -> Effect:
        self.text, self._cursors = form.get("q", "").strip()[:MAX_TEXT], []
        return await self._read()

    @rx.event
    async def older(self) -> Effect:
        if self.more and self.actions:
            self._cursors = [*self._cursors, self.actions[-1]["id"]]
            return await self._read()
        return None

    @rx.event
    async def newest(self) -> Effect:
        self._cursors = []
        return await self._read()

    async def _read(self) -> Effect:
        before = UUID(self._cursors[-1]) if self._cursors else None
        try:
            found = await runtime.current().audit.page(text=self.text, before=before)
        except JobsError as error:
            return await notify(self, "error", error.message)
        self.actions, self.more = [_row(action) for action in found], len(found) == PAGE
        return None


def _row(action: Action) -> ActionRow:
    return {
        "id": str(action.id),
        "at": formats.iso(action.at),
        "who": action.who or "the system",
        "what": f"{action.action} {action.target}",
        "name": action.name if action.target != action.name else "",
        "href": routes.job(action.name) if action.target == "job" else "",
        "change": differences(action).removeprefix(": "),
    }
