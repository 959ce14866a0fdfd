"""What every page has around it: the header with the live mark, and the questions before a deletion and a retry."""

import reflex as rx
from reflex.components.core.banner import has_connection_errors

from jobs_app import routes
from jobs_app.live.effects import BoundHandler
from jobs_app.live.notification_rows import Notification
from jobs_app.ui.basics import ago, once, ticking
from jobs_app.ui.styles import PAGE_WIDTH, TABULAR


def page_frame(
    *children: rx.Component,
    mark: rx.Component,
    is_stale: rx.Var[bool],
    tools: rx.Component,
    dialogs: rx.Component,
    icon: rx.Var[str] | str = "/favicon.svg",
) -> rx.Component:
    """``mark``: how fresh the page is; ``tools``: what else the header holds."""
    return rx.box(
        rx.el.link(rel="icon", href=icon),
        rx.el.a("Skip to the content", href="#main", class_name="skip"),
        _header(mark, tools),
        rx.el.main(
            *children,
            id="main",
            tab_index=-1,
            style={"max_width": PAGE_WIDTH, "margin": "0 auto", "padding": "20px 16px 48px", "outline": "none"},
            custom_attrs={"data-stale": is_stale | has_connection_errors},
        ),
        dialogs,
        min_height="100vh",
    )


def _header(mark: rx.Component, tools: rx.Component) -> rx.Component:
    return rx.el.header(
        rx.hstack(
            rx.link(
                rx.hstack(
                    rx.icon("layers", size=20, color="var(--accent-9)"),
                    rx.text("Runlane", weight="bold", size="4", class_name="brand"),
                    align="center",
                    spacing="2",
                ),
                href=routes.DASHBOARD,
                aria_label="Runlane",
                underline="none",
                color="var(--gray-12)",
            ),
            mark,
            rx.spacer(),
            tools,
            rx.link("Admin", href=routes.ADMIN, size="2", color_scheme="gray", underline="hover"),
            rx.link("API", href="/api/docs", is_external=True, size="2", color_scheme="gray", underline="hover"),
            rx.color_mode.button(
                size="2",
                variant="ghost",
                color_scheme="gray",
                aria_label="Switch between light and dark",
                style={"& svg": {"width": "17px", "height": "17px"}},
            ),
            align="center",
            spacing="4",
            style={
                "max_width": PAGE_WIDTH,
                "margin": "0 auto",
                "padding": "10px 16px",
                "@media (max-width: 430px)": {"gap": "11px", "padding": "10px 12px"},
                "@media (max-width: 374px)": {"& .brand": {"display": "none"}},
            },
        ),
        style={
            "position": "sticky",
            "top": "0",
            "z_index": "10",
            "background": "var(--color-panel-solid)",
            "border_bottom": "1px solid var(--gray-a4)",
        },
    )


def live_mark(
    feed: rx.Var[str], confirmed_at: rx.Var[str], delay_ms: rx.vars.NumberVar[int], latency_ms: rx.vars.NumberVar[int]
) -> rx.Component:
    """Whether what is on the page is true now, and how far behind it is: measured, not claimed."""
    age = rx.cond(confirmed_at != "", rx.fragment(", ", ticking(confirmed_at), " old"))
    live = rx.el.span("Live", rx.cond(delay_ms > 0, rx.el.span(", ", delay_ms + latency_ms, " ms", class_name="wide")))
    return rx.box(
        rx.cond(
            has_connection_errors,
            _mark(
                rx.fragment("Reconnecting", age),
                "amber",
                "The server does not answer. What you see may be old; it catches up by itself.",
            ),
            rx.match(
                feed,
                ("up", _mark(live, "grass", "From a change being written by the worker to this page.")),
                (
                    "down",
                    _mark(
                        rx.fragment("Updates delayed", age),
                        "amber",
                        "Redis does not answer, so changes are not announced. It catches up by itself.",
                    ),
                ),
                _mark("Connecting", "gray", "The page is about to receive changes."),
            ),
        ),
        style=TABULAR,
        id="live-mark",
    )


