"""One job: its timeline as it grows, and everything that is known about it."""

import reflex as rx

from jobs.models import JobStatus
from jobs_app import routes
from jobs_app.components.basics import (
    ago,
    card,
    heading,
    mono,
    progress_bar,
    status_badge,
    status_color,
    ticking,
)
from jobs_app.components.frame import page_frame
from jobs_app.components.timeline import timeline
from jobs_app.live import Live, LiveJob
from jobs_app.pages.dashboard import confirm_delete
from jobs_app.rows import Attempt, Hot
from jobs_app.state.actions import Actions
from jobs_app.state.job_page import ArtifactRow, Fact, JobPage
from jobs_app.styles import MONO_BLOCK, TABULAR


def job_page() -> rx.Component:
    return page_frame(
        rx.link(
            rx.hstack(rx.icon("arrow-left", size=15), "All jobs", spacing="1", align="center"),
            href=routes.DASHBOARD,
            size="2",
        ),
        rx.cond(JobPage.found, _job(), _absent()),
        feed=Live.feed,
        dialog=confirm_delete(),
    )


def _absent() -> rx.Component:
    return rx.center(
        rx.cond(
            JobPage.trouble == "",
            rx.spinner(size="3"),
            rx.vstack(
                rx.icon("search-x", size=28, color="var(--gray-8)"),
                rx.text(JobPage.trouble, align="center"),
                rx.link("Back to the list", href=routes.DASHBOARD),
                align="center",
            ),
        ),
        padding="80px 16px",
    )


def _job() -> rx.Component:
    now = rx.cond(LiveJob.head["version"] > JobPage.row["live"]["version"], LiveJob.head, JobPage.row["live"]).to(Hot)
    return rx.vstack(
        _title(now),
        rx.grid(
            rx.vstack(_progress(now), _error(), _timeline(), spacing="4", width="100%", min_width="0"),
            rx.vstack(
                _facts(),
                _attempts(),
                _params(),
                _result(),
                _artifacts(),
                _follow(),
                spacing="4",
                min_width="0",
            ),
            columns=rx.breakpoints(initial="minmax(0, 1fr)", lg="minmax(0, 1fr) 400px"),
            gap="16px",
            width="100%",
            align_items="start",
        ),
        spacing="4",
        width="100%",
        margin_top="12px",
        custom_attrs={"data-status": now["status"]},
        id="job",
    )


def _title(now: rx.Var[Hot]) -> rx.Component:
    job_id = JobPage.row["id"]
    return rx.flex(
        rx.hstack(
            rx.heading(JobPage.row["title"], as_="h1", size="6"),
            mono(JobPage.row["short_id"], color_scheme="gray"),
            status_badge(now["status"], now["cancelling"]),
            align="center",
            spacing="3",
            wrap="wrap",
        ),
        rx.spacer(),
        rx.hstack(
            _action(
                "Cancel",
                "circle-stop",
                "amber",
                Actions.cancel(job_id),
                now,
                "scheduled",
                "queued",
                "running",
            ),
            _action("Retry", "rotate-ccw", "indigo", Actions.retry(job_id), now, "failed", "cancelled"),
            _action(
                "Delete",
                "trash-2",
                "tomato",
                Actions.ask_delete(job_id),
                now,
                *(s.value for s in JobStatus if s is not JobStatus.RUNNING),
            ),
            spacing="2",
        ),
        width="100%",
        wrap="wrap",
        gap="12px",
        align="center",
    )


def _action(label: str, icon: str, color: str, on_click: object, now: rx.Var[Hot], *statuses: str) -> rx.Component:
    button = rx.button(rx.icon(icon, size=15), label, variant="soft", color_scheme=color, on_click=on_click)
    return rx.match(now["status"], *[(status, button) for status in statuses], rx.fragment())


def _progress(now: rx.Var[Hot]) -> rx.Component:
    return card(
        rx.hstack(
            rx.text(now["message"], weight="medium", style={"overflow_wrap": "anywhere"}, id="step"),
            rx.spacer(),
            rx.cond(
                now["status"] == JobStatus.RUNNING.value,
                rx.text(ticking(now["started_at"]), size="2", color_scheme="gray"),
                rx.text(now["duration"], size="2", color_scheme="gray", style=TABULAR, white_space="nowrap"),
            ),
            width="100%",
            margin_bottom="10px",
        ),
        rx.hstack(
            progress_bar(now["progress"], status_color(now["status"])),
            rx.text(now["progress"], "%", size="1", style=TABULAR, width="40px", align="right"),
            align="center",
            width="100%",
        ),
        rx.cond(
            now["due"] != "",
            rx.text(
                "Due ",
                rx.moment(now["due"], from_now=True, interval=1000),
                size="2",
                color_scheme="gray",
                margin_top="8px",
            ),
        ),
        width="100%",
    )


