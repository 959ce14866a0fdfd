"""Event streams (SSE): one job's timeline, resumable and complete, and every job's latest state.

A stream listens first, reads the store second, and sends what is newer by version. Whatever may have been missed
(a lost Redis connection, a reader that fell behind) is read from the timeline rows, so nothing is lost or doubled.
FastAPI sends ``: ping`` after 15 quiet seconds, and closes the generator when the client goes away.
"""

from collections.abc import AsyncIterator
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header
from fastapi.sse import EventSourceResponse, ServerSentEvent

from jobs_app import runtime
from jobs_app.api.openapi import streams
from runlane.errors import JobNotFound
from runlane.model.snapshot import Change, Deleted, JobEvent, JobSnapshot
from runlane.model.status import EventType
from runlane.queue.change_feed import Feed

RETRY_MS = 2000
REPLAY_ROWS = 500
MAX_ID_DIGITS = 15

router = APIRouter(prefix="/api", tags=["streams"])


async def _existing(id: UUID) -> JobSnapshot:
    return await runtime.current().reader.get(id)


_CHANGES = {
    str(each): ("JobEvent", f"a change of the job, a row of its timeline that is about {about}; `id` is its version.")
    for each, about in (
        (EventType.STATUS, "its status"),
        (EventType.PROGRESS, "how far it is"),
        (EventType.LOG, "a line of its log"),
        (EventType.ARTIFACT, "a file"),
    )
}


@router.get(
    "/jobs/{id}/stream",
    response_class=EventSourceResponse,
    responses=streams(
        "The job, then its changes in order, none left out and none twice.",
        job=("JobSnapshot", "the job as it is now; comes first. It has an `id` unless the stream was resumed."),
        **_CHANGES,
        end=(
            '{"type": "object", "properties": {"status": {"type": "string"}, "reason": {"const": "deleted"}}}',
            "the last one, after the job has ended, with its status, or was deleted, with that as its reason.",
        ),
    ),
)
async def stream_job(
    job: Annotated[JobSnapshot, Depends(_existing)],
    last_event_id: Annotated[
        str | None, Header(description="the `id` of the last message that arrived; 0: the timeline from its beginning")
    ] = None,
) -> AsyncIterator[ServerSentEvent]:
    """The job as it is now, then each change as it happens, then ``event: end``.

    With ``Last-Event-ID`` the changes since that version come first.
    """
    with runtime.current().hub.listen(job.id) as mailbox:
        try:
            job = await runtime.current().reader.get(job.id)
            sent = _resume_after(last_event_id, job)
            resumed = sent is not None
            # A resumed stream's first message carries no id: were it cut off right then, the next resume must still
            # begin where this one did.
            yield ServerSentEvent(
                event="job",
                id=None if resumed else str(job.version),
                raw_data=job.model_dump_json(),
                retry=RETRY_MS,
            )
            follower = _Follower(job, job.version if sent is None else sent)
            async for event in follower.catch_up():
                yield _message(event)
            while not follower.ended:
                async for event in follower.take(await mailbox.get()):
                    yield _message(event)
        except JobNotFound:
            yield ServerSentEvent(event="end", raw_data='{"reason":"deleted"}')
            return
    yield ServerSentEvent(event="end", raw_data=f'{{"status":"{follower.status}"}}')


class _Follower:
    """Where one stream stands on one job's timeline."""

    def __init__(self, job: JobSnapshot, sent: int) -> None:
        self._job_id = job.id
        self._sent_version = sent
        self.status = job.status
        self._newest = job.version

    @property
    def ended(self) -> bool:
        return self.status.is_terminal and self._sent_version >= self._newest

    async def take(self, item: Change | Deleted | Feed) -> AsyncIterator[JobEvent]:
        """The rows to send for what came out of the mailbox."""
        if isinstance(item, Deleted):
            raise JobNotFound(self._job_id)
        if item is Feed.DOWN:
            return
        if isinstance(item, Change) and item.event.version == self._sent_version + 1:
            yield self._sent(item.event)
        elif not isinstance(item, Change) or item.event.version > self._sent_version:
            async for event in self.catch_up():
                yield event

    async def catch_up(self) -> AsyncIterator[JobEvent]:
        """Every row of the store that was not sent yet."""
        reader = runtime.current().reader
        while rows := await reader.events(self._job_id, after=self._sent_version, limit=REPLAY_ROWS):
            for row in rows:
                yield self._sent(row)

    def _sent(self, event: JobEvent) -> JobEvent:
        self._sent_version = event.version
        self._newest = max(self._newest, event.version)
        self.status = event.status
        return event


def _resume_after(last_event_id: str | None, job: JobSnapshot) -> int | None:
    """The version to go on from; ``None`` to begin afresh, also if the id is not one of this job's stream."""
    text = (last_event_id or "").strip()
    if not text.isascii() or not text.isdigit() or len(text) > MAX_ID_DIGITS:
        return None
    version = int(text)
    return version if version <= job.version else None


def _message(event: JobEvent) -> ServerSentEvent:
    return ServerSentEvent(event=event.type.value, id=str(event.version), raw_data=event.model_dump_json())


@router.get(
    "/stream",
    response_class=EventSourceResponse,
    responses=streams(
        "Changes of all jobs from now on.",
        job=("JobSnapshot", "a job right after a change."),
        deleted=(
            '{"type": "object", "required": ["id"], "properties": {"id": {"type": "string", "format": "uuid"}}}',
            "a job was deleted.",
        ),
        gap=('{"type": "object"}', "changes may have been missed; read the list again."),
    ),
)
async def stream_all() -> AsyncIterator[ServerSentEvent]:
    """Every job's changes from now on: ``event: job`` with the whole job, ``event: deleted`` with its id.

    Changes missed during a gap are not replayed; ``event: gap`` means that the list should be read again.
    """
    with runtime.current().hub.listen() as mailbox:
        yield ServerSentEvent(comment="listening", retry=RETRY_MS)
        async for item in mailbox:
            if isinstance(item, Change):
                yield ServerSentEvent(event="job", raw_data=item.job.model_dump_json())
            elif isinstance(item, Deleted):
                for job_id in item.deleted:
                    yield ServerSentEvent(event="deleted", raw_data=f'{{"id":"{job_id}"}}')
            elif item is Feed.UP:
                yield ServerSentEvent(event="gap", raw_data="{}")
