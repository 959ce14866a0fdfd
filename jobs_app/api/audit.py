"""REST: who did what, and what happened lately."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from jobs_app import runtime
from jobs_app.api.jobs import Text
from jobs_app.api.openapi import sends
from jobs_app.api.strict import StrictRoute
from jobs_app.live.event_log import What
from runlane import plain_json
from runlane.audit import PAGE, Action
from runlane.core.pagination import MAX_INTEGER

router = APIRouter(tags=["audit"], route_class=StrictRoute)


class EventFormat(StrEnum):
    JSON = "json"
    NDJSON = "ndjson"


class EventLine(BaseModel):
    """``number`` counts up; ``who`` did it and ``href`` leads to it, where there is such."""

    number: int
    at: datetime
    what: What
    text: str
    who: str
    href: str


class EventLines(BaseModel):
    items: list[EventLine]


class ActionList(BaseModel):
    items: list[Action]
    next_cursor: UUID | None


@router.get("/api/audit")
async def actions(
    q: Annotated[Text, Query(max_length=200, description="words in who, what, on which, or in the values")] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = PAGE,
    cursor: UUID | None = None,
) -> ActionList:
    """What people did to jobs and settings, newest first, with the old and the new value."""
    found = await runtime.current().audit.page(text=q, before=cursor, limit=limit)
    return ActionList(items=found, next_cursor=found[-1].id if len(found) == limit else None)


@router.get("/api/events", response_model=EventLines, responses=sends("application/x-ndjson"))
async def events(
    what: What | Literal[""] = "",
    q: Annotated[Text, Query(max_length=200)] = "",
    after: Annotated[int, Query(ge=0, le=MAX_INTEGER, description="only those with a higher number")] = 0,
    format: Annotated[EventFormat, Query()] = EventFormat.JSON,
) -> EventLines | Response:
    """The last 500 things that happened since this server started, newest first: to watch, not to keep."""
    lines = runtime.current().event_log.lines(what=what, text=q, after=after)
    if format is EventFormat.JSON:
        return EventLines.model_validate({"items": lines})
    text = "".join(f"{plain_json.dumps(line)}\n" for line in lines)
    headers = {"Content-Disposition": 'attachment; filename="events.ndjson"'}
    return Response(text, media_type="application/x-ndjson", headers=headers)
