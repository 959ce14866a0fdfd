"""The lanes: one for each job that may run at once, who holds it, and what it does now."""

import reflex as rx

from jobs_app import routes
from jobs_app.dashboard.slots.rows import Next, Slot
from jobs_app.ui.basics import callout, card, heading, mono, one_line, progress_bar, ticking
from jobs_app.ui.styles import ONE_LINE, TABULAR


def slots_panel(
    slots: rx.Var[list[Slot]],
    workers: rx.Var[int],
    paused: rx.Var[bool],
    waiting: rx.Var[int],
    scheduled: rx.Var[int],
    upcoming: rx.Var[list[Next]],
    on_pause: object,
    on_resume: object,
) -> rx.Component:
    return card(
        heading("Running now", rx.cond(paused, _resume(on_resume), _pause(on_pause))),
        rx.cond(
            paused,
            callout(
                f"The queue is paused: what runs goes on, nothing new starts. Waiting: {waiting}",
                icon="circle-pause",
                color="amber",
                margin_bottom="12px",
            ),
        ),
        rx.cond(
            workers == 0,
            callout(
                "No worker takes jobs, so nothing more will start. Start one: python -m worker",
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
        _upcoming(upcoming, waiting, scheduled, _when_any(paused, workers)),
        id="slots",
    )


def _when_any(paused: rx.Var[bool], workers: rx.Var[int]) -> rx.Var[str]:
    """What must happen before any job starts; empty if nothing must."""
    return rx.cond(paused, "when the queue goes on", rx.cond(workers == 0, "when a worker takes jobs", ""))


def _upcoming(
    upcoming: rx.Var[list[Next]],
    waiting: rx.vars.NumberVar[int],
    scheduled: rx.vars.NumberVar[int],
    when_any: rx.Var[str],
) -> rx.Component:
    """What starts next, and when about; of always the same height, so that nothing below it jumps."""
    return rx.flex(
        rx.cond(
            upcoming.length() > 0,
            rx.fragment(
                rx.text("Next", size="1", weight="medium"),
                rx.foreach(upcoming, lambda job: _next(job, when_any)),
            ),
            rx.text(
                rx.cond(waiting > 0, f"Waiting for a slot: {waiting}.", "Nothing waits for a slot."),
                rx.cond(scheduled > 0, f" Scheduled for later: {scheduled}.", ""),
                size="1",
                color_scheme="gray",
            ),
        ),
        gap="12px",
        align="center",
        wrap="wrap",
        margin_top="12px",
        min_height="20px",
        id="next",
    )


def _next(job: rx.Var[Next], when_any: rx.Var[str]) -> rx.Component:
    when = rx.cond(
        when_any != "",
        when_any,
        rx.cond(
            job["now"],
            "any moment",  # it is due by the estimate; the slot may still be busy
            rx.cond(
                job["starts_at"] == "",
                job["waits_for"],
                rx.moment(job["starts_at"], from_now=True, interval=1000),
            ),
        ),
    )
    return rx.text(
        rx.link(
            rx.el.span(job["title"], class_name="next-title"), " ", mono(job["short_id"]), href=routes.job(job["id"])
        ),
        " ",
        rx.text(when, as_="span", color_scheme="gray"),
        size="1",
        key=job["id"],
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
        min_height=rx.breakpoints(initial="0", sm="136px"),
        custom_attrs={"data-slot": slot["number"], "data-job": slot["id"]},
    )


def _free(slot: rx.Var[Slot]) -> rx.Component:
    return rx.center(
        rx.text("Slot ", slot["number"], " is free", size="1", color_scheme="gray"),
        height="100%",
        width="100%",
    )


def _marks(slot: rx.Var[Slot]) -> rx.Component:
    """How long it usually takes, and what is unusual about it."""
    return rx.hstack(
        rx.text(
            rx.cond(slot["usually"] != "", "usually " + slot["usually"], ""),
            rx.cond((slot["usually"] != "") & (slot["ends_at"] != ""), ", ", ""),
            rx.cond(slot["ends_at"] != "", rx.fragment("until ", rx.moment(slot["ends_at"], format="HH:mm:ss")), ""),
            rx.cond((slot["usually"] == "") & (slot["ends_at"] == ""), "no estimate yet", ""),
            size="1",
            color_scheme="gray",
            white_space="nowrap",
        ),
        rx.cond(slot["slow"], rx.badge("unusually slow", color_scheme="amber", high_contrast=True, size="1")),
        rx.cond(
            slot["silent_since"] != "",
            rx.badge("silent for ", ticking(slot["silent_since"]), color_scheme="amber", high_contrast=True, size="1"),
        ),
        spacing="2",
        wrap="wrap",
        align="center",
        style=TABULAR,
    )


def _taken(slot: rx.Var[Slot]) -> rx.Component:
    return rx.vstack(
        rx.hstack(
            rx.link(
                slot["title"],
                href=routes.job(slot["id"]),
                size="2",
                weight="medium",
                style=ONE_LINE,
                title=slot["title"],
            ),
            rx.cond(slot["of_kind"] == "", mono(slot["short_id"], color_scheme="gray")),
            rx.spacer(),
            rx.text(ticking(slot["started_at"]), size="1", color_scheme="gray"),
            width="100%",
            align="center",
            spacing="2",
        ),
        rx.cond(
            slot["of_kind"] != "",
            rx.hstack(
                one_line(slot["of_kind"], size="1", color_scheme="gray"),
                mono(slot["short_id"], color_scheme="gray"),
                width="100%",
                align="center",
                spacing="2",
            ),
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
        _marks(slot),
        spacing="2",
        width="100%",
        align="start",
        min_width="0",
    )
