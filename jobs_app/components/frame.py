"""What every page has around it: the header with the live mark, and the question before a deletion."""

import reflex as rx
from reflex.components.core.banner import has_connection_errors

from jobs_app import routes
from jobs_app.styles import PAGE_WIDTH


def page_frame(
    *children: rx.Component, feed: rx.Var[str], dialog: rx.Component, icon: rx.Var[str] | str = "/favicon.svg"
) -> rx.Component:
    return rx.box(
        rx.el.link(rel="icon", href=icon),
        _header(feed),
        rx.el.main(
            *children,
            style={"max_width": PAGE_WIDTH, "margin": "0 auto", "padding": "20px 16px 48px"},
        ),
        dialog,
        min_height="100vh",
    )


def _header(feed: rx.Var[str]) -> rx.Component:
    return rx.el.header(
        rx.hstack(
            rx.link(
                rx.hstack(
                    rx.icon("layers", size=20, color="var(--accent-9)"),
                    rx.text("Jobs", weight="bold", size="4"),
                    align="center",
                    spacing="2",
                ),
                href=routes.DASHBOARD,
                underline="none",
                color="var(--gray-12)",
            ),
            live_mark(feed),
            rx.spacer(),
            rx.link("API", href="/api/docs", is_external=True, size="2", color_scheme="gray", underline="hover"),
            rx.color_mode.button(size="2", variant="ghost", aria_label="Switch between light and dark"),
            align="center",
            spacing="4",
            style={"max_width": PAGE_WIDTH, "margin": "0 auto", "padding": "10px 16px"},
        ),
        style={
            "position": "sticky",
            "top": "0",
            "z_index": "10",
            "background": "var(--color-panel-solid)",
            "border_bottom": "1px solid var(--gray-a4)",
        },
    )


def live_mark(feed: rx.Var[str]) -> rx.Component:
    """Whether what is on the page is true now."""
    return rx.box(
        rx.cond(
            has_connection_errors,
            _mark(
                "Reconnecting",
                "amber",
                "The server does not answer. What you see may be old; it catches up by itself.",
            ),
            rx.match(
                feed,
                ("up", _mark("Live", "grass", "Changes appear as they happen.")),
                (
                    "down",
                    _mark(
                        "Updates delayed",
                        "amber",
                        "Redis does not answer, so changes are not announced. It catches up by itself.",
                    ),
                ),
                _mark("Connecting", "gray", "The page is about to hear of changes."),
            ),
        ),
        role="status",
        aria_live="polite",
        id="live-mark",
    )


def _mark(label: str, color: str, explanation: str) -> rx.Component:
    return rx.tooltip(
        rx.badge(
            rx.box(width="7px", height="7px", border_radius="50%", background=f"var(--{color}-9)"),
            label,
            color_scheme=color,
            variant="soft",
            radius="full",
            size="2",
        ),
        content=explanation,
    )


def overlay() -> rx.Component:
    """Shown over every page while the server is away: the page stays readable."""
    return rx.cond(
        has_connection_errors,
        rx.box(
            rx.hstack(
                rx.icon("wifi-off", size=16),
                rx.text("The server does not answer. Reconnecting; what you see may be old.", size="2"),
                align="center",
                spacing="2",
            ),
            role="alert",
            style={
                "position": "fixed",
                "bottom": "16px",
                "left": "50%",
                "transform": "translateX(-50%)",
                "z_index": "50",
                "background": "var(--amber-3)",
                "color": "var(--amber-12)",
                "border": "1px solid var(--amber-7)",
                "border_radius": "var(--radius-4)",
                "padding": "10px 16px",
                "box_shadow": "var(--shadow-4)",
                "max_width": "calc(100vw - 32px)",
            },
        ),
    )


def delete_dialog(doomed: rx.Var[str], on_delete: object, on_keep: object, on_open_change: object) -> rx.Component:
    return rx.alert_dialog.root(
        rx.alert_dialog.content(
            rx.alert_dialog.title("Delete this job?"),
            rx.alert_dialog.description(
                "The job ",
                rx.code(doomed),
                " is removed with its timeline, result and files. For ten seconds you can undo it.",
                size="2",
            ),
            rx.hstack(
                rx.alert_dialog.cancel(rx.button("Keep it", variant="soft", color_scheme="gray", on_click=on_keep)),
                rx.alert_dialog.action(rx.button("Delete", color_scheme="tomato", on_click=on_delete)),
                justify="end",
                spacing="3",
                margin_top="16px",
            ),
            max_width="440px",
        ),
        open=doomed != "",
        on_open_change=on_open_change,
    )
