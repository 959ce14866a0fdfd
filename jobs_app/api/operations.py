"""REST: what is done to many jobs at once, on the server."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, model_validator

from jobs_app import runtime
from jobs_app.api.jobs import FilterBody
from jobs_app.api.openapi import CONFLICT, Schema
from jobs_app.api.strict import StrictRoute
from runlane.bulk.service import CONFIRMATION, Action, needs_confirmation
from runlane.bulk.store import Operation, OperationState
from runlane.model.status import JobStatus

router = APIRouter(prefix="/api/operations", tags=["operations"], route_class=StrictRoute)


class OperationRequest(BaseModel):
    """``clean`` removes for good what matches and does not run; ``obliterate`` also stops what runs."""

    model_config = ConfigDict(extra="forbid")

    action: Action
    filter: FilterBody


def _confirmed_schema(schema: Schema) -> None:
    nothing = [{"maxItems": 0}, {"type": "null"}, {"type": "string", "pattern": "^\\s*$"}]
    names_all = {"additionalProperties": {"anyOf": nothing}}
    cleans_all = {"properties": {"action": {"const": "clean"}, "filter": names_all}}
    schema["if"] = {"anyOf": [{"properties": {"action": {"const": "obliterate"}}}, cleans_all]}
    schema["then"] = {"required": ["confirm"], "properties": {"confirm": {"const": CONFIRMATION}}}


class ConfirmedRequest(OperationRequest):
    """``confirm``: the word ``obliterate``, where everything would be removed for good, so that it is meant."""

    model_config = ConfigDict(json_schema_extra=_confirmed_schema)

    confirm: str = ""

    @model_validator(mode="after")
    def _is_meant(self) -> "ConfirmedRequest":
        if needs_confirmation(self.action, self.filter.to_filter()) and self.confirm != CONFIRMATION:
            raise ValueError(f'this removes every job that matches, for good; say "confirm": "{CONFIRMATION}"')
        return self


class OperationInfo(BaseModel):
    """``total``: how many jobs it was about; ``reasons``: why the first of those that were left alone were.

    A reason that many have is listed once, with their number and without an id. ``undoes``: the operation whose
    deletion this one, a ``restore``, brings back.
    """

    id: UUID
    action: Action | Literal["restore"]
    filter: dict[str, Any]
    who: str
    state: OperationState
    total: int
    done: int
    left_alone: int
    reasons: list[dict[str, str]]
    undoes: UUID | None
    started_at: datetime
    ended_at: datetime | None


class OperationList(BaseModel):
    items: list[OperationInfo]


class PreviewInfo(BaseModel):
    """``bytes``: an estimate from some of them. ``left_alone``: by status, those whose status does not allow it."""

    affected: int
    bytes: int
    left_alone: dict[JobStatus, int]


@router.post("/preview")
async def preview(request: OperationRequest) -> PreviewInfo:
    """What an operation would do now, without doing it."""
    found = await runtime.current().operations.preview(request.action, request.filter.to_filter())
    return PreviewInfo(affected=found.affected, bytes=found.bytes, left_alone=found.left_alone)


@router.post("", status_code=202, responses=CONFLICT)
async def begin(request: ConfirmedRequest, response: Response) -> OperationInfo:
    """Begin to do something to every job that matches; what becomes of it is at the address in ``Location``."""
    return _begun(await runtime.current().operations.begin(request.action, request.filter.to_filter()), response)


@router.get("")
async def operations(limit: Annotated[int, Query(ge=1, le=200)] = 20) -> OperationList:
    """The last operations, newest first."""
    return OperationList(items=[_info(each) for each in await runtime.current().operations.newest(limit)])


@router.get("/{id}")
async def operation(id: UUID) -> OperationInfo:
    """How far an operation is, or how it ended."""
    return _info(await runtime.current().operations.get(id))


@router.post("/{id}/stop", status_code=202)
async def stop(id: UUID) -> OperationInfo:
    """Stop an operation after what it is at; what is done stays done. One that is over stays as it is."""
    return _info(await runtime.current().operations.stop(id))


@router.post("/{id}/undo", status_code=202, responses=CONFLICT)
async def undo(id: UUID, response: Response) -> OperationInfo:
    """Begin to bring back what an operation deleted, until ten seconds after it is over; see ``Location``."""
    return _begun(await runtime.current().operations.undo(id), response)


def _begun(operation: Operation, response: Response) -> OperationInfo:
    response.headers["Location"] = f"/api/operations/{operation.id}"
    return _info(operation)


def _info(operation: Operation) -> OperationInfo:
    shown = {name: value for name, value in vars(operation.filter).items() if value}
    values = {name: getattr(operation, name) for name in OperationInfo.model_fields if name != "filter"}
    return OperationInfo.model_validate({**values, "filter": shown})
