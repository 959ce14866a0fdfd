"""What the commands about jobs do, but for those that follow them: see ``runlane.cli.following``."""

import sys
from collections.abc import Callable, Coroutine, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from rich.table import Table
from rich.text import Text

from runlane import plain_json
from runlane.cli import output
from runlane.cli.exits import DONE, FAILED, REFUSED, remark
from runlane.cli.session import Server, each
from runlane.client.client import Client
from runlane.client.errors import JobCancelled, JobFailed
from runlane.client.run import outcome
from runlane.clock import utc_now
from runlane.model.snapshot import JobSnapshot, Part, short_id
from runlane.text import counted, without_controls

DEFAULT_LIMIT = 50


def list_jobs(server: Server, *, status: Sequence[str], kind: Sequence[str], q: str, limit: int, as_json: bool) -> None:
    """Print jobs, newest first."""

    async def listing(client: Client) -> int:
        # one more, to know whether there are more; large parts are asked for where they are printed
        fields = tuple(Part) if as_json else ()
        jobs = [job async for job in client.list(status=status, kind=kind, q=q, fields=fields, limit=limit + 1)]
        if as_json:
            output.print_json([job.model_dump(mode="json", exclude={"omitted"}) for job in jobs[:limit]])
            return DONE
        headings, rows = _listed(jobs[:limit])
        output.table(headings, rows, stretch="TITLE")
        if not jobs:
            remark("No jobs.")
        if len(jobs) > limit:
            remark(f"These are the newest {limit}; --limit shows more.")
        return DONE

    server.run(listing)


def _listed(jobs: Sequence[JobSnapshot]) -> tuple[Sequence[str], list[Sequence[str | Text]]]:
    is_whole = not sys.stdout.isatty()  # programs want ids that stay the only ones
    rows = [
        (
            str(job.id) if is_whole else job.short_id,
            output.status(job.status),
            f"{job.progress:.0f}%",
            _age(job.created_at),
            job.kind,
            job.title,
        )
        for job in jobs
    ]
    headings = ("ID", "STATUS", "DONE", "AGE", "KIND", "TITLE")
    if not output.is_narrow():
        return headings, list[Sequence[str | Text]](rows)
    return ("ID", "STATUS", "TITLE"), [
        (row[0], row[1], job.title or job.kind) for row, job in zip(rows, jobs, strict=True)
    ]


def _age(since: datetime) -> str:
    """``5s``, ``3m``, ``2h``, ``4d``."""
    seconds = max(0, int((utc_now() - since).total_seconds()))
    for unit, length in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def show(server: Server, ids: Sequence[str], *, as_json: bool) -> None:
    """Print all about jobs."""

    async def showing(client: Client) -> int:
        jobs, code = await each(ids, client.get, client)
        if as_json:
            _print_json(jobs, ids)
        for job in jobs if not as_json else ():
            _show(job)
        return code

    server.run(showing)


def _show(job: JobSnapshot) -> None:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    for name, value in _facts(job):
        grid.add_row(name, value if isinstance(value, Text) else Text(without_controls(value, lines=True)))
    output.draw(grid)


def _facts(job: JobSnapshot) -> list[tuple[str, str | Text]]:
    """What there is to say about a job, without what it does not have."""
    error = job.error
    facts: list[tuple[str, str | Text]] = [
        ("Id", str(job.id)),
        ("Kind", job.kind),
        ("Title", job.title),
        ("Status", output.status(job.status)),
        ("Progress", f"{job.progress:.0f} %"),
        ("Message", job.message),
        ("Attempt", f"{job.attempt} of {job.max_attempts}"),
        ("Priority", str(job.priority) if job.priority else ""),
        ("Worker", job.worker or ""),
        ("Created", output.local(job.created_at)),
        ("Scheduled", output.local(job.scheduled_for)),
        ("Started", output.local(job.started_at)),
        ("Finished", output.local(job.finished_at)),
        ("Parameters", plain_json.indented(job.params) if job.params else ""),
        ("Result", "" if job.result is None else plain_json.indented(job.result)),
        ("Error", f"{error.type}: {error.message}" if error else ""),
        ("Traceback", error.traceback if error else ""),
    ]
    return [(name, value) for name, value in facts if value]


def results(server: Server, ids: Sequence[str], *, as_json: bool) -> None:
    """Print what jobs returned."""

    async def reading(client: Client) -> int:
        jobs, code = await each(ids, client.get, client)
        values = [job.result for job in jobs]
        if as_json and jobs:
            output.print_json(values if len(ids) > 1 else values[0])
        for job in jobs:
            code = max(code, print_outcome(job, is_quiet=as_json))
        return code

    server.run(reading)


def print_outcome(job: JobSnapshot, *, is_quiet: bool = False) -> int:
    """Print the result of a job, unless ``is_quiet``, or why there is none, and return the exit code."""
    if not job.status.is_terminal:
        remark(
            f"Job {job.short_id} ({job.kind}) is {job.status}, so it has no result yet. "
            f"Wait for it: runlane follow {job.short_id}"
        )
        return REFUSED
    try:
        value: Any = outcome(job, None)
    except (JobFailed, JobCancelled) as exc:
        remark(without_controls(str(exc), lines=True))
        return FAILED
    if not is_quiet:
        output.print_value(value)
    return DONE


def cancel(server: Server, ids: Sequence[str], *, as_json: bool) -> None:
    """Cancel jobs."""

    def report(job: JobSnapshot) -> str:
        ended = "is cancelled" if job.status.is_terminal else "is asked to stop"
        return f"Job {job.short_id} ({job.kind}) {ended}."

    _act(server, ids, lambda client: client.cancel, report, as_json)


def retry(server: Server, ids: Sequence[str], *, from_start: bool, as_json: bool) -> None:
    """Queue jobs that failed or were cancelled once more."""

    def report(job: JobSnapshot) -> str:
        how = ", from the start" if from_start else ""
        return f"Job {job.short_id} ({job.kind}) is queued again as attempt {job.attempt}{how}."

    _act(server, ids, lambda client: lambda job_id: client.retry(job_id, from_start=from_start), report, as_json)


def _act(
    server: Server,
    ids: Sequence[str],
    action: Callable[[Client], Callable[[UUID], Coroutine[Any, Any, JobSnapshot]]],
    report: Callable[[JobSnapshot], str],
    as_json: bool,
) -> None:
    async def acting(client: Client) -> int:
        jobs, code = await each(ids, action(client), client)
        if as_json:
            _print_json(jobs, ids)
        for job in jobs if not as_json else ():
            print(report(job))
        return code

    server.run(acting)


def delete(server: Server, ids: Sequence[str], *, as_json: bool) -> None:
    """Delete jobs that are not running."""

    async def deleting(client: Client) -> int:
        async def delete_one(job_id: UUID) -> UUID:
            await client.delete(job_id)
            return job_id

        deleted, code = await each(ids, delete_one, client)
        if as_json:
            output.print_json({"deleted": deleted})
        elif len(deleted) == 1:
            print(f"Job {short_id(deleted[0])} is deleted, with its timeline and artifacts.")
        elif deleted:
            print(f"{counted(len(deleted), 'job')} are deleted, with their timelines and artifacts.")
        return code

    server.run(deleting)


def _print_json(jobs: Sequence[JobSnapshot], ids: Sequence[str]) -> None:
    """One job for one id, a list for several."""
    if len(ids) > 1:
        output.print_json([job.model_dump(mode="json") for job in jobs])
    for job in jobs if len(ids) == 1 else ():
        output.print_json(job)
