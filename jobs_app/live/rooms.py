"""Rooms of browser tabs: what each is called, and who is in which.

A room's name is written here and nowhere else. A tab is in the rooms of the page that it shows, and in no other. A room
is not a permission: whoever is in it sees what is sent to it. The rooms are those of python-socketio, which Reflex runs
on; it has no public call for who is in one.
"""

import reflex as rx
from reflex.app import EventNamespace

DASHBOARD = "dashboard"
ADMIN = "admin"
EVENTS = "events"
QUIET = "quiet"
JOB = "job"
COMPARISON = "comparison"
# ``QUIET`` is for pages that show nothing live but whether anything is; of the last two there is one for each job.
KINDS = frozenset({DASHBOARD, ADMIN, EVENTS, QUIET, JOB, COMPARISON})


def of_job(job_id: object) -> str:
    """The room of the pages of one job."""
    return f"{JOB}:{job_id}"


def of_comparison(job_id: object) -> str:
    """The room of pages that compare the job with another one; such a page is in two rooms."""
    return f"{COMPARISON}:{job_id}"


def kind_of(room: str) -> str:
    """Which of ``KINDS`` a room is, whatever job it is about."""
    return room.partition(":")[0]


def namespace_of(app: rx.App) -> EventNamespace:
    """The websocket of the pages. There is one in every app that has a state."""
    namespace = app.event_namespace
    assert namespace is not None
    return namespace


class Rooms:
    """The rooms of one server."""

    def __init__(self, app: rx.App) -> None:
        self._app = app

    async def join(self, sid: str, *rooms: str) -> None:
        """Put a tab's connection in these rooms, and take it out of all others."""
        namespace = namespace_of(self._app)
        for other in self.open():
            if other not in rooms:
                await namespace.leave_room(sid, other)
        for room in rooms:
            await namespace.enter_room(sid, room)

    def open(self) -> list[str]:
        """The rooms that somebody is in."""
        return [room for room in self._all() if room and kind_of(room) in KINDS]

    def is_open(self, room: str) -> bool:
        """Whether anybody is in the room."""
        return bool(self._all().get(room))

    def members(self, room: str) -> list[str]:
        """The connections in a room."""
        return list(self._all().get(room) or ())

    @property
    def tabs(self) -> int:
        """How many tabs show a page."""
        return len({sid for room in self.open() for sid in self.members(room)})

    def _all(self) -> dict[str | None, dict[str, str]]:
        """Members by room, with rooms that are not ours: each connection has one of its own, and all share one."""
        namespace = namespace_of(self._app)
        found: dict[str | None, dict[str, str]] = namespace.server.manager.rooms.get(namespace.namespace, {})
        return found
