"""REST: submit, list, read, cancel, retry and delete jobs."""

from collections.abc import AsyncIterator
from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.responses import PlainTextResponse, StreamingResponse
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, model_validator

from jobs_app import runtime
from jobs_app.api.openapi import CONFLICT, Schema, sends
from jobs_app.api.strict import StrictRoute, of_batch, of_params, takes
from runlane import plain_json
from runlane.bulk.service import JobAction
from runlane.core.pagination import DEFAULT_SORT, MAX_INTEGER, SORTS
from runlane.core.reruns import Relative
from runlane.core.service import MAX_IN_BATCH
from runlane.define.context import Saved
from runlane.errors import InvalidInput, JobsError
from runlane.model.requests import JobPatch, Submission, one_of
from runlane.model.snapshot import Artifact, JobEvent, JobSnapshot, ListedJob, Part, UtcTime
from runlane.model.status import EventType, JobStatus
from runlane.search import query
from runlane.search.matching import JobFilter

MAX_EVENTS = 10_000
LOG_BATCH = 1000
MAX_IDS = 200
MAX_BULK_IDS = 10_000
MAX_BULK_BYTES = 50 * MAX_BULK_IDS

router = APIRouter(prefix="/api/jobs", tags=["jobs"], route_class=StrictRoute)


def _storable(text: str) -> str:
    try:
        plain_json.check(text)
    except InvalidInput as exc:
        raise ValueError(exc.errors[0].message) from exc
    return text


def _query(text: str) -> str:
    try:
        query.parse(text)
    except query.QueryError as exc:
        raise ValueError(exc.errors[0].message) from exc
    return text


Text = Annotated[str, AfterValidator(_storable)]
SearchText = Annotated[
    str,
    Field(description=f"words to find, or {', '.join(f'{name}:' for name in query.FIELDS)}; see the README"),
    AfterValidator(_query),
]
IdempotencyKey = Annotated[
    str,
    Field(min_length=1, max_length=255, description="the same key gives the same job again"),
    AfterValidator(_storable),
]


class NoSuchArtifact(JobsError):
    status_code = 404
    title = "No such artifact"


class JobList(BaseModel):
    items: list[JobSnapshot]


class JobPage(BaseModel):
    items: list[ListedJob]
    next_cursor: str | None = None


class EventList(BaseModel):
    items: list[JobEvent]


class ArtifactList(BaseModel):
    items: list[Artifact]


class Family(BaseModel):
    items: list[Relative]


class Batch(BaseModel):
    model_config = ConfigDict(extra="forbid")

    jobs: list[Submission] = Field(min_length=1, max_length=MAX_IN_BATCH)


class FilterBody(BaseModel):
    """Which jobs, in the words of ``GET /api/jobs``. An empty filter means every job."""

    model_config = ConfigDict(extra="forbid")

    status: list[JobStatus] = []
    kind: list[str] = Field([], max_length=100)
    q: SearchText = ""
    created_after: UtcTime | None = None
    created_before: UtcTime | None = None
    finished_after: UtcTime | None = None
    finished_before: UtcTime | None = None

    def to_filter(self) -> JobFilter:
        return JobFilter(
            statuses=tuple(self.status),
            kinds=tuple(self.kind),
            text=self.q,
            created_after=self.created_after,
            created_before=self.created_before,
            finished_after=self.finished_after,
            finished_before=self.finished_before,
        )


def _bulk_schema(schema: Schema) -> None:
    schema["oneOf"] = one_of("ids", "filter")
    schema["if"] = {"properties": {"action": {"const": "restore"}}}
    schema["then"] = {"required": ["ids"], "properties": {"dry_run": {"const": False}, "filter": {"type": "null"}}}


class BulkRequest(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra=_bulk_schema)

    action: JobAction
    ids: list[UUID] | None = Field(None, max_length=MAX_BULK_IDS)
    filter: FilterBody | None = None
    dry_run: StrictBool = False

    @model_validator(mode="after")
    def _one_choice(self) -> "BulkRequest":
        if (self.ids is None) == (self.filter is None):
            raise ValueError("give either ids or filter")
        if self.action == "restore" and (self.ids is None or self.dry_run):
            raise ValueError("restore takes ids, and cannot be tried first: no filter finds a deleted job")
        return self

    def to_filter(self) -> JobFilter:
        return JobFilter(ids=tuple(self.ids or ())) if self.filter is None else self.filter.to_filter()


