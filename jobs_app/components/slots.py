"""The lanes: one for each job that may run at once, who holds it, and what it does now."""

import reflex as rx

from jobs_app import routes
from jobs_app.components.basics import card, heading, mono, notice, one_line, progress_bar, ticking
from jobs_app.rows import Slot
from jobs_app.styles import TABULAR


def slots_panel(
    slots: rx.Var[list[Slot]],
    workers: rx.Var[int],
    paused: rx.Var[bool],
    waiting: rx.Var[int],
    on_pause: object,
    on_resume: object,
) -> rx.Component:
    return card(
        heading("Running now", rx.cond(paused, _resume(on_resume), _pause(on_pause))),
        rx.cond(
            paused,
            notice(
                f"The queue is paused: what runs goes on, nothing new starts. Waiting: {waiting}",
                icon="circle-pause",
                color="amber",
                margin_bottom="12px",
            ),
        ),
        rx.cond(
            workers == 0,
            notice(
                "No worker has been heard of, so nothing will run. Start one: python -m worker",
                icon="plug-zap",
                color="tomato",
                margin_bottom="12px",
            ),
        ),
        rx.grid(
            rx.foreach(slots, _slot),
            columns=rx.breakpoints(initial="1", sm="2", md="3", lg="5"),
            gap="12px",
            width="100%",
        ),
        id="slots",
    )


def _pause(on_pause: object) -> rx.Component:
    icon = rx.icon("pause", size=15)
    return rx.button(icon, "Pause", variant="soft", color_scheme="gray", on_click=on_pause)


def _resume(on_resume: object) -> rx.Component:
    return rx.button(rx.icon("play", size=15), "Resume", color_scheme="amber", on_click=on_resume)


def _slot(slot: rx.Var[Slot]) -> rx.Component:
    return rx.box(
        rx.cond(slot["id"] == "", _free(slot), _taken(slot)),
        key=slot["number"].to_string(),
        style={
            "border": rx.cond(slot["id"] == "", "1px dashed var(--gray-a5)", "1px solid var(--blue-a6)"),
            "background": rx.cond(slot["id"] == "", "transparent", "var(--blue-a2)"),
            "border_radius": "var(--radius-3)",
            "padding": "10px 12px",
            "min_width": "0",
        },
        min_height=rx.breakpoints(initial="0", sm="92px"),
        custom_attrs={"data-slot": slot["number"], "data-job": slot["id"]},
    )


def _free(slot: rx.Var[Slot]) -> rx.Component:
    return rx.center(
        rx.text("Slot ", slot["number"], " is free", size="1", color_scheme="gray"),
        height="100%",
        width="100%",
    )


def _taken(slot: rx.Var[Slot]) -> rx.Component:
    return rx.vstack(
        rx.hstack(
            rx.link(slot["title"], href=routes.job(slot["id"]), size="2", weight="medium"),
            mono(slot["short_id"], color_scheme="gray"),
            rx.spacer(),
            rx.text(ticking(slot["started_at"]), size="1", color_scheme="gray"),
            width="100%",
            align="center",
            spacing="2",
        ),
        one_line(
            rx.cond(slot["cancelling"], "Stopping: " + slot["message"], slot["message"]),
            size="2",
            width="100%",
        ),
        rx.hstack(
            progress_bar(slot["progress"], rx.cond(slot["cancelling"], "amber", "blue")),
            rx.text(slot["progress"], "%", size="1", style=TABULAR, width="36px", align="right"),
            width="100%",
            align="center",
            spacing="2",
        ),
        spacing="2",
        width="100%",
        align="start",
        min_width="0",
    )
