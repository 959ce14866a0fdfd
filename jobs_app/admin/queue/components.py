"""The queue as a whole: cleaning up, and the operations on many jobs."""

import reflex as rx

from jobs_app.admin.queue.rows import OperationRow
from jobs_app.live.effects import BoundHandler
from jobs_app.ui.basics import ago, card, heading, or_nothing
from jobs_app.ui.kind_choice import Kinds, kind_choice
from jobs_app.ui.styles import CARD, STATUS_LABEL, TABULAR
from jobs_app.ui.toolbar import choice
from runlane.model.status import JobStatus

# actions that need no form: the action, the statuses, the label
READY = (
    ("retry", "failed", "Retry all failed"),
    ("promote", "scheduled", "Start all scheduled now"),
    ("clean", "queued,scheduled", "Drain: remove all that wait"),
)


def operation_bars(operations: rx.Var[list[OperationRow]], on_stop: object, on_undo: object) -> rx.Component:
    """The operations that run, and those that can still be undone, for every page that shows jobs."""
    return rx.vstack(
        rx.foreach(
            operations,
            lambda each: rx.cond(~each["is_over"] | each["can_be_undone"], _bar(each, on_stop, on_undo)),
        ),
        spacing="2",
        width="100%",
        id="operations-now",
    )


def _bar(operation: rx.Var[OperationRow], on_stop: BoundHandler, on_undo: BoundHandler) -> rx.Component:
    return rx.flex(
        rx.text(operation["title"], size="2", weight="medium", white_space="nowrap"),
        rx.progress(value=operation["percent"], aria_label=operation["title"], flex="1", min_width="120px"),
        rx.text(operation["so_far"], size="2", style=TABULAR, white_space="nowrap"),
        rx.cond(
            operation["is_over"],
            rx.button("Undo", size="1", on_click=on_undo(operation["id"])),
            rx.button(
                rx.cond(operation["state"] == "stopping", "Stopping", "Stop"),
                size="1",
                variant="soft",
                color_scheme="gray",
                on_click=on_stop(operation["id"]),
                disabled=operation["state"] == "stopping",
            ),
        ),
        style={**CARD, "padding": "10px 16px"},
        gap="12px",
        align="center",
        wrap="wrap",
        width="100%",
        custom_attrs={"data-operation": operation["id"]},
    )


def clean_up(
    form: rx.Var[dict[str, str]],
    kinds: Kinds,
    wrong: rx.Var[str],
    on_change: BoundHandler,
    on_ask: object,
    on_ask_ready: BoundHandler,
    on_obliterate: object,
) -> rx.Component:
    statuses = [s for s in JobStatus if s is not JobStatus.RUNNING]

    padded = {"display": "block", "padding": "6px"}
    kind_is = kind_choice(
        kinds,
        form["kind"],
        nothing="any",
        value=form["kind"],
        on_change=lambda chosen: on_change("kind", chosen),
        id="clean-kind",
        style=padded,
    )
    status_is = choice(
        [(s.value, STATUS_LABEL[s].lower()) for s in statuses],
        value=form["status"],
        on_change=lambda chosen: on_change("status", chosen),
        id="clean-status",
        style=padded,
    )

    return card(
        heading("Clean up"),
        rx.flex(
            *[
                rx.button(label, size="2", variant="soft", color_scheme="gray", on_click=on_ask_ready(action, status))
                for action, status, label in READY
            ],
            gap="10px",
            wrap="wrap",
        ),
        rx.flex(
            rx.box(rx.el.label("Remove jobs that are", html_for="clean-status", class_name="small"), status_is),
            rx.box(rx.el.label("of kind", html_for="clean-kind", class_name="small"), kind_is),
            rx.box(
                rx.el.label("older than", html_for="clean-age", class_name="small"),
                rx.input(
                    id="clean-age",
                    placeholder="any age; 30m, 12h, 7d",
                    value=form["age"],
                    on_change=lambda typed: on_change("age", typed),
                    width="180px",
                    aria_invalid=wrong != "",
                ),
            ),
            rx.button("Preview", on_click=on_ask),
            gap="12px",
            align="end",
            wrap="wrap",
            margin_top="16px",
        ),
        rx.cond(wrong != "", rx.text(wrong, size="2", color_scheme="tomato", role="alert", margin_top="6px")),
        rx.separator(size="4", margin_y="16px"),
        rx.flex(
            rx.text("Remove every job there is, for good; what runs is cancelled first.", size="2"),
            rx.spacer(),
            rx.button("Obliterate", color_scheme="tomato", variant="soft", high_contrast=True, on_click=on_obliterate),
            align="center",
            gap="12px",
            wrap="wrap",
        ),
        id="clean-up",
    )


def operation_list(operations: rx.Var[list[OperationRow]], on_stop: object) -> rx.Component:
    return card(
        heading("What was done to many jobs"),
        or_nothing(
            operations,
            rx.vstack(rx.foreach(operations, lambda each: _operation(each, on_stop)), spacing="3", width="100%"),
            "Nothing yet.",
        ),
        id="operations",
    )


def _operation(operation: rx.Var[OperationRow], on_stop: BoundHandler) -> rx.Component:
    return rx.box(
        rx.flex(
            rx.text(operation["title"], size="2", weight="medium"),
            rx.badge(operation["state"], variant="soft", high_contrast=True),
            rx.text(operation["so_far"], size="2", style=TABULAR),
            rx.text("by ", operation["who"], size="2", color_scheme="gray"),
            rx.text(ago(operation["started_at"]), size="2", color_scheme="gray"),
            rx.text(operation["filter"], size="1", color_scheme="gray", class_name="anywhere"),
            rx.cond(
                operation["is_over"],
                rx.fragment(),
                rx.button("Stop", size="1", variant="soft", color_scheme="gray", on_click=on_stop(operation["id"])),
            ),
            gap="10px",
            align="center",
            wrap="wrap",
        ),
        rx.cond(
            operation["reasons"].length() > 0,
            rx.el.details(
                rx.el.summary("Why some were left alone"),
                rx.el.ul(rx.foreach(operation["reasons"], lambda reason: rx.el.li(reason))),
                class_name="small",
            ),
        ),
        key=operation["id"],
        custom_attrs={"data-operation": operation["id"], "data-state": operation["state"]},
        width="100%",
    )
