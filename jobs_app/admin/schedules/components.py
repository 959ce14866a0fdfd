"""The list of schedules, the form that makes or changes one, and the question before one is deleted."""

import reflex as rx

from jobs_app import routes
from jobs_app.rows import ScheduleRow
from jobs_app.ui.basics import ago, card, editor, labelled, mono, question, small_button, status_badge
from jobs_app.ui.styles import TABULAR
from runlane.kinds.catalogue import catalogue

CATCH_UP = {"skip": "skip them", "once": "make one job for all"}


def schedule_list(
    schedules: rx.Var[list[ScheduleRow]], on_pause: object, on_run: object, on_edit: object, on_delete: object
) -> rx.Component:
    return rx.cond(
        schedules.length() > 0,
        rx.vstack(
            rx.foreach(schedules, lambda schedule: _schedule(schedule, on_pause, on_run, on_edit, on_delete)),
            spacing="3",
            width="100%",
        ),
        card(rx.text("No schedules yet. The form makes one: jobs of a kind, again and again.", size="2")),
    )


def _schedule(
    schedule: rx.Var[ScheduleRow], on_pause: object, on_run: object, on_edit: object, on_delete: object
) -> rx.Component:
    schedule_id = schedule["id"]
    return card(
        rx.flex(
            rx.heading(schedule["name"], as_="h2", size="3"),
            rx.text(schedule["title"], size="2", color_scheme="gray"),
            mono(
                schedule["timing"] + rx.cond(schedule["timing"].startswith("every"), " s", " " + schedule["timezone"]),
                color_scheme="gray",
            ),
            rx.cond(schedule["paused"], rx.badge("Paused", color_scheme="amber", high_contrast=True)),
            rx.spacer(),
            rx.cond(
                schedule["paused"],
                small_button("Resume", on_pause(schedule_id, False)),
                small_button("Pause", on_pause(schedule_id, True)),
            ),
            small_button("Run now", on_run(schedule_id)),
            small_button("Edit", on_edit(schedule_id)),
            small_button("Delete", on_delete(schedule_id)),
            gap="8px",
            align="center",
            wrap="wrap",
        ),
        rx.flex(
            rx.text("Next: ", size="2", weight="medium"),
            rx.cond(schedule["is_due"], rx.text("now, as soon as a worker sees to it", size="2", color_scheme="gray")),
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
        key=schedule_id,
        custom_attrs={"data-schedule": schedule["name"]},
    )


def schedule_form(
    form: rx.Var[dict[str, str]],
    filled: rx.Var[int],
    editing: rx.Var[str],
    errors: rx.Var[dict[str, str]],
    next_times: rx.Var[list[str]],
    on_type: object,
    on_submit: object,
    on_leave: object,
) -> rx.Component:
    """Makes a schedule, or changes the one that is edited; tells its next times while one types."""
    kinds = [rx.el.option(kind.title, value=kind.name) for kind in catalogue()]
    catch_up = [rx.el.option(label, value=name) for name, label in CATCH_UP.items()]

    def text(name: str, label: str, help_text: str = "") -> rx.Component:
        field = rx.input(
            name=name,
            id=f"schedule-{name}",
            default_value=form[name],
            aria_invalid=errors.contains(name),
            on_change=lambda typed: on_type(name, typed).debounce(150),
            width="100%",
        )
        return labelled("schedule", label, field, errors, name, help_text)

    def choice(name: str, label: str, options: list[rx.Component]) -> rx.Component:
        field = rx.el.select(
            *options,
            name=name,
            id=f"schedule-{name}",
            default_value=form[name],
            class_name="select",
            on_change=lambda chosen: on_type(name, chosen),
        )
        return labelled("schedule", label, field, errors, name, "")

    return editor(
        "schedule",
        text("name", "Name"),
        choice("kind", "Kind of job", kinds),
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
        choice("catch_up", "Runs missed while nothing ran", catch_up),
        editing=editing,
        filled=filled,
        on_submit=on_submit,
        on_leave=on_leave,
    )


def delete_schedule_dialog(doomed: rx.Var[ScheduleRow], on_delete: object, on_open_change: object) -> rx.Component:
    return question(
        is_open=doomed["id"] != "",
        title="Delete this schedule?",
        text=rx.fragment("The schedule ", rx.code(doomed["name"]), " makes no more jobs. Those it made stay."),
        go="Delete",
        on_go=on_delete,
        on_open_change=on_open_change,
    )


def _time(at: rx.Var[str]) -> rx.Component:
    return rx.text(rx.moment(at, format="ddd D MMM HH:mm:ss"), as_="span", size="2", style=TABULAR, title=at)
