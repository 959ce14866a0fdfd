"""REST: Redis, the database, and what to paste in an issue."""

import asyncio
import logging
from typing import Any, Literal

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict
from starlette.types import Message, Receive, Scope, Send

from jobs_app import runtime
from jobs_app.admin.system import diagnostics
from jobs_app.admin.system.diagnostics import SelfTest
from jobs_app.api.openapi import CONFLICT, sends
from jobs_app.api.strict import StrictRoute
from runlane.clock import utc_now
from runlane.errors import Unavailable
from runlane.maintenance.redis import RedisInfo
from runlane.maintenance.service import Check, Copy, DatabaseInfo, Vacuumed
from runlane.queue.redis_client import REDIS_TROUBLE

TAKEN_WITHIN_S = 60.0

log = logging.getLogger(__name__)

router = APIRouter(tags=["maintenance"], route_class=StrictRoute)


class Confirmed(BaseModel):
    """Nothing can be written while it runs, so it must be confirmed."""

    model_config = ConfigDict(extra="forbid")

    confirm: Literal["vacuum"]


@router.get("/api/redis")
async def redis() -> RedisInfo:
    """Redis: memory, clients, persistence, how long a message takes, slow commands, and what is wrong with it."""
    try:
        return await runtime.current().redis_maintenance.info()
    except REDIS_TROUBLE as exc:
        raise Unavailable("Redis does not answer, so nothing is known of it right now.") from exc


@router.get("/api/database")
async def database() -> DatabaseInfo:
    """The database: its size, what of it is free, and which index answers what the pages ask."""
    return await runtime.current().maintenance.info()


@router.post("/api/database/check", responses=CONFLICT)
async def check() -> Check:
    """Read the whole database and check whether it is sound. Jobs go on; a gigabyte takes some seconds."""
    return await runtime.current().maintenance.check()


@router.post("/api/database/vacuum", responses=CONFLICT)
async def vacuum(_confirmed: Confirmed) -> Vacuumed:
    """Write the database again without its free pages. Nothing else is written until it is done: workers wait."""
    return await runtime.current().maintenance.vacuum()


@router.get(
    "/api/database/backup",
    response_class=StreamingResponse,
    responses=CONFLICT | sends("application/vnd.sqlite3"),
)
async def backup() -> StreamingResponse:
    """A copy of the whole database as of now, as a SQLite file. Jobs go on."""
    copy = await runtime.current().maintenance.backup()
    headers = {
        "Content-Disposition": f'attachment; filename="jobs-{utc_now():%Y%m%dT%H%M%SZ}.db"',
        "Content-Length": str(copy.size_bytes),
    }
    return _Download(copy, media_type="application/vnd.sqlite3", headers=headers)


class _Download(StreamingResponse):
    """Sends a copy, and closes it when all is sent, or the client has left or takes nothing any more."""

    def __init__(self, copy: Copy, **more: Any) -> None:
        super().__init__(copy.read(), **more)
        self._copy = copy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(TAKEN_WITHIN_S):
                await send(message)

        try:
            await super().__call__(scope, receive, send_in_time)
        except TimeoutError:
            log.warning("The download of a backup is ended: its client took nothing for %g s.", TAKEN_WITHIN_S)
        finally:
            self._copy.close()


@router.get("/api/diagnostics")
async def get_diagnostics() -> dict[str, Any]:
    """Versions, settings, counts, workers, Redis and the database in one; without secrets, to paste in an issue."""
    return await diagnostics.diagnostics()


@router.post("/api/diagnostics/canary")
async def self_test() -> SelfTest:
    """Send a job that does nothing through the whole chain, report how long each part took, and delete it."""
    return await diagnostics.run_self_test()
