"""Jobs as they run: bars in a terminal, lines in a pipe, JSON lines for programs.

A job that ends becomes a line above the bars; so there may be more jobs than the terminal has lines. Ctrl-C ends the
following alone.
"""

import asyncio
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Self, TextIO
from uuid import UUID

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from runlane.cli import output
from runlane.cli.exits import DONE, FAILED, REFUSED, remark
from runlane.cli.session import Server, each, sentence
from runlane.client.client import Client
from runlane.client.errors import Refused
from runlane.model.snapshot import JobEvent, JobSnapshot
from runlane.model.status import EventType, JobStatus

# Streams that are open at once; the others wait for one to end.
MAX_STREAMS = 50
# Lines of the terminal that bars leave free.
MARGIN = 4
NARROW = 70
MARKS = {JobStatus.COMPLETED: "✓", JobStatus.FAILED: "✗", JobStatus.CANCELLED: "–"}
LOUD = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "red"}


class Display:
    """What shows jobs that are followed, in a ``with`` block; this one shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...

    def begin(self, job: JobSnapshot) -> None:
        """A job will be followed."""

    def show(self, job: JobSnapshot, event: JobEvent) -> None:
        """Something happened to it."""

    def end(self, job: JobSnapshot) -> None:
        """It has ended."""


def follow(server: Server, ids: Sequence[str], *, as_json: bool) -> None:
    """Show what jobs do until all have ended."""

    async def following(client: Client) -> int:
        jobs, code = await each(ids, client.get, client)
        ended = await watch(client, jobs, JsonLines() if as_json else display(sys.stdout))
        return max(code, *map(code_of, ended), DONE)

    server.run(following)


async def watch(client: Client, jobs: Sequence[JobSnapshot], shown: Display) -> list[JobSnapshot | None]:
    """The jobs as they ended, ``None`` for one that was deleted meanwhile; they are shown until then."""
    free = asyncio.Semaphore(MAX_STREAMS)
    going_on = {job.id: job for job in jobs}

    async def watch_one(job: JobSnapshot) -> JobSnapshot | None:
        try:
            async with free:
                async for event in client.events(job.id):
                    shown.show(job, event)
                ended = await client.get(job.id)
        except Refused as exc:
            del going_on[job.id]
            remark(sentence(exc))
            return None
        del going_on[job.id]
        shown.end(ended)
        return ended

    try:
        with shown:
            for job in jobs:
                shown.begin(job)
            return await asyncio.gather(*map(watch_one, jobs))
    except asyncio.CancelledError:  # by Ctrl-C
        remark(_left_running([*going_on.values()]))
        raise


def _left_running(jobs: Sequence[JobSnapshot]) -> str:
    words = " ".join(job.short_id for job in jobs)
    goes_on, stop = ("the job goes on", "stop it") if len(jobs) == 1 else (f"{len(jobs)} jobs go on", "stop them")
    return f"No longer followed; {goes_on}. To follow again: runlane follow {words}\nTo {stop}: runlane cancel {words}"


def code_of(ended: JobSnapshot | None) -> int:
    """The exit code that a job's end gives."""
    if ended is None:
        return REFUSED
    return DONE if ended.status is JobStatus.COMPLETED else FAILED


def display(stream: TextIO) -> Display:
    """What suits a stream."""
    return Bars(stream) if output.is_lively(stream) else Lines(stream)


class JsonLines(Display):
    """Each event on a line, as ``GET /api/jobs/{id}/events`` has it, with the job's id."""

    def show(self, job: JobSnapshot, event: JobEvent) -> None:
        output.print_json_line({"job_id": str(job.id), **event.model_dump(mode="json")})


class Lines(Display):
    """Each event on a line: time, job, progress and what it says."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def show(self, job: JobSnapshot, event: JobEvent) -> None:
        at = _clock(event.at)
        print(f"{at}  {job.short_id}  {event.progress:3.0f}%  {_words(event)}", file=self._stream, flush=True)

    def end(self, job: JobSnapshot) -> None:
        print(_ended(job), file=self._stream, flush=True)


class Bars(Display):
    """A bar for each job that has not ended, below the lines of logs and of those that have."""

    def __init__(self, stream: TextIO) -> None:
        self._console = output.console(stream)
        self._progress = Progress(*_columns(self._console), console=self._console, expand=True, transient=True)
        self._tasks: dict[UUID, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def begin(self, job: JobSnapshot) -> None:
        task = self._progress.add_task(
            output.plain(job.title or job.kind),
            total=100,
            visible=len(self._tasks) < self._console.height - MARGIN,
            id=job.short_id,
            message=output.plain(job.message or job.status),
        )
        self._progress.update(task, completed=job.progress)
        self._tasks[job.id] = task

    def show(self, job: JobSnapshot, event: JobEvent) -> None:
        match event.type:
            case EventType.LOG | EventType.ARTIFACT:
                level = str((event.data or {}).get("level", "")).upper()
                line = Text(f"{job.short_id}  {_clock(event.at)}  ", "dim").append(
                    _words(event), LOUD.get(level, "default")
                )
                self._console.print(line)
            case _:
                task, message = self._tasks[job.id], output.plain(event.message or event.status)
                self._progress.update(task, completed=event.progress, message=message)

    def end(self, job: JobSnapshot) -> None:
        self._progress.remove_task(self._tasks.pop(job.id))
        for task in list(self._tasks.values())[: self._console.height - MARGIN]:
            self._progress.update(task, visible=True)
        self._progress.refresh()  # before the line is printed, which draws the bars again as they last were
        self._console.print(Text(_ended(job), output.COLOURS[job.status]))


def _columns(console: Console) -> list[TextColumn | BarColumn]:
    """The columns for the width that there is; what a job is and does is cut."""
    is_narrow = console.width < NARROW
    label = TextColumn("{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True))
    return [
        TextColumn("{task.fields[id]}", markup=False, style="dim"),
        *(() if is_narrow else (label,)),
        BarColumn(8 if is_narrow else 20),
        TextColumn("{task.percentage:3.0f}%", markup=False),
        TextColumn("{task.fields[message]}", markup=False, table_column=Column(ratio=1, no_wrap=True)),
    ]


def _words(event: JobEvent) -> str:
    """What an event says."""
    text = output.plain(event.message)
    match event.type:
        case EventType.STATUS:
            return f"{event.status}: {text}" if text else str(event.status)
        case EventType.LOG:
            level = output.plain((event.data or {}).get("level", ""))
            return f"{level.upper()}  {text}" if level and level.lower() != "info" else text
        case _:
            return text


def _ended(job: JobSnapshot) -> str:
    took = _took(job)
    why = output.plain(f"{job.error.type}: {job.error.message}") if job.error else ""
    return f"{MARKS[job.status]} {job.short_id}  {output.plain(job.kind)} {job.status}{took}  {why}".rstrip()


def _took(job: JobSnapshot) -> str:
    if job.started_at is None or job.finished_at is None:
        return ""
    return f" in {(job.finished_at - job.started_at).total_seconds():.1f} s"


def _clock(at: datetime) -> str:
    return f"{at.astimezone():%H:%M:%S}"
