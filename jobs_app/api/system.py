"""REST: the queue, the workers, the kinds, and whether all is well."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route

from jobs_app import runtime
from jobs_app.api.openapi import CONFLICT
from jobs_app.api.strict import StrictRoute
from runlane.clock import utc_now
from runlane.errors import Unavailable
from runlane.kinds.settings_store import KindSetting
from runlane.kinds.store import Standing
from runlane.metrics.failures import FailureGroup
from runlane.model.kind import Kind
from runlane.model.limits import KindLimit
from runlane.model.requests import KindChange, QueueChange
from runlane.model.status import JobStatus
from runlane.queue.client import WorkerCommand
from runlane.queue.redis_client import REDIS_TROUBLE
from runlane.queue.worker_registry import WorkerInfo, WorkerState

READY_WITHIN_S = 2.0
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

router = APIRouter(tags=["system"], route_class=StrictRoute)


class RateInfo(BaseModel):
    """At most ``count`` starts in any ``seconds``."""

    count: int
    seconds: float


class KindInfo(BaseModel):
    name: str
    title: str
    description: str
    group: str
    max_attempts: int
    timeout_s: float
    params_schema: dict[str, Any]
    defaults: dict[str, Any]
    paused: bool
    max_running: int | None
    rate: RateInfo | None
    setting_version: int
    tags: list[str]
    digest: str
    schema_version: int
    registered_at: datetime | None
    last_brought_at: datetime | None
    brought_by: str
    workers: int
    worker_ids: list[str]
    outdated_workers: list[str]


class QueueInfo(BaseModel):
    """``version``: name it in a ``PATCH``, to be refused when somebody else was first."""

    paused: bool
    concurrency: int
    version: int
    counts: dict[JobStatus, int]
    oldest_queued_s: float | None


class FailureList(BaseModel):
    items: list[FailureGroup]


@router.get("/api/failures")
async def failures() -> FailureList:
    """Failed jobs grouped by cause, the largest groups first; ``q=failure:<fingerprint>`` lists the jobs of one."""
    return FailureList(items=await runtime.current().failures.groups(utc_now()))


@router.get("/api/kinds")
async def kinds() -> list[KindInfo]:
    """What workers have registered, with a JSON schema of its parameters, and what applies to it now.

    ``workers``: how many can run it now; ``worker_ids``: all that have it and are not lost, ``outdated_workers`` those
    of them that have another version of it than the registered one. ``schema_version`` counts how often the schema
    changed. ``setting_version``: name it as ``version`` in a ``PATCH``, to be refused when somebody else was first.
    """
    return await _kind_infos(list(runtime.jobs().kinds))


async def _kind_infos(chosen: Sequence[Kind]) -> list[KindInfo]:
    active = runtime.current()
    in_force, workers = await asyncio.gather(active.limits.with_settings(), _living_workers())
    standings, having = active.kinds.standings, _by_kind(workers)
    return [
        _kind_info(
            kind,
            in_force.limits.kinds.get(kind.name, KindLimit(kind.max_running, kind.rate)),
            in_force.kinds.get(kind.name, KindSetting()),
            standings.get(kind.name),
            having[kind.name],
        )
        for kind in chosen
    ]


def _by_kind(workers: Sequence[WorkerInfo]) -> dict[str, list[WorkerInfo]]:
    """The workers that have each kind."""
    having = defaultdict[str, list[WorkerInfo]](list)
    for worker in workers:
        for name in worker.kinds:
            having[name].append(worker)
    return having


def _kind_info(
    kind: Kind, limit: KindLimit, setting: KindSetting, standing: Standing | None, workers: Sequence[WorkerInfo]
) -> KindInfo:
    digest = kind.digest if standing is None else standing.digest
    return KindInfo(
        name=kind.name,
        title=kind.title,
        description=kind.description,
        group=kind.group,
        max_attempts=kind.max_attempts,
        timeout_s=kind.timeout_s,
        params_schema=kind.params_schema,
        defaults=kind.defaults,
        paused=limit.paused,
        max_running=limit.max_running,
        rate=None if limit.rate is None else RateInfo(count=limit.rate.count, seconds=limit.rate.seconds),
        setting_version=setting.version,
        tags=list(kind.tags),
        digest=digest,
        schema_version=1 if standing is None else standing.schema_version,
        registered_at=None if standing is None else standing.registered_at,
        last_brought_at=None if standing is None else standing.last_brought_at,
        brought_by="" if standing is None else standing.brought_by,
        workers=sum(worker.state is WorkerState.RUNNING and worker.can_run(kind) for worker in workers),
        worker_ids=[worker.id for worker in workers],
        outdated_workers=[worker.id for worker in workers if worker.digests.get(kind.name, digest) != digest],
    )


@router.patch("/api/kinds/{name:path}", responses=CONFLICT)
async def change_kind(name: str, change: KindChange) -> KindInfo:
    """Pause or resume the jobs of one kind, or change how many of them run at once, or start in a time.

    What is not named stays as it is; ``null`` goes back to what the kind itself says.
    """
    await runtime.current().limits.change_kind(name, change)
    [changed] = await _kind_infos([runtime.jobs().kinds.get(name)])
    return changed


@router.delete("/api/kinds/{name:path}", status_code=204, responses=CONFLICT)
async def remove_kind(name: str) -> None:
    """Remove a kind that no worker has brought for 30 days. Its jobs stay; those that wait go on waiting."""
    await runtime.current().kinds.remove(name)


async def _living_workers() -> list[WorkerInfo]:
    """The workers that are not lost; none if Redis does not answer."""
    try:
        return [worker for worker in await runtime.current().registry.all() if worker.state is not WorkerState.LOST]
    except REDIS_TROUBLE:
        return []


@router.get("/api/queue")
async def queue() -> QueueInfo:
    """How many jobs are in each status, how many may run at once, and how long the oldest queued one has waited."""
    return await _queue_info()


@router.patch("/api/queue", responses=CONFLICT)
async def change_queue(change: QueueChange) -> QueueInfo:
    """Pause or resume the queue, or change how many jobs run at once over all workers; what runs goes on.

    ``concurrency`` of ``null`` goes back to what ``RUNLANE_CONCURRENCY`` says.
    """
    await runtime.current().limits.change_queue(change)
    return await _queue_info()


async def _queue_info() -> QueueInfo:
    active = runtime.current()
    counts, oldest, in_force = await asyncio.gather(
        active.counts.all(), active.reader.oldest_queued_at(), active.limits.with_settings()
    )
    return QueueInfo(
        paused=in_force.limits.paused,
        concurrency=in_force.limits.concurrency,
        version=in_force.queue.version,
        counts=counts,
        oldest_queued_s=None if oldest is None else max(0.0, (utc_now() - oldest).total_seconds()),
    )


@router.get("/api/workers")
async def workers() -> list[WorkerInfo]:
    """The worker processes of the last day, and what each of them runs."""
    try:
        return await runtime.current().workers.all()
    except REDIS_TROUBLE as exc:
        raise Unavailable("Redis does not answer, so the workers are not known right now.") from exc


@router.post("/api/workers/{worker_id}/forget", responses=CONFLICT)
async def forget_worker(worker_id: str) -> WorkerInfo:
    """Acknowledge that a worker is lost: it stays listed for a day, but is no longer reported as a problem."""
    return await runtime.current().workers.forget(worker_id)


@router.post("/api/workers/{worker_id}/{command}", status_code=202, responses=CONFLICT)
async def command_worker(worker_id: str, command: WorkerCommand) -> WorkerInfo:
    """Have a worker claim nothing for now (``quiet``), claim again (``resume``), or end as on SIGTERM (``stop``)."""
    return await runtime.current().workers.command(worker_id, command)


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """200 as long as this process serves."""
    return {"status": "ok"}


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", responses={503: {"content": {"application/json": {}}, "description": "Something is missing."}})
async def readyz() -> JSONResponse:
    """200 when jobs can be submitted and run; 503 with what is missing.

    ``down``: parts of this server that do not work, such as the one that evaluates alerts. They are started again by
    themselves, and jobs go on without them, so the server stays ready.
    """
    redis, database, workers_ok = await asyncio.gather(_redis_ok(), _database_ok(), _workers_ok())
    checks = {"redis": redis, "database": database, "workers": workers_ok}
    missing = [name for name, ok in checks.items() if not ok]
    down = [{"part": each.name, "since": each.since, "error": each.error} for each in runtime.current().parts.down()]
    body = {"status": "ready" if not missing else "not ready", "missing": missing, **checks, "down": down}
    return JSONResponse(jsonable_encoder(body), 200 if not missing else 503)


async def _redis_ok() -> bool:
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            await runtime.current().queue.ping()
    except REDIS_TROUBLE:
        return False
    return True


async def _database_ok() -> bool:
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            await runtime.current().reader.ping()
    except (Unavailable, TimeoutError):
        return False
    return True


async def _workers_ok() -> bool:
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            found = await runtime.current().registry.all()
    except REDIS_TROUBLE:
        return False
    return any(worker.state is WorkerState.RUNNING for worker in found)


def refuse_unknown(api: APIRouter, routers: Sequence[APIRouter]) -> None:
    """Answer every other path under ``/api`` in JSON; without this, pages would answer with HTML.

    A fixed path such as ``/api/jobs/batch`` answers its own methods alone: it is no job of that name.
    """
    known_routes = [route for router in routers for route in router.routes]
    fixed: dict[str, set[str]] = defaultdict(set)
    for route in known_routes:
        if isinstance(route, APIRoute) and "{" not in route.path:
            fixed[route.path] |= route.methods or set()
    for path, methods in fixed.items():
        others = sorted(_METHODS - methods)
        api.routes.insert(0, Route(path, _refusing(path, methods), methods=others, include_in_schema=False))

    @api.api_route(
        "/api/{rest:path}",
        methods=sorted(_METHODS),
        include_in_schema=False,
    )
    async def unknown(rest: str, request: Request) -> None:
        allowed = {
            method
            for route in known_routes
            if route.matches(request.scope)[0] is Match.PARTIAL
            for method in getattr(route, "methods", None) or ()
        }
        if allowed:
            raise _not_allowed(f"/api/{rest}", allowed)
        raise HTTPException(404, f"There is nothing at /api/{rest}. /api/docs lists what there is.")


def _refusing(path: str, methods: Collection[str]) -> Callable[[Request], Awaitable[Response]]:
    async def refuse(_request: Request) -> Response:
        raise _not_allowed(path, methods)

    return refuse


def _not_allowed(path: str, methods: Collection[str]) -> HTTPException:
    known = ", ".join(sorted(methods))
    return HTTPException(405, f"{path} answers {known}.", {"Allow": known})
