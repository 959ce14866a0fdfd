"""The admin pages, one a tab: what the system does, and what may be changed about it."""

import reflex as rx

from jobs_app import routes
from jobs_app.admin.alerts.components import alert_list, delivery_list, rule_form, rule_list
from jobs_app.admin.alerts.state import AdminAlerts
from jobs_app.admin.components import (
    admin_tabs,
    figures,
    queue_control,
    stop_worker_dialog,
    trouble_list,
    worker_table,
)
from jobs_app.admin.editor.components import delete_dialog, list_and_editor
from jobs_app.admin.events.components import audit_table, event_lines
from jobs_app.admin.events.live_state import LiveEvents
from jobs_app.admin.events.state import AdminAudit, AdminEvents
from jobs_app.admin.kinds.components import kind_list, remove_dialog
from jobs_app.admin.kinds.state import AdminKinds
from jobs_app.admin.metrics.components import kind_figures, metrics_control, metrics_cost, point_card
from jobs_app.admin.metrics.state import AdminMetrics, kept_for
from jobs_app.admin.queue.components import clean_up, operation_bars, operation_list
from jobs_app.admin.queue.live_state import LiveOperations
from jobs_app.admin.queue.state import AdminQueue
from jobs_app.admin.schedules.components import schedule_form, schedule_list
from jobs_app.admin.schedules.state import AdminSchedules
from jobs_app.admin.state import Admin
from jobs_app.admin.system.components import chain_card, database_card, redis_card
from jobs_app.admin.system.state import AdminSystem
from jobs_app.live.effects import trigger
from jobs_app.live.event_log import LogLine
from jobs_app.live.state import Live
from jobs_app.page_frame import page
from jobs_app.ui.basics import callout, question
from jobs_app.ui.charts import chart
from runlane.bulk.service import CONFIRMATION
from runlane.metrics.statistics import Step
from runlane.settings import settings


def admin_overview() -> rx.Component:
    return _tab(
        routes.ADMIN,
        "Overview",
        figures(
            Admin.numbers,
            Admin.sparks,
            Admin.concurrency,
            Admin.oldest_queued_at,
            Admin.taking,
            Admin.lately,
            Admin.redis_ok,
            Admin.database_ok,
        ),
        queue_control(Admin.paused, Admin.concurrency, Admin.wrong, Admin.pause, Admin.set_limit),
        operation_bars(LiveOperations.operations, AdminQueue.stop, AdminQueue.undo),
    )


def admin_workers() -> rx.Component:
    page = Admin
    return _tab(
        routes.ADMIN_WORKERS,
        "Workers",
        worker_table(
            page.workers,
            page.worker_text,
            page.worker_state,
            page.find_worker,
            page.show_workers,
            page.command_worker,
            page.ask_stop,
            page.forget_worker,
        ),
        dialogs=stop_worker_dialog(Admin.stopping, settings().stop_grace_s, Admin.stop_worker, Admin.forget_question),
    )


def admin_queue() -> rx.Component:
    page = AdminQueue
    return _tab(
        routes.ADMIN_QUEUE,
        "Queue",
        queue_control(Admin.paused, Admin.concurrency, Admin.wrong, Admin.pause, Admin.set_limit),
        operation_bars(LiveOperations.operations, page.stop, page.undo),
        clean_up(page.form, Live.kinds, page.wrong, page.fill, page.ask, page.ask_ready, page.ask_obliterate),
        operation_list(LiveOperations.operations, page.stop),
        dialogs=question(
            is_open=page.action != "",
            title=f"{page.title}?",
            text=page.preview,
            go=page.title,
            on_go=page.go,
            on_open_change=page.forget_question,
            keep="Back",
            disabled=~page.may_go,
            more=rx.cond(
                page.needs_word,
                rx.box(
                    rx.el.label(f"Type {CONFIRMATION} to go on", html_for="obliterate-word", class_name="small"),
                    rx.input(id="obliterate-word", on_change=page.type_word, auto_complete="off"),
                    margin_top="12px",
                ),
            ),
        ),
    )