def _timeline() -> rx.Component:
    return card(
        heading("Timeline"),
        timeline(
            JobPage.lines,
            LiveJob.tail,
            JobPage.loaded_version,
            JobPage.lines_cut,
            f"/api/jobs/{JobPage.row['id']}/events?limit=10000",
        ),
        width="100%",
    )


def _error() -> rx.Component:
    return rx.cond(
        JobPage.error_message != "",
        card(
            heading("Error"),
            rx.text(JobPage.error_type, size="2", weight="bold", color_scheme="tomato"),
            rx.text(JobPage.error_message, size="2", margin_bottom="10px", style={"overflow_wrap": "anywhere"}),
            rx.cond(
                JobPage.traceback != "",
                rx.el.pre(JobPage.traceback, style=MONO_BLOCK, id="traceback", tab_index=0),
            ),
            width="100%",
            id="error",
        ),
    )


def _facts() -> rx.Component:
    return card(heading("Details"), rx.data_list.root(rx.foreach(JobPage.facts, _fact), size="1"), width="100%")


def _fact(fact: rx.Var[Fact]) -> rx.Component:
    return rx.data_list.item(
        rx.data_list.label(fact["label"], min_width="110px"),
        rx.data_list.value(
            rx.cond(
                fact["is_time"],
                ago(fact["value"]),
                rx.text(fact["value"], style={"overflow_wrap": "anywhere"}),
            )
        ),
        key=fact["label"],
    )


def _attempts() -> rx.Component:
    return rx.cond(
        JobPage.attempts.length() > 1,
        card(
            heading("Attempts"),
            rx.vstack(rx.foreach(JobPage.attempts, _attempt), spacing="3", width="100%"),
            width="100%",
            id="attempts",
        ),
    )


def _attempt(attempt: rx.Var[Attempt]) -> rx.Component:
    return rx.box(
        rx.hstack(
            rx.text("Attempt ", attempt["number"], size="2", weight="medium"),
            status_badge(attempt["status"]),
            rx.spacer(),
            rx.text(attempt["duration"], size="1", color_scheme="gray", style=TABULAR),
            width="100%",
            align="center",
        ),
        rx.text(attempt["message"], size="1", color_scheme="gray", style={"overflow_wrap": "anywhere"}),
        width="100%",
        key=attempt["started_at"],
    )


def _params() -> rx.Component:
    return card(
        heading("Parameters"),
        rx.el.pre(JobPage.params, style=MONO_BLOCK, id="params", tab_index=0),
        width="100%",
    )


def _result() -> rx.Component:
    return rx.cond(
        JobPage.result != "",
        card(
            heading("Result"),
            rx.el.pre(JobPage.result, style=MONO_BLOCK, id="result", tab_index=0),
            rx.cond(
                JobPage.result_cut,
                rx.text(
                    "Only its beginning is shown. ",
                    rx.link("The whole job as JSON", href=f"/api/jobs/{JobPage.row['id']}", is_external=True),
                    size="1",
                    color_scheme="gray",
                    margin_top="8px",
                ),
            ),
        ),
    )


def _artifacts() -> rx.Component:
    return rx.cond(
        JobPage.artifacts.length() > 0,
        card(
            heading("Files"),
            rx.vstack(rx.foreach(JobPage.artifacts, _artifact), spacing="2"),
            width="100%",
            id="files",
        ),
    )


def _artifact(artifact: rx.Var[ArtifactRow]) -> rx.Component:
    return rx.hstack(
        rx.icon("paperclip", size=14),
        rx.link(artifact["name"], href=artifact["href"], is_external=True, size="2"),
        rx.text(artifact["size"], size="1", color_scheme="gray"),
        align="center",
        key=artifact["href"],
    )


def _follow() -> rx.Component:
    return card(
        heading(
            "Follow from a terminal",
            rx.icon_button(
                rx.icon("copy", size=14),
                variant="ghost",
                size="1",
                aria_label="Copy the command",
                on_click=[rx.set_clipboard(JobPage.follow_command), rx.toast.success("Copied.", id="copied")],
            ),
        ),
        rx.el.pre(JobPage.follow_command, style=MONO_BLOCK, tab_index=0),
        width="100%",
    )
