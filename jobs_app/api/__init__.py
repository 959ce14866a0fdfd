"""The REST API and its documentation, put together. Every answer comes from ``JobService``."""

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from jobs_app.api import (
    alerts,
    audit,
    export,
    jobs,
    maintenance,
    metrics,
    openapi,
    operations,
    problems,
    schedules,
    statistics,
    streams,
    system,
)
from runlane.kinds.catalogue import catalogue


def build_api() -> FastAPI:
    """The API under ``/api``, with OpenAPI at ``/api/openapi.json`` and pages at ``/api/docs``."""
    api = FastAPIOffline(
        title="Runlane",
        version="1",
        description="Submit jobs, watch every step, cancel, retry and delete them.",
        openapi_url="/api/openapi.json",
        docs_url="/api/docs",
        redoc_url="/api/redoc",
        static_url="/api/docs-assets",
    )
    routers = (
        streams.router,
        export.router,
        jobs.router,
        schedules.router,
        statistics.router,
        audit.router,
        operations.router,
        maintenance.router,
        alerts.router,
        metrics.router,
        system.router,
    )
    for router in routers:
        api.include_router(router)
    system.refuse_unknown(api.router, routers)
    problems.install(api)
    openapi.describe(api, catalogue())
    return api
