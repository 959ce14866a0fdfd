"""REST: Redis, the database, and what to paste in an issue."""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any, BinaryIO, Literal

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict

from jobs.clock import utc_now
from jobs.errors import Unavailable
from jobs.maintenance import Check, DatabaseInfo, Vacuumed
from jobs.redis_care import RedisInfo
from jobs.redis_link import REDIS_TROUBLE
from jobs_app import diagnostics, runtime
from jobs_app.api.strict import StrictRoute
from jobs_app.diagnostics import Canary

CHUNK_BYTES = 1 << 20

router = APIRouter(tags=["care"], route_class=StrictRoute)


class Confirmed(BaseModel):
    """Nothing can be written while it is done, so say so."""

    model_config = ConfigDict(extra="forbid")

    confirm: Literal["vacuum"]


@router.get("/api/redis")
async def redis() -> RedisInfo:
    """Redis: memory, clients, persistence, how long a message takes, slow commands, and what is wrong with it."""
    try:
        return await runtime.current().redis_care.info()
    except REDIS_TROUBLE as exc:
        raise Unavailable("Redis does not answer, so nothing is known of it right now.") from exc


@router.get("/api/database")
async def database() -> DatabaseInfo:
    """The database: its size, what of it is free, and which index answers what the pages ask."""
    return await runtime.current().maintenance.info()


@router.post("/api/database/check")
async def check() -> Check:
    """Read the whole database and see whether it is sound. Jobs go on meanwhile; a gigabyte takes some seconds."""
    found = await runtime.current().maintenance.check()
    await runtime.jobs().store.audit.note("check", "database", "database", None, {"faults": len(found.faults)})
    return found


@router.post("/api/database/vacuum")
async def vacuum(_confirmed: Confirmed) -> Vacuumed:
    """Write the database anew without its free pages. Nothing else is written meanwhile: workers wait."""
    return await runtime.vacuum()


@router.get("/api/database/backup", response_class=StreamingResponse)
async def backup() -> StreamingResponse:
    """A copy of the whole database as of now, as a SQLite file. Jobs go on meanwhile."""
    copy = await runtime.current().maintenance.backup()
    headers = {
        "Content-Disposition": f'attachment; filename="jobs-{utc_now():%Y%m%dT%H%M%SZ}.db"',
        "Content-Length": str(os.fstat(copy.fileno()).st_size),
    }
    return StreamingResponse(_read(copy), media_type="application/vnd.sqlite3", headers=headers)


async def _read(file: BinaryIO) -> AsyncIterator[bytes]:
    with file:
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield chunk


@router.get("/api/diagnostics")
async def look() -> dict[str, Any]:
    """Versions, settings, counts, workers, Redis and the database in one; without secrets, to paste in an issue."""
    return await diagnostics.diagnostics()


@router.post("/api/diagnostics/canary")
async def canary() -> Canary:
    """Send a job that does nothing through the whole chain, tell how long each part took, and delete it."""
    return await diagnostics.send_canary()
