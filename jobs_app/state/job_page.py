"""One job's page: everything about it that does not change every second, read from the store."""

import shlex
from typing import TypedDict

import reflex as rx

from jobs.errors import JobNotFound, JobsError
from jobs.models import EventType, JobStatus
from jobs.snapshot import Artifact, JobSnapshot
from jobs_app import rows, runtime
from jobs_app.state.actions import parse_id

SHOWN_LINES = 300
SHOWN_STATUS_ROWS = 1000


class Fact(TypedDict):
    label: str
    value: str
    is_time: bool


class ArtifactRow(TypedDict):
    name: str
    size: str
    href: str


class JobPage(rx.State):
    """One tab's job."""

    found: bool = False
    trouble: str = ""
    row: rows.Row = {
        "id": "",
        "short_id": "",
        "kind": "",
        "title": "",
        "created_at": "",
        "worker": "",
        "priority": 0,
        "live": rows.EMPTY_HOT,
    }
    facts: list[Fact] = []
    params: str = ""
    result: str = ""
    result_cut: bool = False
    error_type: str = ""
    error_message: str = ""
    traceback: str = ""
    lines: list[rows.Line] = []
    lines_cut: bool = False
    loaded_version: int = 0
    attempts: list[rows.Attempt] = []
    artifacts: list[ArtifactRow] = []
    follow_command: str = ""

    @rx.event
    async def load(self):
        """Show the job that the address names."""
        self.found, self.trouble, self.lines = False, "", []
        await self._read()

    @rx.event
    async def refresh(self):
        """Read what is shown again."""
        await self._read()

    async def _read(self) -> None:
        store = runtime.jobs().store
        try:
            job_id = parse_id(self.job_id)
            job = await store.get(job_id)
            events = await store.events(job_id, limit=SHOWN_LINES, newest=True)
            turns = await store.events(job_id, limit=SHOWN_STATUS_ROWS, newest=True, types=[EventType.STATUS])
            artifacts = await store.artifacts(job_id)
        except JobNotFound as error:
            self.found, self.trouble = False, error.message
            return
        except JobsError as error:
            self.trouble = error.message
            return
        self._show(job)
        began = rows.starts(turns)
        self.lines = [rows.line(event, began.get(rows.attempt_of(event))) for event in events]
        self.lines_cut = len(events) == SHOWN_LINES and events[0].version > 1
        self.loaded_version = events[-1].version
        self.attempts = rows.attempts(turns)
        self.artifacts = [_artifact(artifact) for artifact in artifacts]

    def _show(self, job: JobSnapshot) -> None:
        self.found, self.trouble = True, ""
        self.row = rows.row(job)
        self.facts = _facts(job)
        self.params, _ = rows.shown_json(job.params)
        self.result, self.result_cut = ("", False) if job.result is None else rows.shown_json(job.result)
        self.error_type = job.error.type if job.error else ""
        self.error_message = job.error.message if job.error else ""
        self.traceback = job.error.traceback if job.error else ""
        address = f"{self.router.url.origin}/api/jobs/{job.id}/stream"
        self.follow_command = f"curl -N {shlex.quote(address)}"


def _facts(job: JobSnapshot) -> list[Fact]:
    texts = [
        ("Job", str(job.id)),
        ("Kind", job.kind),
        ("Attempt", f"{job.attempt} of {job.max_attempts}"),
        ("Priority", str(job.priority) if job.priority else ""),
        ("Worker", job.worker or ""),
        ("Took", rows.duration(job.started_at, job.finished_at)),
    ]
    times = [
        ("Created", rows.iso(job.created_at)),
        ("Due", rows.iso(job.scheduled_for) if job.status is JobStatus.SCHEDULED else ""),
        ("Started", rows.iso(job.started_at)),
        ("Cancel requested", rows.iso(job.cancel_requested_at)),
        ("Finished", rows.iso(job.finished_at)),
    ]
    facts = [Fact(label=label, value=value, is_time=False) for label, value in texts if value]
    return facts + [Fact(label=label, value=value, is_time=True) for label, value in times if value]


def _artifact(artifact: Artifact) -> ArtifactRow:
    size = artifact.size_bytes
    shown = f"{size} B" if size < 1000 else f"{size / 1000:.1f} kB" if size < 1e6 else f"{size / 1e6:.1f} MB"
    return {
        "name": artifact.name,
        "size": shown,
        "href": f"/api/jobs/{artifact.job_id}/artifacts/{artifact.id}",
    }
