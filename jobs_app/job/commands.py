"""What keys and the command palette do with one job, and with the queue."""

from collections.abc import Sequence

from jobs_app import routes, runtime
from jobs_app.job.actions import Actions
from jobs_app.job.state import JobPage
from jobs_app.keys import registry
from jobs_app.keys.registry import Place
from jobs_app.keys.rows import Command
from jobs_app.live.effects import Effect, go_to, literal, trigger
from jobs_app.ui.formats import job_name
from runlane.errors import JobsError
from runlane.model.status import RETRYABLE, JobStatus


def register() -> None:
    """Have keys and the palette know jobs."""
    registry.on_key("j", _open_older)
    registry.on_key("k", _open_newer)
    registry.on_key("c", _cancel)
    registry.on_key("r", _retry)
    registry.on_command("cancel", lambda job_id: trigger(Actions.cancel, literal(job_id)))
    registry.on_command("retry", lambda job_id: trigger(Actions.retry, literal(job_id)))
    registry.on_command("delete", lambda job_id: trigger(Actions.ask_delete, literal(job_id)))
    registry.on_command("pause", lambda _: Actions.pause)
    registry.on_command("resume", lambda _: Actions.resume)


async def with_job(place: Place) -> Sequence[Command]:
    """What can be done with the job that is open, or has the focus, as it is now; nothing without one."""
    try:
        job = await runtime.current().reader.get(routes.parse_job_id(place.job_id))
    except JobsError:  # deleted, or no database: the page shows the error
        return []
    can = {
        "cancel": not job.status.is_terminal,
        "retry": job.status in RETRYABLE,
        "delete": job.status is not JobStatus.RUNNING,
    }
    name = f"{job_name(job)} {job.short_id}"
    return [
        Command(label=f"{action.capitalize()} {name}", hint="action", does=f"{action}:{job.id}")
        for action, may_be in can.items()
        if may_be
    ]


async def with_queue(place: Place) -> Sequence[Command]:
    """What can be done with the queue."""
    return [
        Command(label="Pause the queue", hint="action", does="pause:"),
        Command(label="Resume the queue", hint="action", does="resume:"),
    ]


async def _open_older(place: Place) -> Effect:
    return go_to(to) if (to := (await _page(place)).older) and place.open_job else None


async def _open_newer(place: Place) -> Effect:
    return go_to(to) if (to := (await _page(place)).newer) and place.open_job else None


async def _page(place: Place) -> JobPage:
    return await place.tab.get_state(JobPage)


async def _cancel(place: Place) -> Effect:
    return trigger(Actions.cancel, literal(place.job_id)) if place.job_id else None


async def _retry(place: Place) -> Effect:
    return trigger(Actions.retry, literal(place.job_id)) if place.job_id else None
