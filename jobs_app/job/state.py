"""One job's page: everything about it that does not change every second, read from the reader."""

import shlex
from typing import TYPE_CHECKING, TypedDict

import reflex as rx

from jobs_app import routes, runtime
from jobs_app.dashboard.list_view import ListView
from jobs_app.job.saved import SavedState
from jobs_app.job.timeline.rows import Proof, proof
from jobs_app.job.timeline.state import Timeline
from jobs_app.job.tree.state import Trees
from jobs_app.live import rooms
from jobs_app.live.arrival import join
from jobs_app.live.effects import Effect, call, toast
from jobs_app.live.notify import notify
from jobs_app.server.runnable import runnable_now
from jobs_app.ui import formats, job_rows
from jobs_app.ui.clipboard import copy
from jobs_app.ui.formats import cut, shown_params
from jobs_app.ui.job_rows import EMPTY_ROW, KIND_PAUSED, NO_WORKER, QUEUE_PAUSED, Row
from runlane.core.reruns import Relative
from runlane.errors import InvalidInput, JobNotFound, JobsError
from runlane.model.limits import KindLimit
from runlane.model.snapshot import Artifact, JobSnapshot, short_id
from runlane.model.status import JobStatus
from runlane.model.tracebacks import Frame, frames

# What browsers draw, without running anything in it, inside an ``img``.
IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml")
READABLE = ("text/", "application/json")
MAX_PREVIEW_BYTES = 20_000
ASK_FOR_NOTIFICATIONS = "() => isSecureContext && window.Notification ? Notification.requestPermission() : 'missing'"
NOTIFY = "(text, options) => { new Notification(text, options) }"


class Fact(TypedDict):
    label: str
    value: str
    is_time: bool


class ArtifactRow(TypedDict):
    """A file; ``preview`` holds the text of a small one."""

    name: str
    size: str
    href: str
    is_image: bool
    preview: str


class Relation(TypedDict):
    """A job of the same family; ``status`` is empty when it was deleted."""

    id: str
    short_id: str
    status: str
    created_at: str
    depth: int
    is_this: bool


class JobPage(rx.State):
    """One tab's job."""

    found: bool = False
    waits_for: str = ""
    """What keeps it from starting though a slot may be free."""
    trouble: str = ""
    row: Row = EMPTY_ROW
    facts: list[Fact] = []
    frames: list[Frame] = []
    proof: list[Proof] = []
    artifacts: list[ArtifactRow] = []
    family: list[Relation] = []
    follow_command: str = ""
    list_address: str = ""
    """The end of the address of the list that it was opened from."""
    newer: str = ""
    """The address of the job before this one in the list it was opened from; empty at its end."""
    older: str = ""
    notify_at_end: bool = False
    """Whether this browser shows a notification when the job ends."""
    if TYPE_CHECKING:
        job_id: str  # the part of the address in brackets, which Reflex adds

    @rx.var
    def tab_title(self) -> str:
        """What the browser's tab is called: the job with its status."""
        if not self.found:
            return "Job"
        return f"{self.row['live']['status']} · {cut(self.row['title'])} {self.row['short_id']}"

    @rx.var
    def tab_icon(self) -> str:
        """The tab's picture: the product's, with a dot in the colour of the job's status."""
        return f"/favicon-{self.row['live']['status']}.svg" if self.found else "/favicon.svg"

    @rx.event
    async def join(self) -> None:
        """Have the page follow the job that the address names."""
        await join(self, rooms.of_job(self.job_id))

    @rx.event
    async def load(self) -> None:
        """Show the job that the address names."""
        self.found, self.trouble, self.notify_at_end = False, "", False
        (await self.get_state(Trees)).start_again()
        await self._read()

    @rx.event
    async def refresh(self) -> Effect:
        """Read what is shown again."""
        await self._read()
        return self._notification()

    @rx.event
    def copy_trace(self) -> Effect:
        return copy("\n".join(frame["text"] for frame in self.frames))

    @rx.event
    def copy_follow_command(self) -> Effect:
        return copy(self.follow_command)

    @rx.event
    def toggle_notification(self) -> Effect:
        """Have the browser show a notification when the job ends, if it may; or no more."""
        if self.notify_at_end:
            self.notify_at_end = False
            return None
        return call(ASK_FOR_NOTIFICATIONS, callback=JobPage.allow_notification)

    @rx.event
    async def allow_notification(self, answer: str) -> Effect:
        self.notify_at_end = answer == "granted"
        if self.notify_at_end:
            return toast("success", "You will be told when this job ends.")
        if answer == "missing":
            text = "The browser has no notifications for this page: it must be opened over HTTPS, or on localhost."
        else:
            text = "The browser does not allow notifications of this site; its settings can change that."
        return await notify(self, "error", text)

    async def _read(self) -> None:
        reader = runtime.current().reader
        try:
            job_id = routes.parse_job_id(self.job_id)
            job = await reader.get(job_id)
            status_events = await (await self.get_state(Timeline)).read(job)
            kept = await reader.saved(job_id)
            artifacts = [await _artifact(artifact) for artifact in await reader.artifacts(job_id)]
            family = await reader.family(job_id)
            waits_for = await _waits_for(job)
            await self._find_neighbours(job)
        except JobNotFound as error:
            self.found, self.trouble = False, error.message
            return
        except JobsError as error:
            self.trouble = error.message
            return
        # the traceback is shown frame by frame
        failure = job.error.model_dump(exclude={"traceback"}) if job.error else None
        (await self.get_state(Trees)).put(params=shown_params(job.kind, job.params), result=job.result, error=failure)
        await (await self.get_state(SavedState)).show(kept)
        self._show(job)
        self.waits_for = waits_for
        self.proof = proof(job, status_events)
        self.artifacts = artifacts
        self.family = _relations(family, job.id) if len(family) > 1 else []

    def _show(self, job: JobSnapshot) -> None:
        self.found, self.trouble = True, ""
        self.row = job_rows.row(job)
        self.facts = _facts(job)
        self.frames = frames(job.error.traceback) if job.error else []
        address = f"{self.router.url.origin}/api/jobs/{job.id}/stream"
        self.follow_command = f"curl -N {shlex.quote(address)}"

    async def _find_neighbours(self, job: JobSnapshot) -> None:
        view = ListView.read(dict(self.router.url.query_parameters))
        self.list_address = view.address()
        try:
            before, after = await runtime.current().reader.neighbours(job, view.job_filter, sort=view.sort)
        except InvalidInput:  # the list itself shows what is wrong with its search
            before = after = None
        self.newer = routes.job(before) + view.address() if before else ""
        self.older = routes.job(after) + view.address() if after else ""

    def _notification(self) -> Effect:
        status = self.row["live"]["status"]
        if not (self.notify_at_end and status in {s.value for s in JobStatus if s.is_terminal}):
            return []
        self.notify_at_end = False
        text = f"{cut(self.row['title'])} {self.row['short_id']}: {status}"
        return [call(NOTIFY, text, {"icon": f"/favicon-{status}.svg"})]


