"""The dashboard's list: which jobs, in which order, from where on. The address holds the view.

While the pointer is on the list, or rows are selected, rows change in place and do not move: newer jobs are counted,
and shown on request or when the pointer leaves.
"""

import json
from dataclasses import replace
from uuid import UUID

import reflex as rx

from jobs_app import routes, runtime
from jobs_app.dashboard.failures.state import FailureGroups
from jobs_app.dashboard.list_view import FIRST_PAGE, PAGE_SIZES, ListView, SavedView
from jobs_app.dashboard.selection.state import Selection
from jobs_app.dashboard.suggestions import suggestions
from jobs_app.live import rooms
from jobs_app.live.arrival import join
from jobs_app.live.effects import Effect, go_to
from jobs_app.live.notify import notify
from jobs_app.server.runnable import runnable_now
from jobs_app.ui.job_rows import Row, as_deleted, row
from runlane.core.pagination import Page, comes_before
from runlane.errors import InvalidInput, JobsError
from runlane.model.snapshot import JobSnapshot
from runlane.queue.redis_client import REDIS_TROUBLE
from runlane.search.query import QueryError

PAGE_SIZE = PAGE_SIZES[0]
MAX_SAVED = 20
MAX_NAME = 40


async def _leases(ids: list[UUID]) -> dict[UUID, float]:
    try:
        return await runtime.current().queue.leases(ids)
    except REDIS_TROUBLE:  # the header shows that
        return {}


async def _workers() -> list[str]:
    try:
        return [worker.id for worker in await runtime.current().registry.all()]
    except REDIS_TROUBLE:  # the header shows that
        return []


