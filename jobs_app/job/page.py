"""One job: its timeline as it grows, and everything that is known about it."""

import reflex as rx

from jobs_app import routes
from jobs_app.dashboard.page import job_questions
from jobs_app.job.about import about_job, tree_card
from jobs_app.job.actions import Actions
from jobs_app.job.live_state import LiveJob
from jobs_app.job.state import JobPage
from jobs_app.job.timeline.components import lanes, live_lines, replay_bar, running_for, timeline, timeline_tools
from jobs_app.job.timeline.state import MAX_LINES, Timeline
from jobs_app.job.tree.state import Trees
from jobs_app.live.effects import trigger
from jobs_app.live.state import Live
from jobs_app.page_frame import page
from jobs_app.submit.page import again_dialog
from jobs_app.submit.state import StartForm
from jobs_app.ui.basics import (
    card,
    heading,
    icon_button,
    mono,
    once,
    progress_bar,
    status_badge,
    status_color,
    ticking,
)
from jobs_app.ui.job_rows import Hot
from jobs_app.ui.styles import MONO_BLOCK, TABULAR
from runlane.model.status import JobStatus


def job_page() -> rx.Component:
    return page(
        rx.hstack(
            rx.link(
                rx.hstack(rx.icon("arrow-left", size=15), "All jobs", spacing="1", align="center"),
                href=routes.DASHBOARD + JobPage.list_address,
                size="2",
            ),
            rx.spacer(),
            _neighbour("Previous", "chevron-left", JobPage.newer),
            _neighbour("Next", "chevron-right", JobPage.older),
            align="center",
            spacing="3",
        ),
        rx.cond(JobPage.found, _job(), _absent()),
        dialogs=rx.fragment(job_questions(), again_dialog()),
        icon=JobPage.tab_icon,
    )


def _neighbour(label: str, icon: str, href: rx.Var[str]) -> rx.Component:
    """The job before or after this one in the list it was opened from."""
    return rx.cond(
        href != "",
        rx.link(rx.hstack(rx.icon(icon, size=15), label, spacing="1", align="center"), href=href, size="2"),
        rx.text(label, size="2", color="var(--gray-11)"),
    )


