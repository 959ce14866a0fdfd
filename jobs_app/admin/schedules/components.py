"""The list of schedules, and the form that makes or changes one."""

import reflex as rx

from jobs_app import routes
from jobs_app.admin.editor.components import Fields, editable, editable_list, editor
from jobs_app.admin.schedules.rows import ScheduleRow
from jobs_app.live.effects import BoundHandler
from jobs_app.ui.basics import ago, mono, small_button, status_badge
from jobs_app.ui.kind_choice import Kinds
from jobs_app.ui.styles import TABULAR

CATCH_UP = {"skip": "skip them", "once": "make one job for all"}


def schedule_list(
    schedules: rx.Var[list[ScheduleRow]], on_pause: object, on_run: BoundHandler, on_edit: object, on_delete: object
) -> rx.Component:
    def draw(schedule: rx.Var[ScheduleRow]) -> rx.Component:
        unit = rx.cond(schedule["timing"].startswith("every"), " s", " " + schedule["timezone"])
        return editable(
            "schedule",
            schedule,
            rx.flex(
                rx.text("Next: ", size="2", weight="medium"),
                rx.cond(
                    schedule["is_due"], rx.text("now, as soon as a worker sees to it", size="2", color_scheme="gray")
                ),
                rx.cond(
                    schedule["next"].length() > 0,
                    rx.foreach(schedule["next"], _time),
                    rx.text("none while it is paused", size="2", color_scheme="gray"),
                ),
                gap="12px",
                wrap="wrap",
                margin_top="8px",
            ),
            rx.cond(
                schedule["last"].length() > 0,
                rx.flex(
                    rx.text("Last:", size="2", weight="medium"),
                    rx.foreach(
                        schedule["last"],
                        lambda job: rx.flex(
                            rx.link(mono(job["short_id"]), href=routes.job(job["id"])),
                            status_badge(job["status"]),
                            gap="6px",
                            align="center",
                        ),
                    ),
                    rx.cond(schedule["last_at"] != "", rx.text("due ", ago(schedule["last_at"]), size="2")),
                    gap="12px",
                    wrap="wrap",
                    margin_top="6px",
                ),
            ),
            beside=[
                rx.text(schedule["title"], size="2", color_scheme="gray"),
                mono(schedule["timing"] + unit, color_scheme="gray"),
            ],
            actions=[small_button("Run now", on_run(schedule["id"]))],
            on_pause=on_pause,
            on_edit=on_edit,
            on_delete=on_delete,
        )

    return editable_list(schedules, draw, "No schedules yet. The form makes one: jobs of a kind, again and again.")


def schedule_form(
    form: rx.Var[dict[str, str]],
    kinds: Kinds,
    filled: rx.Var[int],
    editing: rx.Var[str],
    errors: rx.Var[dict[str, str]],
    next_times: rx.Var[list[str]],
    on_type: BoundHandler,
    on_submit: object,
    on_leave: object,
) -> rx.Component:
    """Makes a schedule, or changes the one that is edited; shows its next times while one types."""
    fields = Fields("schedule", form, errors)

    def text(name: str, label: str, help_text: str = "") -> rx.Component:
        return fields.text(name, label, help_text, on_change=lambda typed: on_type(name, typed).debounce(150))

    def choice(name: str, label: str, options: list[tuple[str, str]]) -> rx.Component:
        return fields.choice(name, label, options, on_change=lambda chosen: on_type(name, chosen))

    return editor(
        "schedule",
        text("name", "Name"),
        fields.kind("kind", "Kind of job", kinds, on_change=lambda chosen: on_type("kind", chosen)),
        text("timing", "When", "Minute, hour, day, month, weekday; or: every 90, in seconds."),
        text("timezone", "Time zone", "Such as Europe/Berlin."),
        rx.box(
            rx.text("Next times", size="2", weight="medium"),
            rx.foreach(next_times, lambda at: rx.box(_time(at))),
            min_height="120px",
            id="schedule-next",
        ),
        text("params", "Parameters", "As JSON; what is not named is as usual."),
        text("priority", "Priority", "Higher first."),
        text("max_attempts", "Attempts", "Empty: as many as the kind says."),
        choice("catch_up", "Runs missed while nothing ran", list(CATCH_UP.items())),
        editing=editing,
        filled=filled,
        on_submit=on_submit,
        on_leave=on_leave,
    )


def _time(at: rx.Var[str]) -> rx.Component:
    return rx.text(rx.moment(at, format="ddd D MMM HH:mm:ss"), as_="span", size="2", style=TABULAR, title=at)
