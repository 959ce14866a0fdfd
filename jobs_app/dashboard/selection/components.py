"""What appears when rows are selected: actions on all of them, the confirmation, the progress, the outcome."""

import reflex as rx

from jobs_app.dashboard.filters import export_menu
from jobs_app.live.effects import BoundHandler
from jobs_app.ui.styles import CARD, TABULAR

VERBS = (
    ("cancel", "Cancel", "circle-stop", "amber"),
    ("retry", "Retry", "rotate-ccw", "indigo"),
    ("promote", "Start now", "play", "indigo"),
)
DELETE = ("delete", "Delete", "trash-2", "tomato")


def selection_bar(
    selected: rx.Var[list[str]],
    whole: rx.Var[bool],
    matching: rx.Var[str],
    export_query: rx.Var[str],
    on_ask: BoundHandler,
    on_select_matching: object,
    on_clear: object,
) -> rx.Component:
    """How many are selected, and what to do with them."""
    ids = selected.map(lambda job_id: "&id=" + job_id).join("")
    return rx.cond(
        selected.length() > 0,
        rx.flex(
            rx.cond(
                whole,
                rx.text("All ", rx.text.strong(matching), " that match", size="2", style=TABULAR),
                rx.text(rx.text.strong(selected.length()), " selected", size="2", style=TABULAR),
            ),
            rx.cond(
                whole,
                rx.fragment(),
                rx.button(
                    rx.cond(matching == "", "Select all that match", f"Select all {matching} that match"),
                    variant="ghost",
                    size="2",
                    on_click=on_select_matching,
                ),
            ),
            rx.spacer(),
            *[
                rx.button(
                    rx.icon(icon, size=15),
                    label,
                    variant="soft",
                    color_scheme=color,
                    high_contrast=True,
                    size="2",
                    on_click=on_ask(name),
                )
                for name, label, icon, color in (*VERBS, DELETE)
            ],
            export_menu(rx.cond(whole, export_query, ids)),
            rx.button("Clear", variant="ghost", color_scheme="gray", size="2", on_click=on_clear),
            style={**CARD, "padding": "8px 16px", "background": "var(--accent-2)"},
            wrap="wrap",
            gap="12px",
            align="center",
            width="100%",
            role="region",
            aria_label="Selected jobs",
            id="selection",
        ),
    )


def bulk_dialog(
    action: rx.Var[str],
    affected: rx.Var[int],
    left_alone: rx.Var[list[str]],
    on_go: object,
    on_open_change: object,
) -> rx.Component:
    """What would be done, in numbers, before it is."""
    verb = rx.match(action, *[(name, label) for name, label, *_ in (*VERBS, DELETE)], "")
    color = rx.match(action, *[(name, color) for name, _, _, color in (*VERBS, DELETE)], "gray")
    jobs = rx.cond(affected == 1, "1 job", f"{affected} jobs")
    return rx.alert_dialog.root(
        rx.alert_dialog.content(
            rx.alert_dialog.title(f"{verb} {jobs}?"),
            rx.alert_dialog.description(
                rx.cond(
                    left_alone.length() > 0,
                    "Left alone, for their status does not allow it: " + left_alone.join(", ") + ".",
                    "Nothing is left alone.",
                ),
                rx.cond(action == "delete", " For ten seconds after it is done you can undo it.", ""),
                size="2",
            ),
            rx.hstack(
                rx.alert_dialog.cancel(rx.button("Back", variant="soft", color_scheme="gray")),
                rx.alert_dialog.action(
                    rx.button(
                        f"{verb} {jobs}",
                        variant="soft",
                        high_contrast=True,
                        color_scheme=color,
                        on_click=on_go,
                        disabled=affected == 0,
                    )
                ),
                justify="end",
                spacing="3",
                margin_top="16px",
            ),
            max_width="440px",
        ),
        open=action != "",
        on_open_change=on_open_change,
    )


def bulk_progress(working: rx.Var[bool], done: rx.Var[int], total: rx.Var[int], on_stop: object) -> rx.Component:
    return rx.cond(
        working,
        rx.hstack(
            rx.text(done, " of ", total, size="2", style=TABULAR, white_space="nowrap"),
            rx.progress(value=done, max=total, aria_label="Jobs done", width="100%"),
            rx.button("Stop", variant="soft", color_scheme="gray", size="1", on_click=on_stop),
            style={**CARD, "padding": "10px 16px"},
            align="center",
            width="100%",
            id="bulk-progress",
        ),
    )


def bulk_report(
    report: rx.Var[str], reasons: rx.Var[list[str]], undoable: rx.Var[bool], on_undo: object, on_dismiss: object
) -> rx.Component:
    """The outcome; each job that was left alone is listed with its reason."""
    return rx.cond(
        report != "",
        rx.box(
            rx.flex(
                rx.icon("list-checks", size=16),
                rx.text(report, size="2", role="status"),
                rx.spacer(),
                rx.cond(undoable, rx.button("Undo", size="1", on_click=on_undo)),
                rx.button("Close", size="1", variant="soft", color_scheme="gray", on_click=on_dismiss),
                gap="8px",
                align="center",
                wrap="wrap",
            ),
            rx.cond(
                reasons.length() > 0,
                rx.el.details(
                    rx.el.summary("Why some were left alone"),
                    rx.el.ul(rx.foreach(reasons, lambda reason: rx.el.li(reason))),
                    style={"font_size": "var(--font-size-2)", "margin_top": "8px"},
                ),
            ),
            style={**CARD, "padding": "8px 16px", "background": "var(--accent-2)"},
            width="100%",
            id="bulk-report",
        ),
    )
