"""What single keys and the command palette do. Each does what a button does, through the same state."""

import time

import reflex as rx

from jobs_app import routes, rows, runtime
from jobs_app.dashboard.selection_state import ACTIONS, Selection
from jobs_app.dashboard.state import BoardState, Views
from jobs_app.job.actions import Actions, parse_id
from jobs_app.job.state import JobPage
from jobs_app.live.effects import call, go_to, literal
from jobs_app.rows import Command
from jobs_app.submit.state import StartForm
from runlane.errors import JobsError
from runlane.kinds.catalogue import catalogue
from runlane.model.status import RETRYABLE, JobStatus
from runlane.search.matching import JobFilter
from runlane.search.query import LONGEST

CHORD_S = 1.5
"""How long after ``g`` the second key may come."""
ARRIVES_WITHIN_S = 5
"""How long what is to have the focus on another page is waited for."""
MOST_COMMANDS = 12
FOUND_JOBS = 6
_FOCUS = """(id, within_ms) => {
  const ends = performance.now() + within_ms;
  (function look() {
    const found = document.getElementById(id);
    if (found) found.focus(); else if (performance.now() < ends) requestAnimationFrame(look);
  })();
}"""


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
    async def press(self, key: str, job_id: str):
        """Do what a key means here; ``job_id`` is the job of the focused row, if one has the focus."""
        is_second = time.monotonic() - self._went_at < CHORD_S
        self._went_at = time.monotonic() if key == "g" else 0.0
        page = self._open_job()
        job_id = job_id or page
        match key:
            case "palette":
                self.palette, self._job_id = True, job_id
                await self._find("")
            case "?":
                self.sheet = True
            case "d" if is_second:
                return go_to(routes.DASHBOARD)
            case "a" if is_second:
                return go_to(routes.ADMIN)
            case "/" | "n":
                focus = _focus("search" if key == "/" else "kind", ARRIVES_WITHIN_S)
                return focus if self._is_on_dashboard() else [go_to(routes.DASHBOARD), focus]
            case "j" | "k" if page:
                to = await self._neighbour(1 if key == "j" else -1)
                return go_to(to) if to else None
            case "j" | "k":
                return await self._move(job_id, 1 if key == "j" else -1)
            case "x" if job_id and self._is_on_dashboard():
                return Selection.toggle(literal(job_id), literal({"shift_key": False}))
            case "c" if job_id:
                return Actions.cancel(literal(job_id))
            case "r" if job_id:
                return Actions.retry(literal(job_id))
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
        return Keys.choose(literal(self.commands[self.active]["does"])) if self.commands else None

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
                return go_to(whom)
            case "start":
                return [go_to(routes.DASHBOARD), StartForm.choose(literal(whom)), _focus("kind", ARRIVES_WITHIN_S)]
            case "cancel":
                return Actions.cancel(literal(whom))
            case "retry":
                return Actions.retry(literal(whom))
            case "delete":
                return Actions.ask_delete(literal(whom))
            case "selected":
                return Selection.ask(literal(whom))
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

    def _open_job(self) -> str:
        """The job whose own page this is; empty on every other page."""
        job_id = str(getattr(self, "job_id", ""))
        return job_id if self.router.url.path == routes.job(job_id) else ""

    def _is_on_dashboard(self) -> bool:
        return bool(self.router.url.path == routes.DASHBOARD)

    async def _known(self) -> list[Command]:
        """Every command that needs no search."""
        views = (await self.get_state(Views)).saved
        return [
            *(await _on_job(self._job_id)),
            *(await self._on_selected()),
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

    async def _on_selected(self) -> list[Command]:
        """What can be done with the selected rows; each asks first."""
        if not (self._is_on_dashboard() and (await self.get_state(Selection)).selected):
            return []
        return [
            Command(label=f"{action.capitalize()} the selected jobs", hint="action", does=f"selected:{action}")
            for action in ACTIONS
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


async def _on_job(job_id: str) -> list[Command]:
    """What can be done with a job as it is now; nothing without one."""
    try:
        job = await runtime.current().reader.get(parse_id(job_id))
    except JobsError:  # deleted, or no database: the page says so
        return []
    can = {
        "cancel": not job.status.is_terminal,
        "retry": job.status in RETRYABLE,
        "delete": job.status is not JobStatus.RUNNING,
    }
    name = f"{rows.kind_title(job.kind)} {job.short_id}"
    return [
        Command(label=f"{action.capitalize()} {name}", hint="action", does=f"{action}:{job.id}")
        for action, may_be in can.items()
        if may_be
    ]


async def _jobs(text: str) -> list[Command]:
    """The newest jobs that a query finds; none while it cannot be read."""
    try:
        page = await runtime.current().reader.page(JobFilter(text=text), limit=FOUND_JOBS, brief=True)
    except JobsError:  # half a query, or no database: the list below shows that there is nothing
        return []
    return [
        Command(
            label=f"{rows.kind_title(job.kind)} {job.short_id}", hint=str(job.status), does=f"go:{routes.job(job.id)}"
        )
        for job in page.jobs
    ]


def _focus(element_id: str, within_s: float = 0) -> rx.event.EventSpec:
    """Give an element the focus as soon as it is there, if that is soon enough."""
    return call(_FOCUS, element_id, within_s * 1000)


def _words(text: str) -> str:
    """What is looked for when this is typed."""
    return text[:LONGEST].strip()
