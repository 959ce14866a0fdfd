"""What keys and the command palette do with the dashboard's list and its selected rows."""

from collections.abc import Sequence
from functools import partial

from jobs_app import routes
from jobs_app.dashboard.selection.state import ACTIONS, Selection
from jobs_app.dashboard.state import JobList, Views
from jobs_app.keys import registry
from jobs_app.keys.registry import Place
from jobs_app.keys.rows import Command
from jobs_app.live.effects import Effect, literal, trigger
from runlane.model.status import JobStatus


def register() -> None:
    """Have keys and the palette know the list."""
    registry.on_key("x", _toggle)
    registry.on_key("j", partial(_move, step=1))
    registry.on_key("k", partial(_move, step=-1))
    registry.on_command("selected", lambda action: trigger(Selection.ask, literal(action)))


async def with_selected(place: Place) -> Sequence[Command]:
    """What can be done with the selected rows; each asks first."""
    if not (place.is_dashboard and (await place.tab.get_state(Selection)).selected):
        return []
    return [
        Command(label=f"{action.capitalize()} the selected jobs", hint="action", does=f"selected:{action}")
        for action in ACTIONS
    ]


async def lists(place: Place) -> Sequence[Command]:
    """The list narrowed to each status, and the views that have been saved."""
    views = (await place.tab.get_state(Views)).saved
    return [
        *(Command(label=f"Jobs: {s}", hint="list", does=f"go:{routes.DASHBOARD}?status={s}") for s in JobStatus),
        *(Command(label=v["name"], hint="saved view", does=f"go:{routes.DASHBOARD}{v['address']}") for v in views),
    ]


async def _toggle(place: Place) -> Effect:
    if not (place.job_id and place.is_dashboard):
        return None
    return trigger(Selection.toggle, literal(place.job_id), literal({"shift_key": False}))


async def _move(place: Place, step: int) -> Effect:
    """Focus the row after or before that of a job; the first one if none has the focus."""
    ids = [row["id"] for row in (await place.tab.get_state(JobList)).rows]
    if place.open_job or not ids:
        return None
    at = min(max(ids.index(place.job_id) + step, 0), len(ids) - 1) if place.job_id in ids else 0
    return registry.focus(f"row-{ids[at]}")
