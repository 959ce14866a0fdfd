"""What single keys and the command palette do. Each does what a button does, through the same state.

Which states those are, features register in ``jobs_app.keys.registry``; what leads to another page is here.
"""

import time
from collections.abc import Sequence

import reflex as rx

from jobs_app import routes, runtime
from jobs_app.keys import registry
from jobs_app.keys.registry import ARRIVES_WITHIN_S, Place, focus
from jobs_app.keys.rows import Command
from jobs_app.live.effects import Effect, go_to, literal, trigger
from jobs_app.ui.formats import job_name
from runlane.errors import JobsError
from runlane.search.matching import JobFilter
from runlane.search.query import MAX_LENGTH

# How long after ``g`` the second key counts.
CHORD_S = 1.5
MAX_COMMANDS = 12
FOUND_JOBS = 6
PAGES = {
    "Dashboard": routes.DASHBOARD,
    "Admin": routes.ADMIN,
    "Metrics": routes.ADMIN_METRICS,
    "Schedules": routes.ADMIN_SCHEDULES,
    "Kinds": routes.ADMIN_KINDS,
    "Queue: clean up": routes.ADMIN_QUEUE,
    "System: Redis and database": routes.ADMIN_SYSTEM,
    "Alerts": routes.ADMIN_ALERTS,
    "Events": routes.ADMIN_EVENTS,
    "Audit": routes.ADMIN_AUDIT,
    "Workers": routes.ADMIN_WORKERS,
}


class Keys(rx.State):
    """One tab's keys and palette."""

    sheet: bool = False
    palette: bool = False
    commands: list[Command] = []
    active: int = 0
    _went_at: float = 0.0
    _found: str = ""
    """The words that ``commands`` are about."""
    _job_id: str = ""
    """The job that was open, or whose row had the focus, when the palette was opened."""

    @rx.event
    async def press(self, key: str, job_id: str) -> Effect:
        """Do what a key stands for here; ``job_id`` is the job of the focused row, if one has the focus."""
        is_second = time.monotonic() - self._went_at < CHORD_S
        self._went_at = time.monotonic() if key == "g" else 0.0
        place = self._place(job_id)
        match key:
            case "palette":
                self.palette, self._job_id = True, place.job_id
                await self._find("")
            case "?":
                self.sheet = True
            case "d" if is_second:
                return go_to(routes.DASHBOARD)
            case "a" if is_second:
                return go_to(routes.ADMIN)
            case "/" | "n":
                there = focus("search" if key == "/" else "kind", ARRIVES_WITHIN_S)
                return there if place.is_dashboard else [go_to(routes.DASHBOARD), there]
            case _:
                return await registry.press(key, place)
        return None

    @rx.event
    def show_sheet(self, is_open: bool) -> None:
        self.sheet = is_open

    @rx.event
    def show_palette(self, is_open: bool) -> None:
        self.palette = is_open

    @rx.event
    async def find(self, text: str) -> None:
        """List what can be done or opened with these words."""
        await self._find(text)

    @rx.event
    async def enter(self, form: dict[str, str]) -> Effect:
        """Do the active command; if more was typed since the last search, the first one that fits."""
        if _words(form.get("command", "")) != self._found:
            await self._find(form["command"])
        return trigger(Keys.choose, literal(self.commands[self.active]["does"])) if self.commands else None

    @rx.event
    def press_in_palette(self, key: str) -> None:
        """Move through the commands."""
        step = 1 if key == "ArrowDown" else -1
        self.active = (self.active + step) % max(len(self.commands), 1)

    @rx.event
    def choose(self, does: str) -> Effect:
        """Do a command of the palette: ``<what>:<with what>``."""
        self.palette = False
        what, _, argument = does.partition(":")
        match what:
            case "go" if argument.startswith("/") and not argument.startswith("//"):
                return go_to(argument)
            case "keys":
                self.sheet = True
                return None
        return registry.perform(does)

    async def _find(self, text: str) -> None:
        self._found, self.active = _words(text), 0
        words, text = self._found.lower().split(), self._found
        offered = await registry.offers(self._place(self._job_id))
        known = [c for c in offered if all(word in f"{c['label']} {c['hint']}".lower() for word in words)]
        self.commands = [*known, *(await _jobs(text) if text else [])][:MAX_COMMANDS]

    def _place(self, job_id: str) -> Place:
        open_job = str(getattr(self, "job_id", ""))
        if self.router.url.path != routes.job(open_job):
            open_job = ""
        return Place(self, job_id or open_job, open_job)


async def pages(place: Place) -> Sequence[Command]:
    """Every page."""
    return [Command(label=label, hint="page", does=f"go:{address}") for label, address in PAGES.items()]


async def key_sheet(place: Place) -> Sequence[Command]:
    """The list of keys."""
    return [Command(label="Keys", hint="help", does="keys:")]


async def _jobs(text: str) -> list[Command]:
    """The newest jobs that a query finds; none while it cannot be read."""
    try:
        page = await runtime.current().reader.page(JobFilter(text=text), limit=FOUND_JOBS, brief=True)
    except JobsError:  # half a query, or no database: the list below shows that there is nothing
        return []
    return [
        Command(label=f"{job_name(job)} {job.short_id}", hint=str(job.status), does=f"go:{routes.job(job.id)}")
        for job in page.jobs
    ]


def _words(text: str) -> str:
    """What to search for when this is typed."""
    return text[:MAX_LENGTH].strip()
