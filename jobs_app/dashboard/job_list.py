"""The list of jobs: its columns and order, what is shown when it is empty, and its pages."""

from collections.abc import Sequence

import reflex as rx

from jobs_app.dashboard.list_view import COLUMNS
from jobs_app.live.effects import BoundHandler
from jobs_app.ui.basics import icon_button
from jobs_app.ui.job_rows import DELETED
from jobs_app.ui.styles import CARD, TABULAR
from runlane.model.status import JobStatus

# The columns that a list can be sorted by, as the store calls them.
SORTED_BY = {"created": "created_at", "priority": "priority"}
WIDE: dict[str, object] = {"display": rx.breakpoints(initial="none", md="table-cell")}


def job_table(
    body: rx.Component,
    columns: rx.Var[list[str]],
    sort: rx.Var[str],
    selected: rx.Var[list[bool]],
    on_sort: object,
    on_select_all: object,
    on_enter: object,
    on_leave: object,
    held: rx.Var[bool],
) -> rx.Component:
    """The list with its head. ``selected``: of each row shown, whether it is; ``held``: rows stay as they are."""
    return rx.box(
        rx.table.root(
            rx.table.header(
                rx.table.row(
                    rx.table.column_header_cell(
                        rx.checkbox(
                            checked=rx.cond(
                                selected.contains(False), rx.cond(selected.contains(True), "indeterminate", False), True
                            ).to(bool),
                            on_click=on_select_all,
                            aria_label="Select every row of this page",
                        ),
                        width="32px",
                    ),
                    rx.table.column_header_cell("Job"),
                    rx.table.column_header_cell("Status"),
                    *[
                        rx.cond(columns.contains(name), _header(name, title, sort, on_sort))
                        for name, title in COLUMNS.items()
                    ],
                    rx.table.column_header_cell(rx.el.span("Actions", class_name="only-read")),
                )
            ),
            rx.table.body(body),
            size="2",
            variant="ghost",
        ),
        style={**CARD, "overflow_x": "auto", "padding": "4px 8px"},
        width="100%",
        id="jobs",
        on_mouse_enter=on_enter,
        on_mouse_leave=on_leave,
        custom_attrs={"data-held": held},
    )


def _header(name: str, title: str, sort: rx.Var[str], on_sort: BoundHandler) -> rx.Component:
    if name not in SORTED_BY:
        return rx.table.column_header_cell(title, **WIDE)
    up = SORTED_BY[name]
    down = f"-{up}"
    return rx.table.column_header_cell(
        rx.el.button(
            title,
            rx.match(sort, (down, rx.icon("arrow-down", size=13)), (up, rx.icon("arrow-up", size=13)), rx.fragment()),
            on_click=on_sort(rx.cond(sort == down, up, down)),
            class_name="plain",
            type="button",
        ),
        aria_sort=rx.match(sort, (down, "descending"), (up, "ascending"), "none"),
        **WIDE,
    )


def newer_jobs(count: rx.vars.NumberVar[int], size: rx.vars.NumberVar[int], on_show: object) -> rx.Component:
    """How many newer jobs the list would show, if it were not held still."""
    return rx.cond(
        count > 0,
        rx.button(
            rx.icon("arrow-up", size=15),
            rx.cond(count >= size, f"{count} or more new, show", f"{count} new, show"),
            variant="soft",
            size="2",
            width="100%",
            on_click=on_show,
            id="newer",
        ),
    )


def row_actions(status: rx.Var[str], on_cancel: object, on_retry: object, on_delete: object) -> rx.Component:
    """What may be done with a job in this status."""
    waits_or_runs = [JobStatus.SCHEDULED, JobStatus.QUEUED, JobStatus.RUNNING]
    again = [JobStatus.FAILED, JobStatus.CANCELLED]

    def when(statuses: Sequence[JobStatus], button: rx.Component) -> rx.Component:
        return rx.match(status, *[(s.value, button) for s in statuses], rx.fragment())

    # each in a cell of its own: after a click, nothing else is under the pointer
    return rx.grid(
        rx.box(when(waits_or_runs, icon_button("circle-stop", "Cancel", on_cancel, "amber"))),
        rx.box(when(again, icon_button("rotate-ccw", "Retry", on_retry, "indigo"))),
        rx.box(
            rx.cond(
                (status == JobStatus.RUNNING.value) | (status == DELETED),
                rx.fragment(),
                icon_button("trash-2", "Delete", on_delete, "tomato"),
            )
        ),
        columns="3",
        gap="8px",
        width="96px",
        justify_items="center",
        margin_left="auto",
    )


def empty_list(loaded: rx.Var[bool], filtered: rx.Var[bool], on_clear: object) -> rx.Component:
    """What is shown instead of the rows: loading, none at all, or none that match."""
    return rx.center(
        rx.cond(
            ~loaded,
            rx.spinner(size="3"),
            rx.cond(
                filtered,
                rx.vstack(
                    rx.text("No job matches.", color_scheme="gray"),
                    rx.button("Show all jobs", variant="soft", on_click=on_clear),
                    align="center",
                ),
                rx.vstack(
                    rx.icon("inbox", size=28, color="var(--gray-8)"),
                    rx.text("No jobs yet.", weight="medium"),
                    rx.text(
                        "Choose a kind and press Start; its steps appear here as they happen.",
                        color_scheme="gray",
                        size="2",
                        align="center",
                    ),
                    align="center",
                ),
            ),
        ),
        style={**CARD, "padding": "40px 16px"},
        width="100%",
        id="empty",
    )


def pager(page: rx.vars.NumberVar[int], has_next: rx.Var[bool], on_previous: object, on_next: object) -> rx.Component:
    return rx.cond(
        (page > 1) | has_next,
        rx.hstack(
            rx.button("Newer", variant="soft", color_scheme="gray", disabled=page == 1, on_click=on_previous),
            rx.text("Page ", page, size="2", color_scheme="gray", style=TABULAR),
            rx.button("Older", variant="soft", color_scheme="gray", disabled=~has_next, on_click=on_next),
            align="center",
            justify="center",
            width="100%",
            spacing="4",
        ),
    )
