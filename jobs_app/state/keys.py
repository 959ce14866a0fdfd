"""What single keys and the command palette do. Each does what a button does, through the same state."""

import json
import time

import reflex as rx

from jobs.errors import JobsError
from jobs.kinds import catalogue
from jobs.matching import JobFilter
from jobs.models import JobStatus
from jobs.query import LONGEST
from jobs_app import routes, rows, runtime
from jobs_app.rows import Command
from jobs_app.state.actions import Actions
from jobs_app.state.board import BoardState, Views
from jobs_app.state.job_page import JobPage
from jobs_app.state.selection import Selection
from jobs_app.state.start import StartForm

CHORD_S = 1.5
"""How long after ``g`` the second key may come."""
MOST_COMMANDS = 12
FOUND_JOBS = 6


class Keys(rx.State):
    """One tab's keys and palette."""

    sheet: bool = False
    palette: bool = False
    commands: list[Command] = []
    active: int = 0
    _went_at: float = 0.0
    _found: str = ""
    """The words that ``commands`` are about."""

    @rx.event
    async def press(self, key: str, job_id: str):
        """Do what a key means here; ``job_id`` is the job of the focused row, if one has the focus."""
        is_second = time.monotonic() - self._went_at < CHORD_S
        self._went_at = time.monotonic() if key == "g" else 0.0
        page = str(getattr(self, "job_id", ""))
        job_id = job_id or page
        match key:
            case "palette":
                self.palette = True
                await self._find("")
            case "?":
                self.sheet = True
            case "d" if is_second:
                return rx.redirect(routes.DASHBOARD)
            case "a" if is_second:
                return rx.redirect(routes.ADMIN)
            case "/" | "n" if page:
                return rx.redirect(routes.DASHBOARD)
            case "/":
                return _focus("search")
            case "n":
                return _focus("kind")
            case "j" | "k" if page:
                to = await self._neighbour(1 if key == "j" else -1)
                return rx.redirect(to) if to else None
            case "j" | "k":
                return await self._move(job_id, 1 if key == "j" else -1)
            case "x" if job_id and not page:
                return Selection.toggle(job_id, {"shift_key": False})
            case "c" if job_id:
                return Actions.cancel(job_id)
            case "r" if job_id:
                return Actions.retry(job_id)
        return None

    @rx.event
    def show_sheet(self, is_open: bool):
        self.sheet = is_open

    @rx.event
    def show_palette(self, is_open: bool):
        self.palette = is_open

    @rx.event
    async def find(self, text: str):
        """List what can be done or opened with these words."""
        await self._find(text)

    @rx.event
    async def enter(self, form: dict[str, str]):
        """Do what the active command says; if more was typed than was looked for yet, the first that fits."""
        if _words(form.get("command", "")) != self._found:
            await self._find(form["command"])
        return Keys.choose(self.commands[self.active]["does"]) if self.commands else None

    @rx.event
    def press_in_palette(self, key: str):
        """Move through the commands."""
        step = 1 if key == "ArrowDown" else -1
        self.active = (self.active + step) % max(len(self.commands), 1)

    @rx.event
    def choose(self, does: str):
        """Do what a command of the palette says: ``<what>:<with what>``."""
        self.palette = False
        what, _, whom = does.partition(":")
        match what:
            case "go" if whom.startswith("/") and not whom.startswith("//"):
                return rx.redirect(whom)
            case "start":
                return [rx.redirect(routes.DASHBOARD), StartForm.choose(whom), _focus("kind")]
            case "pause":
                return Actions.pause
            case "resume":
                return Actions.resume
            case "keys":
                self.sheet = True
        return None

    async def _find(self, text: str) -> None:
        self._found, self.active = _words(text), 0
        words, text = self._found.lower().split(), self._found
        known = [c for c in await self._known() if all(word in f"{c['label']} {c['hint']}".lower() for word in words)]
        self.commands = [*known, *(await _jobs(text) if text else [])][:MOST_COMMANDS]

    async def _known(self) -> list[Command]:
        """Every command that needs no search."""
        views = (await self.get_state(Views)).saved
        return [
            Command(label="Dashboard", hint="page", does=f"go:{routes.DASHBOARD}"),
            Command(label="Admin", hint="page", does=f"go:{routes.ADMIN}"),
            Command(label="Metrics", hint="page", does=f"go:{routes.ADMIN_METRICS}"),
            Command(label="Schedules", hint="page", does=f"go:{routes.ADMIN_SCHEDULES}"),
            Command(label="Kinds", hint="page", does=f"go:{routes.ADMIN_KINDS}"),
            Command(label="Queue: clear out", hint="page", does=f"go:{routes.ADMIN_QUEUE}"),
            Command(label="System: Redis and database", hint="page", does=f"go:{routes.ADMIN_SYSTEM}"),
            Command(label="Alerts", hint="page", does=f"go:{routes.ADMIN_ALERTS}"),
            Command(label="Events", hint="page", does=f"go:{routes.ADMIN_EVENTS}"),
            Command(label="Audit", hint="page", does=f"go:{routes.ADMIN_AUDIT}"),
            Command(label="Workers", hint="page", does=f"go:{routes.ADMIN_WORKERS}"),
            *(Command(label=f"Jobs: {s}", hint="list", does=f"go:{routes.DASHBOARD}?status={s}") for s in JobStatus),
            *(Command(label=v["name"], hint="saved view", does=f"go:{routes.DASHBOARD}{v['address']}") for v in views),
            *(Command(label=f"Start: {kind.title}", hint="form", does=f"start:{kind.name}") for kind in catalogue()),
            Command(label="Pause the queue", hint="action", does="pause:"),
            Command(label="Resume the queue", hint="action", does="resume:"),
            Command(label="Keys", hint="help", does="keys:"),
        ]

    async def _move(self, job_id: str, step: int) -> rx.event.EventSpec | None:
        """Focus the row after or before that of a job; the first one if none has the focus."""
        ids = [row["id"] for row in (await self.get_state(BoardState)).rows]
        if not ids:
            return None
        at = min(max(ids.index(job_id) + step, 0), len(ids) - 1) if job_id in ids else 0
        return _focus(f"row-{ids[at]}")

    async def _neighbour(self, step: int) -> str:
        page = await self.get_state(JobPage)
        return page.older if step > 0 else page.newer


async def _jobs(text: str) -> list[Command]:
    """The newest jobs that a query finds; none while it cannot be read."""
    try:
        page = await runtime.jobs().store.page(JobFilter(text=text), limit=FOUND_JOBS, brief=True)
    except JobsError:  # half a query, or no database: the list below shows that there is nothing
        return []
    return [
        Command(
            label=f"{rows.kind_title(job.kind)} {job.short_id}", hint=str(job.status), does=f"go:{routes.job(job.id)}"
        )
        for job in page.jobs
    ]


def _focus(element_id: str) -> rx.event.EventSpec:
    return rx.call_script(f"document.getElementById({json.dumps(element_id)})?.focus()")


def _words(text: str) -> str:
    """What is looked for when this is typed."""
    return text[:LONGEST].strip()
