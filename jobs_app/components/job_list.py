"""The list of jobs: tabs with counts, search, rows that change in place, pages."""

import reflex as rx

from jobs.models import JobStatus
from jobs.query import FIELDS, LONGEST
from jobs_app import routes
from jobs_app.components.basics import (
    ago,
    icon_button,
    mono,
    notice,
    one_line,
    progress_bar,
    status_badge,
    status_color,
    ticking,
)
from jobs_app.rows import Hot, Row
from jobs_app.styles import CARD, STATUS_LABEL, TABULAR

WIDE: dict[str, object] = {"display": rx.breakpoints(initial="none", md="table-cell")}
EXPORT = "/api/jobs/export"
PLAIN_LINK = {"color": "inherit", "text_decoration": "none"}
NARROW: dict[str, object] = {
    "display": rx.breakpoints(initial="block", md="none"),
    "margin_top": "4px",
    "max_width": "38vw",
}


def status_tabs(status: rx.Var[str], counts: rx.Var[dict[str, int]], on_choose: object) -> rx.Component:
    """One tab a status, with how many jobs are in it."""
    total = sum((counts[s.value].to(int) for s in list(JobStatus)[1:]), counts[JobStatus.SCHEDULED.value].to(int))
    tabs = [("", "All", total)] + [(s.value, STATUS_LABEL[s], counts[s.value]) for s in JobStatus]
    return rx.hstack(
        *[
            rx.button(
                label,
                rx.text(rx.cond(counts.length() > 0, number, "–"), as_="span", style=TABULAR, opacity="0.7"),
                variant=rx.cond(status == value, "solid", "soft"),
                color_scheme=rx.cond(status == value, "indigo", "gray"),
                size="2",
                on_click=on_choose(value),
                aria_pressed=rx.cond(status == value, "true", "false"),
                custom_attrs={"data-status": value or "all"},
            )
            for value, label, number in tabs
        ],
        wrap="wrap",
        spacing="2",
        role="group",
        aria_label="Show jobs by status",
    )


def search_box(search: rx.Var[str], on_find: object) -> rx.Component:
    """Words and ``field:value`` terms; what there is to say is one click away."""
    return rx.form(
        rx.hstack(
            rx.input(
                rx.input.slot(rx.icon("search", size=15)),
                name="q",
                placeholder="words, kind:web_agent, error:timeout, slow:>30s …",
                default_value=search,
                key=search,
                max_length=LONGEST,
                aria_label="Find jobs",
                width="100%",
            ),
            rx.button("Find", type="submit", variant="soft", color_scheme="gray"),
            _search_help(),
            spacing="2",
            width="100%",
        ),
        on_submit=on_find,
        width="100%",
        max_width="560px",
    )


def _search_help() -> rx.Component:
    rows = [rx.table.row(rx.table.cell(mono(f"{name}:")), rx.table.cell(text)) for name, text in FIELDS.items()]
    return rx.popover.root(
        rx.popover.trigger(
            rx.button(
                rx.icon("circle-help", size=16),
                type="button",
                variant="ghost",
                color_scheme="gray",
                aria_label="What can be searched for",
                align_self="center",
            )
        ),
        rx.popover.content(
            rx.text(
                "All terms must match. A comma means or, a minus in front not, quotes hold words together.", size="2"
            ),
            rx.table.root(rx.table.body(*rows), size="1", margin_top="8px"),
            max_width="min(520px, 92vw)",
            max_height="70vh",
            overflow="auto",
        ),
    )


def export_menu(export_query: rx.Var[str]) -> rx.Component:
    """Downloads of every job that the list's filter means, on all its pages."""
    formats = (("CSV, for spreadsheets", "csv"), ("NDJSON, for programs", "ndjson"))
    return rx.dropdown_menu.root(
        rx.dropdown_menu.trigger(
            rx.button(rx.icon("download", size=15), "Export", variant="soft", color_scheme="gray", type="button")
        ),
        rx.dropdown_menu.content(
            *[
                rx.dropdown_menu.item(
                    rx.el.a(
                        label,
                        href=f"{EXPORT}?format={name}{export_query}",
                        # not a page: the browser fetches it beside this one, whose websocket goes on
                        download=True,
                        custom_attrs={"reloadDocument": True},
                        style=PLAIN_LINK,
                    ),
                    as_child=True,
                )
                for label, name in formats
            ]
        ),
    )


