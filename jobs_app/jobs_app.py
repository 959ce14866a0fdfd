"""Composition root of the web app: pages, API, and what runs while the server does. No logic."""

import contextlib
import logging
from collections.abc import AsyncIterator

import reflex as rx

from jobs.settings import settings
from jobs_app import broadcaster, routes, runtime, styles
from jobs_app.acting import ActingOnPages, Naming, acting_over_rest
from jobs_app.admission import Admission
from jobs_app.api import build_api
from jobs_app.components.basics import ONCE_SCRIPT
from jobs_app.components.frame import overlay
from jobs_app.door import check_events, is_of_dispatch
from jobs_app.effects import RefusingMarks, toast
from jobs_app.live import Live, LiveEvents, LiveJob
from jobs_app.pages.admin import (
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
from jobs_app.pages.compare import compare_page
from jobs_app.pages.dashboard import dashboard
from jobs_app.pages.job import job_page
from jobs_app.pages.not_found import not_found
from jobs_app.security import guard
from jobs_app.state.admin import Admin
from jobs_app.state.admin_alerts import AdminAlerts
from jobs_app.state.admin_events import AdminAudit, AdminEvents
from jobs_app.state.admin_kinds import AdminKinds
from jobs_app.state.admin_metrics import AdminMetrics
from jobs_app.state.admin_queue import AdminQueue
from jobs_app.state.admin_schedules import AdminSchedules
from jobs_app.state.admin_system import AdminSystem
from jobs_app.state.board import BoardState
from jobs_app.state.compare import Comparison
from jobs_app.state.job_page import JobPage
from jobs_app.state.start import StartForm

log = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def serve(app: rx.App) -> AsyncIterator[None]:
    """Everything that lives as long as the server."""
    async with runtime.serving(settings()) as active:
        with broadcaster.broadcasting(app, active):
            yield


def on_backend_error(exception: Exception) -> rx.event.EventSpec:  # Reflex asks for this name
    if is_of_dispatch(exception):  # whose words hold the arguments, secrets among them
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
# The guard looks at the origin of websockets too, by the Host they came to; a fixed list cannot know every name.
app.sio.eio.cors_allowed_origins = []
app.register_lifespan_task(serve)
# A page joins its room first, then reads: no change falls between the two. It says "Live" when it has read all.
app.add_page(
    dashboard, route=routes.DASHBOARD, title="Jobs", on_load=[Live.join, BoardState.load, StartForm.load, Live.arrive]
)
app.add_page(
    compare_page,
    route=routes.COMPARE,
    title="Compare",
    on_load=[Comparison.choose, Comparison.join, Comparison.refresh, Live.arrive],
)
for build, route, title, load in (
    (admin_overview, routes.ADMIN, "Admin", ()),
    (admin_queue, routes.ADMIN_QUEUE, "Queue", (AdminQueue.load,)),
    (admin_metrics, routes.ADMIN_METRICS, "Metrics", (AdminMetrics.load,)),
    (admin_workers, routes.ADMIN_WORKERS, "Workers", ()),
    (admin_schedules, routes.ADMIN_SCHEDULES, "Schedules", (AdminSchedules.load,)),
    (admin_kinds, routes.ADMIN_KINDS, "Kinds", (AdminKinds.load,)),
    (admin_alerts, routes.ADMIN_ALERTS, "Alerts", (AdminAlerts.load,)),
    (admin_system, routes.ADMIN_SYSTEM, "System", (AdminSystem.load,)),
    (admin_audit, routes.ADMIN_AUDIT, "Audit", (AdminAudit.load,)),
):
    app.add_page(build, route=route, title=title, on_load=[Live.administer, *load, Admin.load, Live.arrive])
app.add_page(
    admin_events,
    route=routes.ADMIN_EVENTS,
    title="Events",
    on_load=[LiveEvents.join, AdminEvents.load, Admin.load, Live.arrive],
)
app.add_page(not_found, route="404", title="No such page", on_load=[Live.listen, Live.arrive])
app.add_page(job_page, route=routes.JOB, title=JobPage.tab_title, on_load=[LiveJob.join, JobPage.load, Live.arrive])
