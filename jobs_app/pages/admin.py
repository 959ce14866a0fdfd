"""The admin pages, one a tab: what the system does, and what may be changed about it."""

import reflex as rx

from jobs_app import routes
from jobs_app.components.admin import admin_tabs, figures, kind_list, queue_control, trouble_list, worker_table
from jobs_app.components.schedules import delete_schedule_dialog, schedule_form, schedule_list
from jobs_app.pages.frame import page
from jobs_app.state.admin import Admin
from jobs_app.state.admin_kinds import AdminKinds
from jobs_app.state.admin_schedules import AdminSchedules


def admin_overview() -> rx.Component:
    return _tab(
        routes.ADMIN,
        "Overview",
        figures(Admin.counts, Admin.concurrency, Admin.oldest_queued_at, Admin.taking),
        queue_control(Admin.paused, Admin.concurrency, Admin.wrong, Admin.pause, Admin.set_limit),
    )


def admin_workers() -> rx.Component:
    return _tab(routes.ADMIN_WORKERS, "Workers", worker_table(Admin.workers, Admin.ask_worker))


def admin_kinds() -> rx.Component:
    return _tab(routes.ADMIN_KINDS, "Kinds", kind_list(AdminKinds.kinds))


def admin_schedules() -> rx.Component:
    page = AdminSchedules
    return _tab(
        routes.ADMIN_SCHEDULES,
        "Schedules",
        rx.grid(
            rx.box(schedule_list(page.schedules, page.pause, page.run_now, page.edit, page.ask_delete), min_width="0"),
            schedule_form(
                page.form,
                page.filled,
                page.editing,
                page.errors,
                page.next,
                page.type_in,
                page.submit,
                page.leave,
            ),
            columns=rx.breakpoints(initial="minmax(0, 1fr)", lg="minmax(0, 1fr) 340px"),
            gap="16px",
            width="100%",
            align_items="start",
        ),
        dialogs=delete_schedule_dialog(page.doomed, page.delete, page.forget_question),
    )


def _tab(address: str, title: str, *content: rx.Component, dialogs: rx.Component | None = None) -> rx.Component:
    return page(
        rx.heading(f"Admin: {title}", as_="h1", size="5", margin_bottom="8px"),
        admin_tabs(address),
        rx.cond(
            Admin.loaded,
            rx.vstack(trouble_list(Admin.troubles), *content, spacing="4", width="100%"),
            rx.center(rx.spinner(size="3"), padding="60px"),
        ),
        dialogs=dialogs or rx.fragment(),
    )