class JobList(rx.State):
    """One tab's list."""

    rows: list[Row] = []
    status: str = ""
    search: str = ""
    sort: str = ListView.sort
    size: int = ListView.size
    columns: list[str] = list(ListView.columns)
    address: str = ""
    """The view as the end of an address."""
    page_number: int = 1
    loaded: bool = False
    trouble: str = ""
    wrong: list[str] = []
    """A query that cannot be read in three parts: before the wrong character, that character, and what follows."""
    newer: int = 0
    """How many jobs come before those that are shown, which are held still."""
    next_cursor: str = ""
    suggested: list[str] = []
    _cursor: str = ""
    """Where the page begins that is shown; empty: with the first job."""
    _first: JobSnapshot | None = None
    """The first job when all that is shown was read."""
    held: bool = False
    """Whether the pointer is on the rows, so that they stay where they are."""
    _moved: bool = False
    """Whether the list would show other jobs, if it were not held still."""

    @rx.var
    def export_query(self) -> str:
        """The view as the end of an export's address: empty, or from the first ``&`` on."""
        shown_alike = {**FIRST_PAGE, "size": ListView.size, "columns": ListView.columns}
        return self._view().address(**shown_alike).replace("?", "&", 1)

    @rx.event
    async def join(self) -> None:
        """Have the page follow everything that happens."""
        await join(self, rooms.DASHBOARD)

    @rx.event
    async def load(self) -> None:
        """Read the view from the address, and the jobs; what is selected stays while one turns the pages of a list."""
        view = ListView.read(dict(self.router.url.query_parameters))
        await (await self.get_state(FailureGroups)).read(view.status)
        self.status, self.search, self.sort = view.status, view.q, view.sort
        self.size, self.columns, self.address = view.size, list(view.columns), view.address()
        self._cursor, self.page_number = view.cursor, view.page
        self.held, self.suggested = False, []
        await self._read()

    @rx.event
    async def refresh(self) -> None:
        """Read what is shown again, without moving it while it is held."""
        await self._refresh()

    async def _refresh(self) -> None:
        await (await self.get_state(FailureGroups)).read(self.status)
        if self.rows and (self.held or (await self.get_state(Selection)).selected):
            await self._read_in_place()
        else:
            await self._read()

    @rx.event
    async def show_newer(self) -> Effect:
        if self._cursor:
            return self._go(push=True)
        await self._read()
        return None

    @rx.event
    def hold(self) -> None:
        """Keep the rows where they are: the pointer is on them."""
        self.held = True

    @rx.event
    async def let_go(self) -> None:
        self.held = False
        if self._moved:
            await self._refresh()

    @rx.event
    def next_page(self) -> Effect:
        if self.next_cursor:
            return self._go(push=True, cursor=self.next_cursor, page=self.page_number + 1)
        return None

    @rx.event
    async def previous_page(self) -> Effect:
        cursor = None
        try:
            if self.page_number > 2:
                cursor = await runtime.current().reader.previous_cursor(
                    self._cursor, self._view().job_filter, sort=self.sort, limit=self.size
                )
        except JobsError as error:
            return await notify(self, "error", error.message)
        return self._go(push=True, cursor=cursor or "", page=self.page_number - 1 if cursor else 1)

    @rx.event
    def show_status(self, status: str) -> Effect:
        return self._go(push=True, status=status)

    @rx.event
    def find(self, form: dict[str, str]) -> Effect:
        return self._go(push=True, q=form.get("q", "").strip())

    @rx.event
    def sort_by(self, sort: str) -> Effect:
        return self._go(sort=sort)

    @rx.event
    def show_many(self, size: str | list[str]) -> Effect:
        return self._go(size=ListView.read({"size": str(size)}).size)

    @rx.event
    def show_column(self, column: str, shown: bool) -> Effect:
        chosen = {*self.columns, column} if shown else {*self.columns} - {column}
        return self._go(columns=tuple(sorted(chosen)), cursor=self._cursor, page=self.page_number)

    @rx.event
    def show_all(self) -> Effect:
        return go_to(routes.DASHBOARD)

    @rx.event
    async def suggest(self, typed: str) -> None:
        self.suggested = suggestions(typed, await _workers() if "worker:" in typed else ())

    def _view(self) -> ListView:
        view = ListView(self.status, self.search, self.sort, self.size, tuple(self.columns))
        return replace(view, cursor=self._cursor, page=self.page_number)

    def _go(self, *, push: bool = False, **changes: object) -> Effect:
        """Show the list with ``changes``, from its first page if they name no other; ``push``: Back leads here."""
        address = self._view().address(**{**FIRST_PAGE, **changes})
        return go_to(routes.DASHBOARD + address, replace=not push or address == self.address)

    async def _read(self) -> None:
        page = await self._page()
        if page is not None:
            self.rows = await self._shown(page.jobs)
            self._first = page.jobs[0] if page.jobs else None
            self.next_cursor, self.newer, self._moved = page.next_cursor or "", 0, False
        (await self.get_state(Selection))._follow([row["id"] for row in self.rows], self._view().job_filter)

    async def _read_in_place(self) -> None:
        page, first = await self._page(), self._first
        if page is None or first is None:
            return
        shown = [known["id"] for known in self.rows]
        self._moved = [str(job.id) for job in page.jobs] != shown
        self.newer = sum(str(job.id) not in shown and comes_before(job, first, self.sort) for job in page.jobs)
        now = await runtime.current().reader.get_many([UUID(job_id) for job_id in shown], brief=True)
        by_id = {known["id"]: known for known in await self._shown(list(now.values()))}
        self.rows = [by_id.get(known["id"]) or as_deleted(known) for known in self.rows]

    async def _shown(self, jobs: list[JobSnapshot]) -> list[Row]:
        """The rows of these jobs, with what only some columns show."""
        ids = [job.id for job in jobs]
        sizes: dict[UUID, int] = {}
        leases: dict[UUID, float] = {}
        if "bytes" in self.columns and ids:
            sizes = await runtime.current().reader.sizes(ids)
        if "lease" in self.columns and ids:
            leases = await _leases(ids)
        can_run = await runnable_now()
        return [
            row(
                job,
                bytes=sizes.get(job.id),
                lease_s=leases.get(job.id),
                lacks_worker=can_run is not None and job.kind not in can_run,
            )
            for job in jobs
        ]

    async def _page(self) -> Page | None:
        self.wrong = []
        try:
            page = await runtime.current().reader.page(
                self._view().job_filter,
                sort=self.sort,
                limit=self.size,
                cursor=self._cursor or None,
                brief=True,
            )
        except InvalidInput as error:
            self.rows, self.next_cursor, self.trouble, self.loaded = [], "", error.errors[0].message, True
            if isinstance(error, QueryError):
                at = error.position
                self.wrong = [self.search[:at], self.search[at : at + 1], self.search[at + 1 :]]
        except JobsError as error:
            self.trouble = error.message
        else:
            self.trouble, self.loaded = "", True
            return page
        return None


class Views(rx.State):
    """The views that a person has given names, kept by their browser."""

    kept: str = rx.LocalStorage("[]", name="jobs-views", sync=True)

    @rx.var
    def saved(self) -> list[SavedView]:
        return _views(self.kept)

    @rx.event
    async def save(self, form: dict[str, str]) -> Effect:
        """Keep the present view under a name; one that has the name already is replaced."""
        name = form.get("name", "").strip()[:MAX_NAME]
        if not name:
            return await notify(self, "error", "Give the view a name.")
        address = (await self.get_state(JobList))._view().address(**FIRST_PAGE)
        others = [view for view in _views(self.kept) if view["name"] != name]
        if len(others) >= MAX_SAVED:
            return await notify(self, "error", f"There are {MAX_SAVED} saved views already; remove one first.")
        self.kept = json.dumps([*others, SavedView(name=name, address=address)])
        return await notify(self, "success", f"The view is saved as {name!r}.")

    @rx.event
    def remove(self, name: str) -> None:
        self.kept = json.dumps([view for view in _views(self.kept) if view["name"] != name])

    @rx.event
    def show(self, address: str) -> Effect:
        return go_to(routes.DASHBOARD + ListView.of_address(address).address())


def _views(kept: str) -> list[SavedView]:
    """What the browser kept; anything can be in there."""
    try:
        found = json.loads(kept)
        return [SavedView(name=str(v["name"])[:MAX_NAME], address=str(v["address"])) for v in found][:MAX_SAVED]
    except (ValueError, TypeError, KeyError):
        return []