def notifications_menu(
    shared: rx.Var[list[Notification]], own: rx.Var[list[Notification]], on_clear: object
) -> rx.Component:
    """The notifications that were shown as toasts, the newest first."""
    return rx.popover.root(
        rx.popover.trigger(
            rx.icon_button(rx.icon("bell", size=17), variant="ghost", color_scheme="gray", aria_label="Recent messages")
        ),
        rx.popover.content(
            rx.cond(
                (shared.length() == 0) & (own.length() == 0),
                rx.text("No messages yet.", size="2", color_scheme="gray"),
                rx.box(
                    rx.foreach(own, _notification),
                    rx.cond(
                        own.length() > 0,
                        rx.button("Clear mine", size="1", variant="ghost", color_scheme="gray", on_click=on_clear),
                    ),
                    rx.cond((shared.length() > 0) & (own.length() > 0), rx.separator(width="100%", margin_y="8px")),
                    rx.foreach(shared, _notification),
                ),
            ),
            width="min(380px, 92vw)",
            max_height="60vh",
            overflow="auto",
            id="notifications",
            aria_label="Recent messages",
        ),
    )


def _notification(notification: rx.Var[Notification]) -> rx.Component:
    return rx.hstack(
        rx.match(
            notification["level"],
            ("error", rx.icon("triangle-alert", size=14, color="var(--tomato-9)", flex_shrink="0")),
            ("success", rx.icon("check", size=14, color="var(--grass-9)", flex_shrink="0")),
            rx.icon("info", size=14, color="var(--gray-9)", flex_shrink="0"),
        ),
        rx.box(
            rx.cond(
                notification["href"] != "",
                rx.link(notification["text"], href=notification["href"], size="2"),
                rx.text(notification["text"], size="2"),
            ),
            rx.text(ago(notification["at"]), size="1", color_scheme="gray"),
        ),
        spacing="2",
        align="start",
        margin_bottom="8px",
        key=notification["at"] + notification["text"],
    )


def _mark(label: rx.Component | str, color: str, explanation: str) -> rx.Component:
    return rx.tooltip(
        rx.badge(
            rx.box(width="7px", height="7px", border_radius="50%", background=f"var(--{color}-9)"),
            label,
            color_scheme=color,
            variant="soft",
            high_contrast=True,
            radius="full",
            size="2",
        ),
        content=explanation,
    )


def overlay() -> rx.Component:
    """Shown over every page while the server is away: the page stays readable."""
    banner: rx.Component = rx.cond(
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
    return banner


def delete_dialog(
    pending_delete: rx.Var[str], on_delete: object, on_keep: object, on_open_change: object
) -> rx.Component:
    return rx.alert_dialog.root(
        rx.alert_dialog.content(
            rx.alert_dialog.title("Delete this job?"),
            rx.alert_dialog.description(
                "The job ",
                rx.code(pending_delete),
                " is removed with its timeline, result and files. For ten seconds you can undo it.",
                size="2",
            ),
            rx.hstack(
                rx.alert_dialog.cancel(rx.button("Keep it", variant="soft", color_scheme="gray", on_click=on_keep)),
                rx.alert_dialog.action(
                    rx.button("Delete", variant="soft", high_contrast=True, color_scheme="tomato", on_click=on_delete)
                ),
                justify="end",
                spacing="3",
                margin_top="16px",
            ),
            max_width="440px",
        ),
        open=pending_delete != "",
        on_open_change=on_open_change,
    )


def retry_dialog(
    pending_retry: rx.Var[str], kept: rx.Var[str], on_retry: BoundHandler, on_open_change: object
) -> rx.Component:
    """Ask where the retry of a job begins that has kept what it did; going on comes first, so Enter does it."""
    return rx.dialog.root(
        rx.dialog.content(
            rx.dialog.title("Where should it begin?"),
            rx.dialog.description(
                f"Its earlier attempts kept {kept}. The next one can go on with that, or forget it.",
                size="2",
            ),
            rx.flex(
                rx.button("Go on where it stopped", on_click=on_retry(False), custom_attrs=once()),
                rx.button(
                    "From the start",
                    variant="soft",
                    high_contrast=True,
                    color_scheme="tomato",
                    on_click=on_retry(True),
                    custom_attrs=once(),
                ),
                rx.dialog.close(rx.button("Back", variant="soft", color_scheme="gray")),
                gap="12px",
                wrap="wrap",
                margin_top="16px",
            ),
            max_width="460px",
        ),
        open=pending_retry != "",
        on_open_change=on_open_change,
    )
