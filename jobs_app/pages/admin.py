"""The admin pages, one a tab: what the system does, and what may be changed about it."""

import reflex as rx

from jobs_app import routes
from jobs_app.components.admin import admin_tabs, figures, queue_control, trouble_list, worker_table
from jobs_app.pages.frame import page
from jobs_app.state.admin import Admin


def admin_overview() -> rx.Component:
    return _tab(
        routes.ADMIN,
        "Overview",
        figures(Admin.counts, Admin.concurrency, Admin.oldest_queued_at, Admin.taking),
        queue_control(Admin.paused, Admin.concurrency, Admin.wrong, Admin.pause, Admin.set_limit),
    )


def admin_workers() -> rx.Component:
    return _tab(routes.ADMIN_WORKERS, "Workers", worker_table(Admin.workers, Admin.ask_worker))


def _tab(address: str, title: str, *content: rx.Component) -> rx.Component:
    return page(
        rx.heading(f"Admin: {title}", as_="h1", size="5", margin_bottom="8px"),
        admin_tabs(address),
        rx.cond(
            Admin.loaded,
            rx.vstack(trouble_list(Admin.troubles), *content, spacing="4", width="100%"),
            rx.center(rx.spinner(size="3"), padding="60px"),
        ),
        dialogs=rx.fragment(),
    )
