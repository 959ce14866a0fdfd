"""REST: every job that matches a filter, as a file that is written while it is read: a million rows take no memory.

CSV is for spreadsheets: one line a job, JSON in the cells that hold it, and no cell that a spreadsheet would run as a
formula. NDJSON is for programs: one job a line, as everywhere in this API.
"""

import csv
import io
import json
import re
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from jobs_app import runtime
from jobs_app.api.jobs import FilterQuery
from jobs_app.api.openapi import sends
from runlane import plain_json
from runlane.clock import utc_now
from runlane.core.pagination import DEFAULT_SORT, SORTS, Page
from runlane.model.snapshot import JobSnapshot
from runlane.search.matching import JobFilter

BATCH = 500
SENT_AT_ONCE = 64_000
# The beginnings of a text that spreadsheets take for a formula; see OWASP, "CSV Injection".
FORMULA = re.compile(r"\s*[=+\-@＝＋－＠]|[\t\r\n]")

router = APIRouter(prefix="/api/jobs", tags=["jobs"])


class Format(StrEnum):
    CSV = "csv"
    NDJSON = "ndjson"


@router.get("/export", response_class=StreamingResponse, responses=sends("text/csv", "application/x-ndjson"))
async def export_jobs(
    filter: FilterQuery,
    format: Annotated[Format, Query()] = Format.NDJSON,
    sort: Annotated[str, Query(json_schema_extra={"enum": [*SORTS]})] = DEFAULT_SORT,
) -> StreamingResponse:
    """Every matching job as a download. Jobs that are added or changed during it may be in it or not."""
    # a query that cannot be read is refused before anything is sent
    first = await runtime.current().reader.page(filter, sort=sort, limit=BATCH, brief=True)
    written, head, media_type = _WRITERS[format]
    name = f"jobs-{utc_now():%Y%m%dT%H%M%SZ}.{format}"
    return StreamingResponse(
        _lines(first, filter, sort, head, written),
        media_type=media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


async def _lines(
    page: Page, filter: JobFilter, sort: str, head: str, written: Callable[[JobSnapshot], str]
) -> AsyncIterator[str]:
    reader, lines, lines_length = runtime.current().reader, [head], 0
    while True:
        async for job in reader.whole([job.id for job in page.jobs]):
            lines.append(written(job))
            lines_length += len(lines[-1])
            if lines_length > SENT_AT_ONCE:
                yield "".join(lines)
                lines, lines_length = [], 0
        if page.next_cursor is None:
            yield "".join(lines)
            return
        page = await reader.page(filter, sort=sort, limit=BATCH, cursor=page.next_cursor, brief=True)


def _as_ndjson(job: JobSnapshot) -> str:
    return job.model_dump_json() + "\n"


def _as_csv(job: JobSnapshot) -> str:
    return _csv_line(_cell(getattr(job, name)) for name in JobSnapshot.model_fields)


def _csv_line(cells: Any) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()


def _cell(value: Any) -> str | int | float:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if not isinstance(value, str):
        value = json.dumps(value.model_dump()) if hasattr(value, "model_dump") else _text(value)
    return f"'{value}" if FORMULA.match(value) else value


def _text(value: Any) -> str:
    return plain_json.dumps(value) if isinstance(value, dict | list | bool) else str(value)


_WRITERS: dict[Format, tuple[Callable[[JobSnapshot], str], str, str]] = {
    Format.CSV: (_as_csv, _csv_line(JobSnapshot.model_fields), "text/csv; charset=utf-8"),
    Format.NDJSON: (_as_ndjson, "", "application/x-ndjson"),
}
