"""What a person sets to see other jobs: tabs with counts, the search box, columns, saved views; and exports."""

import reflex as rx

from jobs_app.dashboard.list_view import COLUMNS, PAGE_SIZES, SavedView
from jobs_app.live.effects import BoundHandler
from jobs_app.ui.basics import callout, grouped, mono
from jobs_app.ui.styles import MONO, STATUS_LABEL, TABULAR
from jobs_app.ui.toolbar import download_link
from runlane.model.status import JobStatus
from runlane.search.query import FIELDS, MAX_LENGTH

EXPORT = "/api/jobs/export"
SUGGESTIONS = "search-suggestions"


def status_tabs(status: rx.Var[str], counts: rx.Var[dict[str, int]], on_choose: BoundHandler) -> rx.Component:
    """One tab a status, with how many jobs are in it."""
    total = sum((counts[s.value].to(int) for s in list(JobStatus)[1:]), counts[JobStatus.SCHEDULED.value].to(int))
    tabs = [("", "All", total)] + [(s.value, STATUS_LABEL[s], counts[s.value]) for s in JobStatus]
    return rx.hstack(
        *[
            rx.button(
                label,
                rx.text(rx.cond(counts.length() > 0, grouped(number), "–"), as_="span", style=TABULAR, opacity="0.7"),
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


def search_box(search: rx.Var[str], suggested: rx.Var[list[str]], on_find: object, on_type: object) -> rx.Component:
    """Words and ``field:value`` terms, completed while one types; help is one click away."""
    return rx.form(
        rx.hstack(
            rx.input(
                rx.input.slot(rx.icon("search", size=15)),
                name="q",
                id="search",
                placeholder="words, status:failed, error:timeout, slow:>30s …",
                default_value=search,
                key=search,
                max_length=MAX_LENGTH,
                aria_label="Find jobs",
                auto_complete="off",
                on_change=on_type.debounce(120),
                custom_attrs={"list": SUGGESTIONS},
                width="100%",
            ),
            rx.el.datalist(rx.foreach(suggested, lambda text: rx.el.option(value=text)), id=SUGGESTIONS),
            rx.button("Find", type="submit", variant="soft", color_scheme="gray"),
            _search_help(),
            spacing="2",
            width="100%",
        ),
        on_submit=on_find,
        width="100%",
        max_width="560px",
    )


def list_trouble(trouble: rx.Var[str], wrong: rx.Var[list[str]]) -> rx.Component:
    """What keeps the list from being read; of a query, the character that cannot be read is marked."""
    return rx.cond(
        trouble != "",
        rx.vstack(
            callout(trouble, icon="triangle-alert", color="tomato"),
            rx.cond(
                wrong.length() == 3,
                rx.el.pre(
                    wrong[0],
                    rx.el.mark(
                        rx.cond(wrong[1] == "", "⎵", wrong[1]),
                        style={"background": "var(--tomato-9)", "color": "white", "border_radius": "2px"},
                    ),
                    wrong[2],
                    style={"font_family": MONO, "font_size": "13px", "margin": "0", "white_space": "pre-wrap"},
                    id="wrong-query",
                ),
            ),
            spacing="2",
            width="100%",
        ),
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
            aria_label="What can be searched for",
            max_width="min(520px, var(--radix-popover-content-available-width))",
            collision_padding=12,
            max_height="min(70vh, var(--radix-popover-content-available-height))",
            overflow="auto",
            tab_index=0,  # so that the arrow keys scroll it
        ),
    )


def export_menu(export_query: rx.Var[str]) -> rx.Component:
    """Downloads of every job that the end of an export's address means."""
    formats = (("CSV, for spreadsheets", "csv"), ("NDJSON, for programs", "ndjson"))
    return rx.dropdown_menu.root(
        rx.dropdown_menu.trigger(
            rx.button(rx.icon("download", size=15), "Export", variant="soft", color_scheme="gray", type="button")
        ),
        rx.dropdown_menu.content(
            *[
                rx.dropdown_menu.item(
                    download_link(f"{EXPORT}?format={name}{export_query}", label),
                    as_child=True,
                )
                for label, name in formats
            ]
        ),
    )


def view_menu(size: rx.Var[int], columns: rx.Var[list[str]], on_size: object, on_column: BoundHandler) -> rx.Component:
    """How many rows, with which columns."""
    return rx.popover.root(
        rx.popover.trigger(
            rx.button(rx.icon("columns-3", size=15), "Columns", variant="soft", color_scheme="gray", type="button")
        ),
        rx.popover.content(
            rx.vstack(
                *[
                    rx.text(
                        rx.hstack(
                            rx.checkbox(
                                checked=columns.contains(name),
                                aria_label=title,
                                on_change=lambda shown, name=name: on_column(name, shown),
                            ),
                            title,
                            spacing="2",
                        ),
                        as_="label",
                        size="2",
                    )
                    for name, title in COLUMNS.items()
                ],
                rx.separator(width="100%"),
                rx.hstack(
                    rx.text("Rows", size="2", id="rows-label"),
                    rx.segmented_control.root(
                        *[rx.segmented_control.item(str(n), value=str(n)) for n in PAGE_SIZES],
                        value=size.to_string(),
                        on_change=on_size,
                        size="1",
                        aria_labelledby="rows-label",
                    ),
                    align="center",
                ),
                spacing="2",
            ),
            aria_label="Columns and rows",
        ),
    )


def saved_views(
    views: rx.Var[list[SavedView]], on_show: BoundHandler, on_save: object, on_remove: BoundHandler
) -> rx.Component:
    """Views under a name, and a field to name the present one."""
    return rx.popover.root(
        rx.popover.trigger(
            rx.button(rx.icon("bookmark", size=15), "Views", variant="soft", color_scheme="gray", type="button")
        ),
        rx.popover.content(
            rx.vstack(
                rx.cond(
                    views.length() == 0,
                    rx.text("A view is the tab, the search, the order and the columns as they are now.", size="2"),
                ),
                rx.foreach(
                    views,
                    lambda view: rx.hstack(
                        rx.popover.close(
                            rx.button(view["name"], variant="ghost", size="2", on_click=on_show(view["address"]))
                        ),
                        rx.spacer(),
                        rx.icon_button(
                            rx.icon("x", size=14),
                            variant="ghost",
                            color_scheme="gray",
                            size="1",
                            aria_label="Remove the view " + view["name"],
                            on_click=on_remove(view["name"]),
                        ),
                        width="100%",
                        align="center",
                        key=view["name"],
                    ),
                ),
                rx.separator(width="100%"),
                rx.form(
                    rx.hstack(
                        rx.input(name="name", placeholder="Name of this view", aria_label="Name of this view"),
                        rx.button("Save", type="submit", variant="soft"),
                        spacing="2",
                    ),
                    on_submit=on_save,
                    reset_on_submit=True,
                ),
                spacing="2",
                min_width="240px",
            ),
            aria_label="Saved views",
        ),
    )
