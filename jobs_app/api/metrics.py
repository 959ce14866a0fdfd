"""``/metrics``: the system for Prometheus."""

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from jobs_app.api.openapi import sends
from jobs_app.server import scrape

router = APIRouter(tags=["system"])


@router.get("/metrics", response_class=Response, responses=sends("text/plain"))
async def metrics() -> Response:
    """All metrics in Prometheus's text format. Each server reports about the whole system and itself."""
    return Response(generate_latest(await scrape.collect()), media_type=CONTENT_TYPE_LATEST)
