"""The form that starts a job, bound to its state: beside the dashboard's list, and as a dialog to run one again."""

import reflex as rx

from jobs_app.live.state import Live
from jobs_app.submit.form import kind_picker, start_form
from jobs_app.submit.state import StartForm
from jobs_app.ui.basics import card, heading, once
from jobs_app.ui.styles import MONO_BLOCK


def start_card() -> rx.Component:
    picker = kind_picker(Live.kinds, StartForm.kind, StartForm.description, StartForm.choose)
    return card(
        heading("Start a job"),
        # a form that a person is filling stays, even if the last kind goes
        rx.cond(
            (Live.kinds.length() == 0) & (StartForm.fields.length() == 0),
            rx.cond(Live.kinds_version > 0, _no_kinds()),
            _form(above=picker),
        ),
        id="start",
    )


def _no_kinds() -> rx.Component:
    return rx.box(
        rx.text("No worker has brought a job yet. Start one with your jobs, or with the examples:", size="2"),
        rx.el.pre("runlane worker my_jobs\nrunlane worker", style={**MONO_BLOCK, "margin": "10px 0"}, tab_index=0),
        rx.text("This form has them a second later.", size="2", color_scheme="gray"),
        id="no-kinds",
    )


def again_dialog() -> rx.Component:
    """Runs a job again, with its parameters as they were or edited; or edits one that waits."""
    return rx.dialog.root(
        rx.dialog.content(
            rx.dialog.title(rx.cond(StartForm.editing != "", "Edit the job", "Run again")),
            rx.dialog.description(
                rx.cond(
                    StartForm.editing != "",
                    "It waits with what it has now, until it starts; priority, time and attempts are under Advanced.",
                    "A new job with these parameters; it stays linked to the one it comes from.",
                ),
                size="2",
            ),
            rx.box(_form(), margin_top="12px"),
            rx.dialog.close(rx.button("Close", variant="soft", color_scheme="gray", width="100%", margin_top="8px")),
            max_width="480px",
        ),
        open=(StartForm.rerun_of != "") | (StartForm.editing != ""),
        on_open_change=StartForm.close,
    )


def _form(above: rx.Component | None = None) -> rx.Component:
    return start_form(
        StartForm.fields,
        StartForm.errors,
        StartForm.trouble,
        StartForm.news,
        StartForm.is_known,
        StartForm.filled,
        StartForm.type_in,
        StartForm.submit,
        StartForm.advanced,
        StartForm.editing != "",
        rx.flex(
            rx.button("Copy as curl", type="button", size="1", variant="ghost", on_click=StartForm.copy_curl),
            rx.button("Copy as Python", type="button", size="1", variant="ghost", on_click=StartForm.copy_python),
            rx.button("Copy as CLI", type="button", size="1", variant="ghost", on_click=StartForm.copy_command),
            rx.spacer(),
            rx.cond(
                StartForm.repeatable,
                rx.button(
                    "Repeat last",
                    type="button",
                    size="1",
                    variant="ghost",
                    on_click=StartForm.repeat,
                    custom_attrs=once(),
                ),
            ),
            gap="14px",
            wrap="wrap",
            width="100%",
        ),
        above=above,
    )
