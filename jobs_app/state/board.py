"""The dashboard's list: which jobs, in which order, from where on. The URL holds the filter."""

from urllib.parse import urlencode

import reflex as rx

from jobs.errors import InvalidInput, JobsError
from jobs.matching import JobFilter
from jobs.models import JobStatus
from jobs.query import LONGEST
from jobs_app import routes, runtime
from jobs_app.rows import Row, row

PAGE_SIZE = 25


class BoardState(rx.State):
    """One tab's list."""

    rows: list[Row] = []
    status: str = ""
    search: str = ""
    loaded: bool = False
    trouble: str = ""
    next_cursor: str = ""
    _cursors: list[str] = []

    @rx.var
    def page_number(self) -> int:
        return len(self._cursors) + 1

    @rx.var
    def export_query(self) -> str:
        """The filter as the end of an address: empty, or from the first ``&`` on."""
        given = urlencode({k: v for k, v in (("status", self.status), ("q", self.search)) if v})
        return f"&{given}" if given else ""

    @rx.event
    async def load(self):
        """Read the filter from the address, and the list's first page."""
        asked = self.router.url.query_parameters
        status = asked.get("status", "")
        self.status = status if status in set(JobStatus) else ""
        self.search = asked.get("q", "")[:LONGEST]
        self._cursors = []
        await self._read()

    @rx.event
    async def refresh(self):
        """Read what is shown again."""
        await self._read()

    @rx.event
    async def next_page(self):
        if self.next_cursor:
            self._cursors = [*self._cursors, self.next_cursor]
            await self._read()

    @rx.event
    async def previous_page(self):
        self._cursors = self._cursors[:-1]
        await self._read()

    @rx.event
    def show_status(self, status: str):
        return rx.redirect(_address(status, self.search), replace=True)

    @rx.event
    def find(self, form: dict[str, str]):
        return rx.redirect(_address(self.status, form.get("q", "").strip()), replace=True)

    @rx.event
    def show_all(self):
        return rx.redirect(routes.DASHBOARD, replace=True)

    async def _read(self) -> None:
        try:
            statuses = (JobStatus(self.status),) if self.status else ()
            page = await runtime.jobs().store.page(
                JobFilter(statuses=statuses, text=self.search),
                limit=PAGE_SIZE,
                cursor=self._cursors[-1] if self._cursors else None,
                brief=True,
            )
        except InvalidInput as error:
            self.rows, self.next_cursor, self.trouble, self.loaded = [], "", error.message, True
        except JobsError as error:
            self.trouble = error.message
        else:
            self.rows = [row(job) for job in page.jobs]
            self.next_cursor = page.next_cursor or ""
            self.trouble, self.loaded = "", True


def _address(status: str, search: str) -> str:
    query = urlencode({k: v for k, v in (("status", status), ("q", search)) if v})
    return f"{routes.DASHBOARD}?{query}" if query else routes.DASHBOARD