def admin_metrics() -> rx.Component:
    page = AdminMetrics
    kept = {step.value: kept_for(step) for step in Step}
    return _tab(
        routes.ADMIN_METRICS,
        "Metrics",
        metrics_control(page.window, page.kind, Live.kinds, page.show_window, page.show_kind),
        rx.cond(page.trouble != "", callout(page.trouble, icon="triangle-alert", color="tomato")),
        point_card(page.point, page.can_zoom, page.zoom, trigger(page.choose, page.chosen)),
        rx.grid(
            rx.foreach(page.charts, lambda drawn: chart(drawn, page.buckets, page.ticks, page.chosen, page.choose)),
            columns=rx.breakpoints(initial="minmax(0, 1fr)", md="minmax(0, 1fr) minmax(0, 1fr)"),
            gap="16px",
            width="100%",
            id="charts",
        ),
        kind_figures(page.total, page.kinds),
        metrics_cost(page.costs, kept, page.ask_purge),
        dialogs=question(
            is_open=page.purging != "",
            title="Purge these figures?",
            text=rx.fragment("All figures by the ", page.purging, " are removed for good; jobs stay as they are."),
            go="Purge",
            on_go=page.purge,
            on_open_change=page.forget_question,
        ),
    )


def admin_kinds() -> rx.Component:
    page = AdminKinds
    return _tab(
        routes.ADMIN_KINDS,
        "Kinds",
        kind_list(
            page.kinds,
            page.matching,
            page.total,
            page.off,
            page.wrong,
            page.find,
            page.pause,
            page.set_limits,
            page.ask_remove,
        ),
        dialogs=remove_dialog(page.removing, page.remove, page.forget_question),
    )


def admin_system() -> rx.Component:
    page = AdminSystem
    return _tab(
        routes.ADMIN_SYSTEM,
        "System",
        chain_card(page.hops, page.message, page.passed, page.working, page.test_chain, page.copy),
        rx.grid(
            redis_card(page.redis, page.redis_troubles, page.slow),
            database_card(
                page.database, page.indexes, page.can_maintain, page.working, page.result, page.check, page.ask_vacuum
            ),
            columns=rx.breakpoints(initial="minmax(0, 1fr)", md="minmax(0, 1fr) minmax(0, 1fr)"),
            gap="16px",
            width="100%",
            align_items="start",
        ),
        dialogs=question(
            is_open=page.asking,
            title="Compact the database?",
            text="Nothing is written meanwhile: workers wait, and lose nothing. A gigabyte takes ten seconds or so.",
            go="Compact",
            on_go=page.vacuum,
            on_open_change=page.forget_question,
            keep="Back",
        ),
    )


def admin_alerts() -> rx.Component:
    page = AdminAlerts
    return _tab(
        routes.ADMIN_ALERTS,
        "Alerts",
        alert_list(page.alerts),
        list_and_editor(
            rx.vstack(
                rule_list(page.rules, page.pause, page.test, page.copy_secret, page.edit, page.ask_delete),
                delivery_list(page.deliveries),
                spacing="4",
                min_width="0",
            ),
            rule_form(
                page.form,
                Live.kinds,
                page.filled,
                page.editing,
                page.condition,
                page.errors,
                page.choose_condition,
                page.submit,
                page.leave,
            ),
        ),
        dialogs=delete_dialog(
            "rule", page.pending_delete, "goes with its alerts and messages.", page.delete, page.forget_question
        ),
    )


def admin_events() -> rx.Component:
    page = AdminEvents
    return _tab(
        routes.ADMIN_EVENTS,
        "Events",
        event_lines(
            rx.cond(page.paused, page.held, LiveEvents.lines).to(list[LogLine]),
            page.text,
            page.what,
            page.paused,
            page.find,
            page.show,
            page.pause,
        ),
    )


def admin_audit() -> rx.Component:
    page = AdminAudit
    return _tab(
        routes.ADMIN_AUDIT,
        "Audit",
        audit_table(page.actions, page.text, page.more, page.find, page.older, page.newest),
    )


def admin_schedules() -> rx.Component:
    page = AdminSchedules
    return _tab(
        routes.ADMIN_SCHEDULES,
        "Schedules",
        list_and_editor(
            rx.box(schedule_list(page.schedules, page.pause, page.run_now, page.edit, page.ask_delete), min_width="0"),
            schedule_form(
                page.form,
                Live.kinds,
                page.filled,
                page.editing,
                page.errors,
                page.next,
                page.type_in,
                page.submit,
                page.leave,
            ),
        ),
        dialogs=delete_dialog(
            "schedule",
            page.pending_delete,
            "makes no more jobs. Those it made stay.",
            page.delete,
            page.forget_question,
        ),
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