def job_table(
    rows: rx.Var[list[Row]],
    hot: rx.Var[dict[str, Hot]],
    on_cancel: object,
    on_retry: object,
    on_delete: object,
) -> rx.Component:
    titles: tuple[tuple[str, dict[str, object]], ...] = (
        ("Job", {}),
        ("Status", {}),
        ("Progress", WIDE),
        ("Created", WIDE),
        ("Took", WIDE),
        ("", {}),
    )
    return rx.box(
        rx.table.root(
            rx.table.header(rx.table.row(*[rx.table.column_header_cell(title, **only) for title, only in titles])),
            rx.table.body(
                rx.foreach(
                    rows,
                    lambda row: _row(
                        row=row,
                        now=_newest(row, hot),
                        on_cancel=on_cancel(row["id"]),
                        on_retry=on_retry(row["id"]),
                        on_delete=on_delete(row["id"]),
                    ),
                )
            ),
            size="2",
            variant="ghost",
        ),
        style={**CARD, "overflow_x": "auto", "padding": "4px 8px"},
        width="100%",
        id="jobs",
    )


def _newest(row: rx.Var[Row], hot: rx.Var[dict[str, Hot]]) -> rx.Var[Hot]:
    """What was broadcast about the job, unless the list was read later than that."""
    known = hot[row["id"]]
    return rx.cond(hot.contains(row["id"]) & (known["version"] > row["live"]["version"]), known, row["live"]).to(Hot)


def _row(row: rx.Var[Row], now: rx.Var[Hot], on_cancel: object, on_retry: object, on_delete: object) -> rx.Component:
    return rx.table.row(
        rx.table.row_header_cell(
            rx.link(row["title"], href=routes.job(row["id"]), weight="medium"),
            rx.box(mono(row["short_id"], color_scheme="gray")),
        ),
        rx.table.cell(
            status_badge(now["status"], now["cancelling"]),
            rx.cond(
                now["attempts"] != "",
                rx.box(rx.text("attempt ", now["attempts"], size="1", color_scheme="gray")),
            ),
            rx.box(_progress(now), **NARROW),
        ),
        rx.table.cell(_progress(now), width="40%", **WIDE),
        rx.table.cell(rx.text(ago(row["created_at"]), size="2"), **WIDE),
        rx.table.cell(
            rx.cond(
                now["status"] == JobStatus.RUNNING.value,
                ticking(now["started_at"]),
                rx.text(now["duration"], style=TABULAR, white_space="nowrap"),
            ),
            **WIDE,
        ),
        rx.table.cell(row_actions(now["status"], on_cancel, on_retry, on_delete), width="80px"),
        key=row["id"],
        align="center",
        custom_attrs={"data-job": row["id"], "data-status": now["status"]},
    )


def _progress(now: rx.Var[Hot]) -> rx.Component:
    return rx.vstack(
        rx.cond(
            now["due"] != "",
            rx.text("Due ", rx.moment(now["due"], from_now=True, interval=1000), size="2", title=now["due"]),
            one_line(now["message"], size="2", width="100%"),
        ),
        rx.cond(
            now["status"] == JobStatus.RUNNING.value,
            progress_bar(now["progress"], status_color(now["status"])),
        ),
        spacing="2",
        width="100%",
        min_width="0",
    )


def row_actions(status: rx.Var[str], on_cancel: object, on_retry: object, on_delete: object) -> rx.Component:
    """What may be done with a job in this status."""
    waits_or_runs = [JobStatus.SCHEDULED, JobStatus.QUEUED, JobStatus.RUNNING]
    again = [JobStatus.FAILED, JobStatus.CANCELLED]
    return rx.hstack(
        rx.match(
            status,
            *[(s.value, icon_button("circle-stop", "Cancel", on_cancel, "amber")) for s in waits_or_runs],
            *[(s.value, icon_button("rotate-ccw", "Retry", on_retry, "indigo")) for s in again],
            rx.fragment(),
        ),
        rx.cond(
            status == JobStatus.RUNNING.value,
            rx.fragment(),
            icon_button("trash-2", "Delete", on_delete, "tomato"),
        ),
        spacing="4",
        justify="end",
        padding_right="8px",
    )


def empty_list(loaded: rx.Var[bool], filtered: rx.Var[bool], on_clear: object) -> rx.Component:
    """What stands in place of the rows: loading, none at all, or none that match."""
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
                        "Press Start: a simulated web agent runs for ten seconds, one step a second.",
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


def pager(page: rx.Var[int], has_next: rx.Var[bool], on_previous: object, on_next: object) -> rx.Component:
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


def list_trouble(trouble: rx.Var[str]) -> rx.Component:
    return rx.cond(trouble != "", notice(trouble, icon="triangle-alert", color="tomato"))