def _facts(job: JobSnapshot) -> list[Fact]:
    texts = [
        ("Job", str(job.id)),
        ("Kind", job.kind),
        ("Attempt", f"{job.attempt} of {job.max_attempts}"),
        ("Priority", str(job.priority) if job.priority else ""),
        ("Worker", job.worker or ""),
        ("Waited", formats.duration(job.queued_at, job.started_at)),
        ("Took", formats.duration(job.started_at, job.finished_at)),
    ]
    times = [
        ("Created", formats.iso(job.created_at)),
        ("Due", formats.iso(job.scheduled_for) if job.status is JobStatus.SCHEDULED else ""),
        ("Started", formats.iso(job.started_at)),
        ("Finished", formats.iso(job.finished_at)),
    ]
    facts = [Fact(label=label, value=value, is_time=False) for label, value in texts if value]
    return facts + [Fact(label=label, value=value, is_time=True) for label, value in times if value]


def _relations(family: list[Relative], this: object) -> list[Relation]:
    """The family as an indented list: each job below the one it was run again from."""
    known = {relative.id: relative for relative in family}

    def depth(relative: Relative) -> int:
        steps, parent = 0, relative.rerun_of
        while parent in known and steps < len(known):
            steps, parent = steps + 1, known[parent].rerun_of
        return steps

    return [
        {
            "id": str(relative.id),
            "short_id": short_id(relative.id),
            "status": str(relative.status or ""),
            "created_at": formats.iso(relative.created_at),
            "depth": min(depth(relative), 8),
            "is_this": relative.id == this,
        }
        for relative in family
    ]


async def _artifact(artifact: Artifact) -> ArtifactRow:
    size = artifact.size_bytes
    shown = f"{size} B" if size < 1000 else f"{size / 1000:.1f} kB" if size < 1e6 else f"{size / 1e6:.1f} MB"
    preview = ""
    if artifact.media_type.startswith(READABLE) and size <= MAX_PREVIEW_BYTES:
        found = await runtime.current().reader.artifact_content(artifact.job_id, artifact.id)
        preview = found[1].decode("utf-8", "replace") if found else ""
    return {
        "name": artifact.name,
        "size": shown,
        "href": f"/api/jobs/{artifact.job_id}/artifacts/{artifact.id}",
        "is_image": artifact.media_type.split(";")[0] in IMAGES,
        "preview": preview,
    }


async def _waits_for(job: JobSnapshot) -> str:
    limits = await runtime.current().limits.current()
    if limits.paused:
        return QUEUE_PAUSED
    if limits.kinds.get(job.kind, KindLimit()).paused:
        return KIND_PAUSED
    can_run = await runnable_now()
    return NO_WORKER if can_run is not None and job.kind not in can_run else ""
