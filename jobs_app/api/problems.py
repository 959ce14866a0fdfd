"""Errors as clients see them: ``application/problem+json`` (RFC 9457), never a traceback."""

import logging
import secrets
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from runlane.define.problems import message_of
from runlane.errors import FieldError, InvalidInput, JobsError

log = logging.getLogger(__name__)

PROBLEM = "application/problem+json"


def problem(
    status: int,
    title: str,
    detail: str,
    errors: list[FieldError] | None = None,
    *,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """A problem reply; ``errors`` names the fields that are wrong."""
    body: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    if errors is not None:
        body["errors"] = [{"field": e.field, "message": e.message} for e in errors]
    return JSONResponse(body, status, headers=headers, media_type=PROBLEM)


def install(api: FastAPI) -> None:
    """Make every error of ``api`` a problem reply."""
    api.add_exception_handler(JobsError, _jobs_error)
    api.add_exception_handler(RequestValidationError, _validation_error)
    api.add_exception_handler(HTTPException, _http_error)
    api.add_exception_handler(ClientDisconnect, _client_left)
    api.add_exception_handler(Exception, _unexpected)


async def _jobs_error(_request: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, JobsError)
    errors = exc.errors if isinstance(exc, InvalidInput) else None
    return problem(exc.status_code, exc.title, exc.message, errors)


async def _validation_error(_request: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, RequestValidationError)
    errors = [
        FieldError(".".join(str(step) for step in error["loc"][1:]) or "body", message_of(error))
        for error in exc.errors()
    ]
    return await _jobs_error(_request, InvalidInput(errors))


async def _http_error(_request: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, HTTPException)
    phrase = HTTPStatus(exc.status_code).phrase
    return problem(exc.status_code, phrase, str(exc.detail), headers=exc.headers)


async def _client_left(_request: Request, _exc: Exception) -> Response:
    """For nobody: the client disconnected while it sent its request."""
    return Response(status_code=400)


async def _unexpected(request: Request, exc: Exception) -> JSONResponse:
    reference = secrets.token_hex(4)
    log.error("%s %s failed (%s)", request.method, request.url.path, reference, exc_info=exc)
    return problem(
        500,
        "Something went wrong",
        f"The request failed and has been logged under {reference}. Nothing more can be said here.",
    )
