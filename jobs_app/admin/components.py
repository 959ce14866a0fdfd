"""Pieces of the admin pages: the tabs, what is wrong, the state of the queue, and the workers."""

import reflex as rx

from jobs_app import routes
from jobs_app.admin.metrics.charts import SPARK_MINUTES
from jobs_app.admin.rows import WorkerRow
from jobs_app.live.effects import BoundHandler
from jobs_app.ui.basics import ago, callout, card, heading, mono, question, small_button, status_badge
from jobs_app.ui.charts import spark_line
from jobs_app.ui.job_rows import JobLink
from jobs_app.ui.styles import STATUS_COLOR, STATUS_LABEL, TABULAR
from jobs_app.ui.toolbar import choice, find_box, pause_button, toolbar
from runlane.model.status import JobStatus

TABS = (
    (routes.ADMIN, "Overview"),
    (routes.ADMIN_QUEUE, "Queue"),
    (routes.ADMIN_METRICS, "Metrics"),
    (routes.ADMIN_WORKERS, "Workers"),
    (routes.ADMIN_SCHEDULES, "Schedules"),
    (routes.ADMIN_KINDS, "Kinds"),
    (routes.ADMIN_ALERTS, "Alerts"),
    (routes.ADMIN_SYSTEM, "System"),
    (routes.ADMIN_EVENTS, "Events"),
    (routes.ADMIN_AUDIT, "Audit"),
)
# with more of them, the list can be narrowed
MANY_WORKERS = 8
STATE_COLOR = {"running": "grass", "quiet": "amber", "lost": "tomato"}


def admin_tabs(current: str) -> rx.Component:
    return rx.el.nav(
        *[
            rx.link(
                label, href=href, class_name="tab", custom_attrs={"aria-current": "page"} if href == current else {}
            )
            for href, label in TABS
        ],
        aria_label="Admin",
        class_name="tabs",
    )


def trouble_list(troubles: rx.Var[list[str]]) -> rx.Component:
    """What is wrong, in sentences; nothing when all is well."""
    return rx.box(
        rx.foreach(troubles, lambda text: callout(text, icon="triangle-alert", color="tomato", margin_bottom="12px")),
        width="100%",
        id="troubles",
    )


def figures(
    counts: rx.Var[dict[str, str]],
    sparks: rx.Var[dict[str, str]],
    concurrency: rx.Var[int],
    oldest_queued_at: rx.Var[str],
    workers: rx.Var[int],
    lately: rx.Var[dict[str, str]],
    redis_ok: rx.Var[bool],
    database_ok: rx.Var[bool],
) -> rx.Component:
    """The state of the system in numbers, each with its last hour; each status leads to its jobs."""
    shown = [
        _figure(
            STATUS_LABEL[status],
            counts[status.value],
            f"{routes.DASHBOARD}?status={status}",
            f"var(--{STATUS_COLOR[status]}-9)",
            sparks[status.value],
        )
        for status in JobStatus
    ]
    running = counts[JobStatus.RUNNING.value]
    return rx.grid(
        *shown,
        _figure("Slots used", f"{running} of {concurrency}", spark=sparks["slots"]),
        _figure("Workers that take jobs", workers, routes.ADMIN_WORKERS, spark=sparks["workers"]),
        _figure(
            "Oldest waits since",
            rx.cond(oldest_queued_at == "", "–", ago(oldest_queued_at)),
            f"{routes.DASHBOARD}?status=queued&sort=created_at",
            spark=sparks["oldest_queued_s"],
        ),
        _figure("Ended in the last minute", lately["ended"], routes.ADMIN_METRICS, spark=sparks["ended"]),
        _figure("Failure rate, last hour", lately["failure_rate"], routes.ADMIN_METRICS, spark=sparks["failure_rate"]),
        _health("Redis", redis_ok),
        _health("Database", database_ok),
        _figure("Database size", lately["bytes"], spark=sparks["bytes"], note=lately["growth"]),
        columns=rx.breakpoints(initial="2", sm="3", lg="4"),
        gap="12px",
        width="100%",
        id="figures",
    )


def _health(label: str, is_well: rx.Var[bool]) -> rx.Component:
    color = rx.cond(is_well, "var(--grass-9)", "var(--tomato-9)").to_string(use_json=False)
    return _figure(label, rx.cond(is_well, "answers", "does not answer"), routes.ADMIN_SYSTEM, color)


def _figure(
    label: str,
    value: object,
    href: str = "",
    color: rx.Var[str] | str = "var(--gray-5)",
    spark: rx.Var[str] | str = "",
    note: rx.Var[str] | str = "",
) -> rx.Component:
    number = rx.text(value, size="5", weight="bold", style=TABULAR)
    return card(
        rx.text(rx.link(label, href=href) if href else label, size="2", color_scheme="gray"),
        number,
        spark_line(spark, SPARK_MINUTES),
        rx.text(note, size="1", color_scheme="gray") if isinstance(note, rx.Var) else rx.fragment(),
        border_left=f"3px solid {color}",
        padding="12px 16px",
        min_width="0",
        custom_attrs={"data-figure": label},
    )


def queue_control(
    paused: rx.Var[bool], concurrency: rx.Var[int], wrong: rx.Var[str], on_pause: object, on_limit: object
) -> rx.Component:
    return card(
        heading("Queue"),
        rx.flex(
            pause_button(paused, on_pause),
            rx.form(
                rx.hstack(
                    rx.el.label("At once, over all workers", html_for="concurrency", class_name="small"),
                    rx.input(
                        name="concurrency",
                        id="concurrency",
                        type="number",
                        default_value=concurrency.to_string(),
                        key=concurrency.to_string(),
                        width="90px",
                        aria_invalid=wrong != "",
                    ),
                    rx.button("Set", type="submit", variant="soft"),
                    align="center",
                ),
                on_submit=on_limit,
                no_validate=True,
                width="auto",
            ),
            rx.cond(wrong != "", rx.text(wrong, size="2", color_scheme="tomato", role="alert")),
            gap="20px",
            align="center",
            wrap="wrap",
        ),
        id="queue",
    )


