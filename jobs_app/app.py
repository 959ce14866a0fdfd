"""Composition root of the web app: pages, API, and what runs while the server does. No logic."""

import contextlib
import logging
from collections.abc import AsyncIterator

import reflex as rx
from reflex_base.event import EventSpec

from jobs_app import composition, routes
from jobs_app.admin import feeder as admin_feeder
from jobs_app.admin import tabs
from jobs_app.admin.alerts.state import AdminAlerts
from jobs_app.admin.events.state import AdminAudit, AdminEvents
from jobs_app.admin.kinds.state import AdminKinds
from jobs_app.admin.metrics.state import AdminMetrics
from jobs_app.admin.page import (
    admin_alerts,
    admin_audit,
    admin_events,
    admin_kinds,
    admin_metrics,
    admin_overview,
    admin_queue,
    admin_schedules,
    admin_system,
    admin_workers,
)
from jobs_app.admin.queue.state import AdminQueue
from jobs_app.admin.schedules.state import AdminSchedules
from jobs_app.admin.state import Admin
from jobs_app.admin.system.state import AdminSystem
from jobs_app.api import build_api
from jobs_app.compare import feeder as compare_feeder
from jobs_app.compare.page import compare_page
from jobs_app.compare.state import Comparison
from jobs_app.dashboard import commands as dashboard_commands
from jobs_app.dashboard import feeder as dashboard_feeder
from jobs_app.dashboard.page import dashboard
from jobs_app.dashboard.state import JobList
from jobs_app.job import commands as job_commands
from jobs_app.job import feeder as job_feeder
from jobs_app.job.actions import Actions
from jobs_app.job.page import job_page
from jobs_app.job.state import JobPage
from jobs_app.keys import registry as keys
from jobs_app.keys import state as keys_state
from jobs_app.live.arrival import Arrival
from jobs_app.live.broadcaster import Broadcaster, broadcasting
from jobs_app.live.effects import RefusingMarks, toast
from jobs_app.not_found import not_found
from jobs_app.server.admission import Admission
from jobs_app.server.page_events import check_events, is_of_dispatch
from jobs_app.server.request_user import ActingOnPages, Naming, acting_over_rest
from jobs_app.server.security import guard
from jobs_app.submit import commands as submit_commands
from jobs_app.submit import feeder as submit_feeder
from jobs_app.submit.state import StartForm
from jobs_app.ui import styles
from jobs_app.ui.basics import ONCE_SCRIPT
from jobs_app.ui.frame import overlay
from runlane.settings import settings

# What keeps each feature's pages live.
FEEDERS = (dashboard_feeder, job_feeder, compare_feeder, admin_feeder, submit_feeder)

log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def serve(app: rx.App) -> AsyncIterator[None]:
    """Everything that lives as long as the server."""
    async with composition.serving(settings()) as active:
        kinds = active.service.kinds
        live = Broadcaster(app, active.hub, active.limits, kinds, environment=active.config.environment)
        for feeder in FEEDERS:
            feeder.register(live, active)
        kinds.on_change(live.kinds_changed)
        with broadcasting(live, active.parts):
            yield


def on_backend_error(exception: Exception) -> EventSpec:  # Reflex requires this name
    if is_of_dispatch(exception):  # its message holds the arguments, secrets among them
        log.error("An event of a page failed before its handler began: %s.", type(exception).__name__)
    else:
        log.error("An event of a page failed.", exc_info=exception)
    return toast("error", "Something went wrong. It has been logged.", id="backend-error")


naming = Naming.of(settings())
admission = Admission(settings().max_per_address)
app = rx.App(
    head_components=[
        rx.el.link(
            rel="preload", href=styles.FONT, custom_attrs={"as": "font", "type": "font/woff2", "crossOrigin": ""}
        ),
        rx.el.style(styles.STYLE_SHEET),
        rx.el.script(ONCE_SCRIPT),
    ],
    html_lang="en",
    api_transformer=[
        build_api(),
        lambda served: acting_over_rest(served, naming),
        guard(settings()),
        admission.wrap,
    ],
    backend_exception_handler=on_backend_error,
    extra_app_wraps={(5, "Overlay"): lambda _stateful: overlay()},
)
check_events(app)
app.add_middleware(RefusingMarks())
app.add_middleware(ActingOnPages(naming))
# The guard checks the origin of websockets too, against the Host that they name; a fixed list cannot know every name.
assert app.sio is not None
app.sio.eio.cors_allowed_origins = []
app.register_lifespan_task(serve)
arrived = [Actions.ask_nothing, Arrival.arrive]
# A page joins its room first, then reads: no change falls between the two. It shows "Live" when it has read all.
app.add_page(
    dashboard,
    route=routes.DASHBOARD,
    title="Runlane",
    on_load=[JobList.join, JobList.load, StartForm.load, *arrived],
)
app.add_page(
    compare_page,
    route=routes.COMPARE,
    title="Compare",
    on_load=[Comparison.choose, Comparison.join, Comparison.refresh, *arrived],
)
for build, route, title, own in (
    (admin_overview, routes.ADMIN, "Admin", None),
    (admin_queue, routes.ADMIN_QUEUE, "Queue", AdminQueue),
    (admin_metrics, routes.ADMIN_METRICS, "Metrics", AdminMetrics),
    (admin_workers, routes.ADMIN_WORKERS, "Workers", None),
    (admin_schedules, routes.ADMIN_SCHEDULES, "Schedules", AdminSchedules),
    (admin_kinds, routes.ADMIN_KINDS, "Kinds", AdminKinds),
    (admin_alerts, routes.ADMIN_ALERTS, "Alerts", AdminAlerts),
    (admin_system, routes.ADMIN_SYSTEM, "System", AdminSystem),
    (admin_audit, routes.ADMIN_AUDIT, "Audit", AdminAudit),
):
    load = [] if own is None else [own.load]
    app.add_page(build, route=route, title=title, on_load=[Admin.join, *load, Admin.load, *arrived])
    if refresh := getattr(own, "refresh", None):
        tabs.register(route, refresh)
app.add_page(
    admin_events,
    route=routes.ADMIN_EVENTS,
    title="Events",
    on_load=[AdminEvents.join, AdminEvents.load, Admin.load, *arrived],
)
app.add_page(not_found, route="404", title="No such page", on_load=[Arrival.join_quiet, *arrived])
app.add_page(job_page, route=routes.JOB, title=JobPage.tab_title, on_load=[JobPage.join, JobPage.load, *arrived])
for feature in (dashboard_commands, job_commands, submit_commands):
    feature.register()
for offered in (  # listed in this order
    job_commands.with_job,
    dashboard_commands.with_selected,
    keys_state.pages,
    dashboard_commands.lists,
    submit_commands.kinds,
    job_commands.with_queue,
    keys_state.key_sheet,
):
    keys.offer(offered)