class BulkSkip(BaseModel):
    id: UUID
    reason: str


class BulkResult(BaseModel):
    matched: int
    done: int
    skipped: list[BulkSkip]


@router.post("", status_code=201, responses={200: {"model": JobSnapshot, "description": "The job made before."}})
@takes(of_params)
async def submit(
    submission: Submission,
    response: Response,
    idempotency_key: Annotated[IdempotencyKey | None, Header()] = None,
) -> JobSnapshot:
    """Submit a job. With a known ``Idempotency-Key`` the job made before is returned, with status 200."""
    job, created = await runtime.jobs().submit(submission, idempotency_key=idempotency_key)
    response.status_code = 201 if created else 200
    response.headers["Location"] = f"/api/jobs/{job.id}"
    return job


@router.post(
    "/batch",
    status_code=201,
    response_model=JobList,
    responses={200: {"model": JobList, "description": "The jobs made before."}},
)
@takes(of_batch)
async def submit_batch(batch: Batch, idempotency_key: Annotated[IdempotencyKey | None, Header()] = None) -> Response:
    """Submit up to 1000 jobs, all or none.

    With a known ``Idempotency-Key`` the jobs made before are returned, with status 200.
    """
    jobs, created = await runtime.jobs().submit_batch(batch.jobs, idempotency_key=idempotency_key)
    made = JobList.model_construct(items=jobs)
    # written here: FastAPI would check and copy each job first, which takes as long as making it
    return Response(made.model_dump_json(), status_code=201 if created else 200, media_type="application/json")


@router.post("/bulk")
@takes(lambda _: MAX_BULK_BYTES)
async def bulk(request: BulkRequest) -> BulkResult:
    """Cancel, retry, delete or restore many jobs; what could not be done is listed with its reason."""
    operations = runtime.current().operations
    act = operations.dry_run if request.dry_run else operations.do
    report = await act(request.action, request.to_filter())
    skipped = [BulkSkip(id=each.id, reason=each.reason) for each in report.left_alone if each.id is not None]
    return BulkResult(matched=report.matched, done=report.done, skipped=skipped)


def _filter_query(
    status: Annotated[list[JobStatus], Query()] = [],  # noqa: B006 - FastAPI copies it
    kind: Annotated[list[Text], Query(max_length=100)] = [],  # noqa: B006
    q: Annotated[SearchText, Query()] = "",
    created_after: UtcTime | None = None,
    created_before: UtcTime | None = None,
    finished_after: UtcTime | None = None,
    finished_before: UtcTime | None = None,
    id: Annotated[list[UUID], Query(max_length=MAX_IDS)] = [],  # noqa: B006
) -> JobFilter:
    return JobFilter(
        statuses=tuple(status),
        kinds=tuple(kind),
        text=q,
        created_after=created_after,
        created_before=created_before,
        finished_after=finished_after,
        finished_before=finished_before,
        ids=tuple(id) or None,
    )


# Which jobs, from the query of a list's address.
FilterQuery = Annotated[JobFilter, Depends(_filter_query)]


@router.get("")
async def list_jobs(
    filter: FilterQuery,
    sort: Annotated[str, Query(json_schema_extra={"enum": [*SORTS]})] = DEFAULT_SORT,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=500)] = None,
    fields: Annotated[list[Part], Query(max_length=len(Part))] = [],  # noqa: B006
) -> JobPage:
    """Jobs, newest first unless ``sort`` says otherwise; ``next_cursor`` leads to the next page.

    Results, tracebacks and parameters of more than 4,000 characters are left out unless named in ``fields``; what a job
    has of them is in ``omitted``. A page with them may have fewer jobs than ``limit``.
    """
    page = await runtime.current().reader.listing(filter, sort=sort, limit=limit, cursor=cursor, parts=fields)
    return JobPage(items=page.jobs, next_cursor=page.next_cursor)


@router.get("/{id}")
async def get_job(id: UUID) -> JobSnapshot:
    """One job as it is now."""
    return await runtime.current().reader.get(id)


@router.get("/{id}/events")
async def list_events(
    id: UUID,
    after: Annotated[int, Query(ge=0, le=MAX_INTEGER)] = 0,
    limit: Annotated[int, Query(ge=1, le=MAX_EVENTS)] = 1000,
) -> EventList:
    """The job's timeline, oldest first, from the change after version ``after``."""
    return EventList(items=await runtime.current().reader.events(id, after=after, limit=limit))


