"""What can be asked of a Runlane about jobs, and of itself; what programs use is ``Client``, which submits too."""

import builtins
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from pydantic import BaseModel, TypeAdapter

from runlane.client.errors import NotFound, Refused
from runlane.client.link import Ask, Link, Query
from runlane.client.replies import KindInfo, QueueInfo, WorkerInfo
from runlane.model.snapshot import Artifact, JobEvent, JobSnapshot, ListedJob, Part, short_id
from runlane.model.status import EventType, JobStatus

Id = UUID | str
S = TypeVar("S", bound=str)

_TYPES = frozenset(EventType)
MAX_PAGE = 200


class _Page(BaseModel):
    items: list[ListedJob]
    next_cursor: str | None = None


class _Artifacts(BaseModel):
    items: list[Artifact]


JOB = TypeAdapter(JobSnapshot)
_EVENT = TypeAdapter(JobEvent)
_PAGE = TypeAdapter(_Page)
_ARTIFACTS = TypeAdapter(_Artifacts)
_KINDS = TypeAdapter(list[KindInfo])
_QUEUE = TypeAdapter(QueueInfo)
_WORKERS = TypeAdapter(list[WorkerInfo])


class Api:
    """Everything about jobs that exist. Every method raises ``RunlaneError``, of which each has its own sentence."""

    def __init__(self, link: Link) -> None:
        self._link = link

    async def get(self, job_id: Id) -> JobSnapshot:
        """A job as it is now. Raises ``NotFound``."""
        return await self._link.read(Ask("GET", _path(job_id)), JOB)

    async def list(
        self,
        *,
        status: str | Iterable[str] = (),
        kind: str | Iterable[str] = (),
        q: str = "",
        created_after: datetime | None = None,
        created_before: datetime | None = None,
        finished_after: datetime | None = None,
        finished_before: datetime | None = None,
        ids: Iterable[Id] = (),
        sort: str = "",
        fields: Iterable[Part | str] = (),
        limit: int | None = None,
    ) -> AsyncIterator[ListedJob]:
        """Jobs, newest first unless ``sort`` says otherwise, read page by page as they are asked for.

        ``q`` is what people type into the search. Large parts (``params``, ``result``, ``traceback``) come with
        ``fields``. ``limit``: how many at most; all.
        """
        times = {
            "created_after": created_after,
            "created_before": created_before,
            "finished_after": finished_after,
            "finished_before": finished_before,
        }
        query = [
            *(("status", each) for each in _several(status)),
            *(("kind", each) for each in _several(kind)),
            *(("id", str(each)) for each in ids),
            *(("fields", str(each)) for each in fields),
            *((name, at.isoformat()) for name, at in times.items() if at is not None),
            *((name, text) for name, text in (("q", q), ("sort", sort)) if text),
        ]
        cursor: str | None = ""
        left = limit
        while cursor is not None and left != 0:
            page = await self._page(query, cursor, left)
            for job in page.items:
                yield job
            left = None if left is None else left - len(page.items)
            cursor = page.next_cursor

    async def _page(self, query: Query, cursor: str, left: int | None) -> _Page:
        size = MAX_PAGE if left is None else min(left, MAX_PAGE)
        more = [("limit", str(size)), *([("cursor", cursor)] if cursor else [])]
        return await self._link.read(Ask("GET", "/api/jobs", [*query, *more]), _PAGE)

    async def cancel(self, job_id: Id) -> JobSnapshot:
        """Stop a job: one that waits is cancelled at once; a running one is ``cancelled`` when its code has stopped.

        Raises:
            Refused: it has ended before.
        """
        try:
            return await self._link.read(Ask("POST", f"{_path(job_id)}/cancel"), JOB)
        except Refused as refusal:
            job = await self.get(job_id) if refusal.status == 409 and refusal.repeated else None
            if job is None or job.status is not JobStatus.CANCELLED:
                raise
            return job  # by the request whose answer was lost

    async def retry(self, job_id: Id, *, from_start: bool = False) -> JobSnapshot:
        """Queue a failed or cancelled job as a new attempt. Raises ``Refused`` for one in another status.

        It goes on from what it saved; ``from_start`` removes that first.
        If the answer is lost, this raises ``Unreachable`` and is not tried again: it might make two attempts.
        """
        path = _path(job_id)
        unsure = f"whether job {short_id(job_id)} was queued again"
        query = [("from_start", "true")] if from_start else []
        return await self._link.read(Ask("POST", f"{path}/retry", query, unsure=unsure), JOB)

    async def delete(self, job_id: Id) -> None:
        """Delete a job that is not running, with its timeline and artifacts. Raises ``Refused`` for a running one."""
        try:
            await self._link.send(Ask("DELETE", _path(job_id)))
        except NotFound as refusal:
            if not refusal.repeated:
                raise

    async def artifacts(self, job_id: Id) -> builtins.list[Artifact]:
        """The files that a job attached, oldest first, without their content."""
        return (await self._link.read(Ask("GET", f"{_path(job_id)}/artifacts"), _ARTIFACTS)).items

    async def artifact(self, job_id: Id, artifact: Artifact | Id) -> bytes:
        """The content of one of them, by itself, its id or its name; of several of one name, the newest."""
        wanted = artifact.id if isinstance(artifact, Artifact) else artifact
        found = [each for each in await self.artifacts(job_id) if wanted in (each.id, str(each.id), each.name)]
        if not found:
            raise NotFound(f"Job {short_id(job_id)} has no file {str(wanted)!r}.", status=404)
        return (await self._link.send(Ask("GET", f"{_path(job_id)}/artifacts/{found[-1].id}"))).content

    async def events(self, job_id: Id, *, after: int = 0) -> AsyncIterator[JobEvent]:
        """A job's timeline from the change after version ``after``: what was, then what comes, until it has ended.

        It goes on through broken connections and restarts of the server; none is lost, none comes twice.

        Raises:
            NotFound: no such job, or it was deleted meanwhile.
            Unreachable: the server stayed away for longer than the client's ``patience``.
        """
        async for message in self._link.follow(f"{_path(job_id)}/stream", str(after)):
            if message.event in _TYPES:
                yield self._link.parsed(_EVENT, message.data)
            elif message.event == "end" and "deleted" in message.data:
                raise _deleted(job_id)

    async def ended(self, job_id: Id) -> JobSnapshot:
        """The job once it has ended; waits for that without asking again and again."""
        while True:
            job: JobSnapshot | None = None
            async for message in self._link.follow(f"{_path(job_id)}/stream"):
                if message.event == "job":
                    job = self._link.parsed(JOB, message.data)
                elif message.event == "end" and "deleted" in message.data:
                    raise _deleted(job_id)
            if job is None or not job.status.is_terminal:
                job = await self.get(job_id)
            if job.status.is_terminal:
                return job

    async def kinds(self) -> builtins.list[KindInfo]:
        """What can be submitted."""
        return await self._link.read(Ask("GET", "/api/kinds"), _KINDS)

    async def workers(self) -> builtins.list[WorkerInfo]:
        """The worker processes of the last day."""
        return await self._link.read(Ask("GET", "/api/workers"), _WORKERS)

    async def queue(self) -> QueueInfo:
        """How many jobs are in each status, how many may run, and whether the queue is paused."""
        return await self._link.read(Ask("GET", "/api/queue"), _QUEUE)

    async def pause(self) -> QueueInfo:
        """Have workers begin no more jobs; running ones go on."""
        return await self._change_queue({"paused": True})

    async def resume(self) -> QueueInfo:
        """Have workers begin jobs again."""
        return await self._change_queue({"paused": False})

    async def _change_queue(self, change: Mapping[str, Any]) -> QueueInfo:
        return await self._link.read(Ask("PATCH", "/api/queue", json=change), _QUEUE)


def _path(job_id: Id) -> str:
    return f"/api/jobs/{checked_id(job_id)}"


def checked_id(job_id: Id) -> UUID:
    """Raises ``NotFound`` if no job can have this id."""
    if isinstance(job_id, UUID):
        return job_id
    try:
        return UUID(job_id)
    except ValueError as exc:
        raise NotFound(f"{job_id[:100]!r} is no id of a job; ids have 32 digits from 0 to f.", status=404) from exc


def _several(one_or_more: str | Iterable[str]) -> Iterable[str]:
    return (one_or_more,) if isinstance(one_or_more, str) else one_or_more


def _deleted(job_id: Id) -> NotFound:
    return NotFound(f"Job {short_id(job_id)} was deleted while it was followed.", status=404)
