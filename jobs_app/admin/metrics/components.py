"""The page of metrics: what is to be shown, the figures of a bucket, the kinds, and what it costs to keep them."""

import reflex as rx

from jobs_app.admin.metrics.rows import CostRow, FiguresRow
from jobs_app.live.effects import BoundHandler
from jobs_app.ui.basics import ago, card, heading
from jobs_app.ui.kind_choice import Kinds, kind_choice
from jobs_app.ui.styles import TABULAR
from runlane.metrics.statistics import WINDOWS

COLUMNS = (
    ("submitted", "Submitted"),
    ("completed", "Completed"),
    ("failed", "Failed"),
    ("cancelled", "Cancelled"),
    ("retried", "Tried again"),
    ("failure_rate", "Failure rate"),
    ("wait", "Waited, p50 / p95 / p99"),
    ("run", "Ran, p50 / p95 / p99"),
)


def metrics_control(
    window: rx.Var[str], kind: rx.Var[str], kinds: Kinds, on_window: object, on_kind: object
) -> rx.Component:
    return rx.flex(
        rx.segmented_control.root(
            *[rx.segmented_control.item(name, value=name) for name in WINDOWS],
            value=window,
            on_change=on_window,
            size="1",
            aria_label="Window",
        ),
        kind_choice(
            kinds, kind, nothing="All kinds", value=kind, on_change=on_kind, id="metrics-kind", aria_label="Kind"
        ),
        rx.text("Times in UTC; at most 5 s behind.", size="1", color_scheme="gray"),
        gap="12px",
        align="center",
        wrap="wrap",
        id="metrics-control",
    )


def point_card(point: rx.Var[FiguresRow], can_zoom: rx.Var[bool], on_zoom: object, on_close: object) -> rx.Component:
    """The figures of the bucket that was clicked, and the way to its jobs."""
    return rx.cond(
        point["name"] != "",
        card(
            heading(
                point["name"],
                rx.cond(can_zoom, rx.button("Zoom in", size="1", variant="soft", on_click=on_zoom)),
                rx.button("Close", size="1", variant="soft", color_scheme="gray", on_click=on_close),
            ),
            rx.flex(
                *[
                    rx.box(
                        rx.text(label, size="1", color_scheme="gray"),
                        rx.text(point[name], size="2", style=TABULAR),
                    )
                    for name, label in COLUMNS
                ],
                gap="20px",
                wrap="wrap",
            ),
            rx.flex(
                rx.link("All that ended", href=point["address"], size="2"),
                rx.link("The failed", href=point["failed_address"], size="2"),
                rx.cond(point["slow_address"] != "", rx.link("The slowest 5 %", href=point["slow_address"], size="2")),
                gap="16px",
                margin_top="10px",
            ),
            id="point",
        ),
    )


def kind_figures(total: rx.Var[FiguresRow], kinds: rx.Var[list[FiguresRow]]) -> rx.Component:
    return card(
        heading("By kind"),
        rx.box(
            rx.table.root(
                rx.table.header(
                    rx.table.row(
                        rx.table.column_header_cell("Kind"),
                        *[rx.table.column_header_cell(label, white_space="nowrap") for _, label in COLUMNS],
                        rx.table.column_header_cell(rx.el.span("Jobs", class_name="only-read")),
                    )
                ),
                rx.table.body(_figures(total), rx.foreach(kinds, _figures)),
                size="1",
            ),
            overflow_x="auto",
        ),
        id="by-kind",
    )


def _figures(row: rx.Var[FiguresRow]) -> rx.Component:
    return rx.table.row(
        rx.table.row_header_cell(row["name"]),
        *[rx.table.cell(row[name], style=TABULAR, white_space="nowrap") for name, _ in COLUMNS],
        rx.table.cell(
            rx.flex(
                rx.link("Failed", href=row["failed_address"], size="1"),
                rx.cond(row["slow_address"] != "", rx.link("Slowest", href=row["slow_address"], size="1")),
                gap="10px",
            )
        ),
        custom_attrs={"data-figures": row["name"]},
    )


def metrics_cost(costs: rx.Var[list[CostRow]], kept: dict[str, str], on_purge: BoundHandler) -> rx.Component:
    """The size of the rows behind the charts, and how to purge them."""
    return card(
        heading("What keeping these figures costs"),
        rx.foreach(
            costs,
            lambda cost: rx.flex(
                rx.text("By the ", cost["step"], size="2", weight="medium", min_width="100px"),
                rx.text(cost["rows"], " rows, ", cost["size"], size="2", style=TABULAR),
                rx.text("kept ", rx.match(cost["step"], *kept.items(), ""), size="2", color_scheme="gray"),
                rx.cond(
                    cost["oldest_at"] != "", rx.text("since ", ago(cost["oldest_at"]), size="2", color_scheme="gray")
                ),
                rx.spacer(),
                rx.button(
                    "Purge",
                    size="1",
                    variant="soft",
                    color_scheme="gray",
                    aria_label="Purge the figures by the " + cost["step"],
                    on_click=on_purge(cost["step"]),
                    disabled=cost["oldest_at"] == "",
                ),
                gap="10px",
                align="center",
                wrap="wrap",
                padding_y="4px",
            ),
        ),
        id="metrics-cost",
    )
