"""What a list shows, as an address holds it: which jobs, in which order, from where on, with which columns. No I/O.

The whole view is in the address, so that a link shows the same list; what has its default is left out of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Self, TypedDict
from urllib.parse import parse_qsl, urlencode

from runlane.core.pagination import DEFAULT_SORT, SORTS, is_cursor
from runlane.model.status import JobStatus
from runlane.search.matching import JobFilter
from runlane.search.query import MAX_LENGTH

PAGE_SIZES = (25, 50, 100)
# The columns that a person may choose; the job and its status are always there.
COLUMNS = {
    "progress": "Progress",
    "created": "Created",
    "took": "Took",
    "worker": "Worker",
    "priority": "Priority",
    "attempt": "Attempt",
    "bytes": "Size",
    "lease": "Lease",
}
DEFAULT_COLUMNS = ("progress", "created", "took")
# The change that leads to the first page of a list.
FIRST_PAGE: dict[str, object] = {"cursor": "", "page": 1}
MAX_DIGITS = 9


class SavedView(TypedDict):
    """A view under a name; ``address`` begins with ``?`` or is empty."""

    name: str
    address: str


@dataclass(frozen=True)
class ListView:
    """Which jobs are listed, and how. ``page``: the number of the one that begins at ``cursor``; the first has none."""

    status: str = ""
    q: str = ""
    sort: str = DEFAULT_SORT
    size: int = PAGE_SIZES[0]
    columns: tuple[str, ...] = DEFAULT_COLUMNS
    cursor: str = ""
    page: int = 1

    @classmethod
    def read(cls, params: Mapping[str, str]) -> Self:
        """The view that an address names; what is not valid in it has its default."""
        status, size, page = params.get("status", ""), params.get("size", ""), params.get("page", "")
        sort = params["sort"] if params.get("sort") in SORTS else cls.sort
        cursor = params.get("cursor", "")
        is_beyond = bool(cursor) and is_cursor(cursor, sort)
        columns = cls.columns
        if "columns" in params:
            named = params["columns"].split(",")
            columns = tuple(name for name in COLUMNS if name in named)
        return cls(
            status=status if status in set(JobStatus) else cls.status,
            q=params.get("q", "")[:MAX_LENGTH],
            sort=sort,
            size=int(size) if size in map(str, PAGE_SIZES) else cls.size,
            columns=columns,
            cursor=cursor if is_beyond else cls.cursor,
            page=_number(page) if is_beyond else cls.page,
        )

    def address(self, **changes: Any) -> str:
        """The end of an address that shows this view with ``changes``: empty, or from the ``?`` on."""
        view, default = replace(self, **changes), type(self)()
        values = {f.name: getattr(view, f.name) for f in fields(view)}
        changed = {name: value for name, value in values.items() if value != getattr(default, name)}
        if "columns" in changed:
            changed["columns"] = ",".join(view.columns) or "none"
        return f"?{urlencode(changed)}" if changed else ""

    @classmethod
    def of_address(cls, address: str) -> Self:
        """The view at the end of an address, with or without its ``?``."""
        return cls.read(dict(parse_qsl(address.removeprefix("?"))))

    @property
    def job_filter(self) -> JobFilter:
        return JobFilter(statuses=(JobStatus(self.status),) if self.status else (), text=self.q)


def _number(page: str) -> int:
    """The number of a page that is not the first."""
    return max(int(page), 2) if page.isdecimal() and len(page) <= MAX_DIGITS else 2