def worker_table(
    workers: rx.Var[list[WorkerRow]],
    text: rx.Var[str],
    state: rx.Var[str],
    on_find: object,
    on_show: object,
    on_command: object,
    on_stop: object,
    on_forget: object,
) -> rx.Component:
    def shown(worker: rx.Var[WorkerRow]) -> rx.Var[bool]:
        words = (worker["id"] + " " + worker["host"]).lower()
        return ((state == "") | (worker["state"] == state)) & words.contains(text)

    return rx.cond(
        workers.length() > 0,
        card(
            rx.cond(workers.length() > MANY_WORKERS, _narrow(state, on_find, on_show)),
            rx.box(
                rx.table.root(
                    rx.table.header(
                        rx.table.row(
                            *[
                                rx.table.column_header_cell(title)
                                for title in (
                                    "Worker",
                                    "State",
                                    "Runs",
                                    "CPU, memory",
                                    "Started",
                                    "Last heartbeat",
                                    "Version",
                                )
                            ],
                            rx.table.column_header_cell(rx.el.span("Actions", class_name="only-read")),
                        )
                    ),
                    rx.table.body(
                        rx.foreach(
                            workers,
                            lambda worker: rx.cond(shown(worker), _worker(worker, on_command, on_stop, on_forget)),
                        )
                    ),
                    size="2",
                ),
                overflow_x="auto",
            ),
            id="workers",
        ),
        card(
            rx.text(
                "No worker has sent a heartbeat in the last day. Start one: ", rx.code("python -m worker"), size="2"
            ),
            id="workers",
        ),
    )


def _narrow(state: rx.Var[str], on_find: object, on_show: object) -> rx.Component:
    states = [("", "Any state"), *((name, name.capitalize()) for name in STATE_COLOR)]
    return toolbar(
        find_box("Find a worker by its name or host", on_find),
        choice(states, value=state, on_change=on_show, aria_label="Which state"),
        margin_bottom="12px",
    )


def _worker(
    worker: rx.Var[WorkerRow], on_command: BoundHandler, on_stop: BoundHandler, on_forget: BoundHandler
) -> rx.Component:
    states = [(name, _state(name.capitalize(), color)) for name, color in STATE_COLOR.items()]
    return rx.table.row(
        rx.table.row_header_cell(
            rx.text(worker["id"], weight="medium", size="2"),
            mono(worker["host"] + ", process " + worker["pid"].to_string(), color_scheme="gray"),
        ),
        rx.table.cell(rx.match(worker["state"], *states, rx.fragment())),
        rx.table.cell(
            rx.text(worker["running"].length(), " of ", worker["slots"], size="2", style=TABULAR),
            rx.foreach(worker["running"], lambda job: _worker_job(job, worker["state"])),
        ),
        rx.table.cell(
            rx.cond(
                worker["state"] == "lost",
                rx.fragment(),
                rx.text(worker["cpu"], ", ", worker["memory"], size="2", style=TABULAR, white_space="nowrap"),
            ),
            rx.cond(worker["clock"] != "", rx.text(worker["clock"], size="1", color_scheme="tomato")),
        ),
        rx.table.cell(ago(worker["started_at"])),
        rx.table.cell(ago(worker["heartbeat_at"])),
        rx.table.cell(worker["version"]),
        rx.table.cell(
            rx.hstack(
                rx.match(
                    worker["state"],
                    ("running", small_button("Quiet", on_command(worker["id"], "quiet"))),
                    ("quiet", small_button("Resume", on_command(worker["id"], "resume"))),
                    rx.fragment(),
                ),
                rx.cond(worker["state"] == "lost", rx.fragment(), small_button("Stop", on_stop(worker["id"]))),
                rx.cond(worker["can_forget"], small_button("Forget", on_forget(worker["id"]))),
                spacing="2",
            )
        ),
        key=worker["id"],
        align="center",
        custom_attrs={"data-worker": worker["id"], "data-state": worker["state"]},
    )


def stop_worker_dialog(worker_id: rx.Var[str], grace_s: float, on_stop: object, on_open_change: object) -> rx.Component:
    return question(
        is_open=worker_id != "",
        title="Stop this worker?",
        text=rx.fragment(
            "The worker ",
            rx.code(worker_id),
            f" takes no more jobs. Those it runs have {grace_s:g} seconds to end; then they are handed back, and run "
            "elsewhere. make run and Compose start it again at once: to keep it from taking jobs, use Quiet.",
        ),
        go="Stop it",
        on_go=on_stop,
        on_open_change=on_open_change,
        keep="Let it run",
    )


def _worker_job(job: rx.Var[JobLink], state: rx.Var[str]) -> rx.Component:
    """A job that the worker runs; for a lost worker, with the status that the job has now."""
    return rx.flex(
        rx.link(mono(job["short_id"]), href=routes.job(job["id"]), size="1"),
        rx.cond(
            state == "lost",
            rx.cond(job["status"] == "", rx.text("deleted", size="1"), status_badge(job["status"])),
        ),
        gap="6px",
        align="center",
        min_height="24px",  # large enough to be tapped with a finger
    )


def _state(label: str, color: str) -> rx.Component:
    return rx.badge(label, color_scheme=color, variant="soft", high_contrast=True)
