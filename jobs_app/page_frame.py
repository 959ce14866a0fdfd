"""What every page has around it, bound to its state: how fresh it is, messages, keys, and the links between pages."""

import reflex as rx

from jobs_app.keys.components import key_sheet, palette, shortcuts
from jobs_app.keys.state import Keys
from jobs_app.live.arrival import Arrival
from jobs_app.live.effects import trigger
from jobs_app.live.notify import OwnNotifications
from jobs_app.live.state import Live
from jobs_app.ui.frame import live_mark, notifications_menu, page_frame


def page(*children: rx.Component, dialogs: rx.Component, icon: rx.Var[str] | str = "/favicon.svg") -> rx.Component:
    """A whole page around ``children``."""
    return page_frame(
        *children,
        mark=rx.fragment(
            rx.cond(Live.environment != "", rx.badge(Live.environment, color_scheme="amber", high_contrast=True)),
            live_mark(Live.feed, Live.confirmed_at, Live.delay_ms, Arrival.latency_ms),
        ),
        is_stale=Live.feed == "down",
        tools=rx.fragment(
            rx.icon_button(
                rx.icon("command", size=17),
                variant="ghost",
                color_scheme="gray",
                aria_label="Command palette",
                title="Command palette (Ctrl K)",
                on_click=trigger(Keys.press, "palette", ""),
            ),
            notifications_menu(Live.notifications, OwnNotifications.newest, OwnNotifications.clear),
        ),
        dialogs=rx.fragment(
            dialogs,
            shortcuts(Keys.press),
            key_sheet(Keys.sheet, Keys.show_sheet),
            palette(
                Keys.palette,
                Keys.commands,
                Keys.active,
                Keys.find,
                Keys.press_in_palette,
                Keys.enter,
                Keys.choose,
                Keys.show_palette,
            ),
        ),
        icon=icon,
    )