def _absent() -> rx.Component:
    return rx.center(
        rx.cond(
            JobPage.trouble == "",
            rx.spinner(size="3"),
            rx.vstack(
                rx.icon("search-x", size=28, color="var(--gray-8)"),
                rx.heading("This job cannot be shown", as_="h1", size="4"),
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
            rx.vstack(_progress(now), _proof(now), _error(), _timeline(now), spacing="4", width="100%", min_width="0"),
            about_job(),
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
            rx.heading(JobPage.row["title"], as_="h1", size="6", class_name="anywhere"),
            rx.cond(
                JobPage.row["of_kind"] != "", rx.text(JobPage.row["of_kind"], size="2", color_scheme="gray", id="kind")
            ),
            mono(JobPage.row["short_id"], color_scheme="gray"),
            status_badge(now["status"], now["cancelling"]),
            align="center",
            spacing="3",
            wrap="wrap",
        ),
        rx.spacer(),
        rx.flex(
            _notify_button(),
            rx.button(
                rx.icon("git-compare", size=15),
                "Compare",
                variant="soft",
                color_scheme="gray",
                on_click=rx.redirect(routes.compare(job_id)),
            ),
            rx.button(
                rx.icon("copy-plus", size=15),
                "Run again",
                variant="soft",
                color_scheme="gray",
                on_click=trigger(StartForm.again, job_id),
            ),
            _action("Edit", "pencil", "gray", trigger(StartForm.edit, job_id), now, "scheduled", "queued"),
            _action("Start now", "play", "indigo", trigger(Actions.promote, job_id), now, "scheduled"),
            _action("Move to front", "arrow-up-to-line", "gray", trigger(Actions.move_to_front, job_id), now, "queued"),
            _action(
                "Cancel",
                "circle-stop",
                "amber",
                trigger(Actions.cancel, job_id),
                now,
                "scheduled",
                "queued",
                "running",
            ),
            _action("Retry", "rotate-ccw", "indigo", trigger(Actions.retry, job_id), now, "failed", "cancelled"),
            _action(
                "Delete",
                "trash-2",
                "tomato",
                trigger(Actions.ask_delete, job_id),
                now,
                *(s.value for s in JobStatus if s is not JobStatus.RUNNING),
            ),
            gap="8px",
            wrap="wrap",
        ),
        width="100%",
        wrap="wrap",
        gap="12px",
        align="center",
    )


def _notify_button() -> rx.Component:
    """Asks for a notification when the job ends; only while it has not."""
    button = rx.icon_button(
        rx.cond(JobPage.notify_at_end, rx.icon("bell-ring", size=15), rx.icon("bell", size=15)),
        variant="soft",
        color_scheme=rx.cond(JobPage.notify_at_end, "indigo", "gray"),
        title="Tell me when it ends",
        aria_label="Tell me when it ends",
        aria_pressed=JobPage.notify_at_end,
        on_click=JobPage.toggle_notification,
    )
    waits_or_runs = [(s.value, button) for s in JobStatus if not s.is_terminal]
    return rx.match(JobPage.row["live"]["status"], *waits_or_runs, rx.fragment())


def _action(label: str, icon: str, color: str, on_click: object, now: rx.Var[Hot], *statuses: str) -> rx.Component:
    button = rx.button(
        rx.icon(icon, size=15),
        label,
        variant="soft",
        high_contrast=True,
        color_scheme=color,
        on_click=on_click,
        custom_attrs=once(),
    )
    return rx.match(now["status"], *[(status, button) for status in statuses], rx.fragment())


def _progress(now: rx.Var[Hot]) -> rx.Component:
    waits = (now["status"] == JobStatus.QUEUED.value) & (JobPage.waits_for != "")
    text = rx.cond(waits, JobPage.waits_for, now["message"])
    return card(
        rx.hstack(
            rx.text(text, weight="medium", style={"overflow_wrap": "anywhere"}, id="step"),
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


def _timeline(now: rx.Var[Hot]) -> rx.Component:
    live = live_lines(LiveJob.tail, Timeline.loaded_version, Timeline.show, Timeline.search, Timeline.attempt)
    lasts_s = rx.cond(now["status"] == JobStatus.RUNNING.value, running_for(now["started_at"], Live.confirmed_at), 0.0)
    lasts_s = rx.cond(lasts_s > LiveJob.elapsed_s, lasts_s, LiveJob.elapsed_s)
    span_s = lasts_s * 1.04  # with room for the step that has just begun
    ended = rx.match(JobPage.row["live"]["status"], *[(s.value, True) for s in JobStatus if s.is_terminal], False)
    return card(
        heading("Timeline"),
        lanes(Timeline.lanes, Timeline.attempt, Timeline.choose_attempt),
        timeline_tools(
            Timeline.show,
            Timeline.search,
            Timeline.follow,
            Timeline.narrow,
            Timeline.find,
            Timeline.set_following,
            Timeline.copy,
            f"/api/jobs/{JobPage.row['id']}/log",
        ),
        rx.cond(
            ended & (Timeline.span_s > 0),
            replay_bar(
                Timeline.replay_s,
                Timeline.span_s,
                Timeline.replaying,
                Timeline.playing,
                Timeline.replay_step,
                Timeline.replay_progress,
                Timeline.replay_to,
                Timeline.play,
                Timeline.pause,
                Timeline.end_replay,
            ),
        ),
        rx.cond(
            Timeline.at_limit,
            rx.text(
                f"Older lines than the newest {MAX_LINES:,} are neither shown nor searched here; Log has them all.",
                size="2",
                color_scheme="gray",
            ),
            rx.cond(
                Timeline.earlier,
                rx.button("Show earlier lines", size="1", variant="ghost", on_click=Timeline.show_earlier),
            ),
        ),
        rx.cond(
            (Timeline.blocks.length() == 0) & (live.length() == 0),
            rx.text("No line matches.", size="2", color_scheme="gray"),
        ),
        timeline(
            Timeline.blocks,
            live,
            LiveJob.ended,
            rx.cond(span_s > Timeline.span_s, span_s, Timeline.span_s),
            Timeline.follow,
            rx.cond(Timeline.replaying, Timeline.replay_s, -1.0),
        ),
        width="100%",
    )


def _proof(now: rx.Var[Hot]) -> rx.Component:
    """A cancel, stage by stage; that a handler has not stopped is a state of its own."""
    return rx.cond(
        JobPage.proof.length() > 0,
        card(
            heading("Cancel"),
            rx.el.ol(
                rx.foreach(
                    JobPage.proof,
                    lambda stage: rx.el.li(
                        rx.cond(
                            stage["at"] != "",
                            rx.icon("circle-check", size=15, color="var(--grass-9)"),
                            rx.icon("circle-dashed", size=15, color="var(--gray-8)"),
                        ),
                        rx.text(stage["label"], size="2"),
                        rx.text(stage["since"], size="1", color_scheme="gray", style=TABULAR, title=stage["at"]),
                        key=stage["label"],
                    ),
                ),
                class_name="proof",
            ),
            rx.cond(
                now["cancelling"],
                rx.text(
                    "Has not stopped for ",
                    ticking(JobPage.proof[0]["at"]),
                    ". After its grace time it is given up.",
                    size="2",
                    color_scheme="amber",
                    margin_top="8px",
                ),
            ),
            id="proof",
        ),
    )


def _error() -> rx.Component:
    return rx.cond(
        Trees.rows.contains("error"),
        rx.vstack(
            tree_card("Error", "error"),
            rx.cond(
                JobPage.frames.length() > 0,
                card(
                    heading("Traceback", icon_button("copy", "Copy the traceback", JobPage.copy_trace)),
                    rx.el.pre(
                        rx.foreach(
                            JobPage.frames,
                            lambda frame: rx.el.span(
                                frame["text"] + "\n", class_name=rx.cond(frame["ours"], "frame-ours", "frame-theirs")
                            ),
                        ),
                        style=MONO_BLOCK,
                        id="traceback",
                        tab_index=0,
                    ),
                ),
            ),
            spacing="4",
            width="100%",
        ),
    )
