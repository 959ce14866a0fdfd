"""REST: who did what."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from jobs.audit import PAGE, Action
from jobs_app import runtime
from jobs_app.api.jobs import Text
from jobs_app.api.strict import StrictRoute

router = APIRouter(prefix="/api/audit", tags=["audit"], route_class=StrictRoute)


class ActionList(BaseModel):
    items: list[Action]
    next_cursor: UUID | None


@router.get("")
async def actions(
    q: Annotated[Text, Query(max_length=200, description="words in who, what, on which, or in the values")] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = PAGE,
    cursor: UUID | None = None,
) -> ActionList:
    """What people did to jobs and settings, newest first, with the old and the new value."""
    found = await runtime.jobs().store.audit.page(text=q, before=cursor, limit=limit)
    return ActionList(items=found, next_cursor=found[-1].id if len(found) == limit else None)