@router.get("/{id}/log", response_class=PlainTextResponse)
async def get_log(id: UUID) -> StreamingResponse:
    """The whole timeline as a text file: time, level or type, and message, one line each."""
    reader = runtime.current().reader
    job = await reader.get(id)

    async def text() -> AsyncIterator[str]:
        after = 0
        while events := await reader.events(id, after=after, limit=LOG_BATCH):
            yield "".join(_log_line(event) for event in events)
            after = events[-1].version

    name = f"job-{job.short_id}.log"
    return StreamingResponse(
        text(),
        media_type="text/plain; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


@router.get("/{id}/lineage")
async def get_lineage(id: UUID) -> Family:
    """The job with what it is a re-run of and all re-runs of those, oldest first."""
    reader = runtime.current().reader
    await reader.get(id)
    return Family(items=await reader.family(id))


@router.get("/{id}/artifacts")
async def list_artifacts(id: UUID) -> ArtifactList:
    """The files that the job's handler attached, oldest first."""
    return ArtifactList(items=await runtime.current().reader.artifacts(id))


@router.get(
    "/{id}/artifacts/{artifact_id}",
    response_class=Response,
    responses=sends("*/*"),
)
async def get_artifact(id: UUID, artifact_id: UUID) -> Response:
    """One attached file, as a download: what a handler wrote must not run as a page of this site."""
    found = await runtime.current().reader.artifact_content(id, artifact_id)
    if found is None:
        raise NoSuchArtifact(f"Job {id} has no artifact {artifact_id}.")
    artifact, content = found
    return Response(
        content,
        media_type=artifact.media_type,
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(artifact.name, safe='')}",
            "Content-Security-Policy": "sandbox",
        },
    )


@router.post(
    "/{id}/cancel", responses=CONFLICT | {202: {"model": JobSnapshot, "description": "Its handler was asked to stop."}}
)
async def cancel(id: UUID, response: Response) -> JobSnapshot:
    """Stop a job: at once (200) if it waits; a running one is asked to (202) and ``cancelled`` when it has stopped."""
    job = await runtime.jobs().cancel(id)
    response.status_code = 200 if job.status.is_terminal else 202
    return job


@router.patch("/{id}", responses=CONFLICT)
@takes(of_params)
async def edit(id: UUID, patch: JobPatch) -> JobSnapshot:
    """Change the parameters, priority, time or attempts of a job that waits; a running or ended one stays as it is."""
    return await runtime.jobs().edit(id, patch)


@router.post("/{id}/promote", responses=CONFLICT)
async def promote(id: UUID) -> JobSnapshot:
    """Let a scheduled job run now, as soon as a slot is free."""
    return await runtime.jobs().promote(id)


@router.post("/{id}/front", responses=CONFLICT)
async def move_to_front(id: UUID) -> JobSnapshot:
    """Give a queued job a priority above all that wait, so that it is next."""
    return await runtime.jobs().move_to_front(id)


@router.post("/{id}/retry", responses=CONFLICT)
async def retry(
    id: UUID, from_start: Annotated[bool, Query(description="forget what earlier attempts saved")] = False
) -> JobSnapshot:
    """Queue a failed or cancelled job again, as a new attempt, which goes on from what earlier ones saved."""
    return await runtime.jobs().retry(id, from_start=from_start)


@router.get("/{id}/saved")
async def saved(id: UUID) -> Saved:
    """What the job keeps over its attempts: its own values, the steps it has finished, and what ran once."""
    return Saved.of(await runtime.current().reader.saved(id))


@router.delete("/{id}", status_code=204, responses=CONFLICT)
async def delete(id: UUID) -> None:
    """Delete a job that is not running, with its timeline and artifacts; for some seconds it can be restored."""
    await runtime.jobs().delete(id)


@router.post("/{id}/restore", responses=CONFLICT)
async def restore(id: UUID) -> JobSnapshot:
    """Bring back a job that was deleted less than ten seconds ago, as it was."""
    return await runtime.jobs().restore(id)


def _log_line(event: JobEvent) -> str:
    level = (event.data or {}).get("level", event.type) if event.type is EventType.LOG else event.type
    text = event.message.replace("\n", "\n    ")
    return f"{event.at.isoformat(timespec='milliseconds').replace('+00:00', 'Z')} {level:<8} {text}\n"
