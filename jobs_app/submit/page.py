"""The form that starts a job, bound to its state: beside the dashboard's list, and as a dialog to run one again."""

import reflex as rx

from jobs_app.submit.form import kind_picker, start_form
from jobs_app.submit.state import KindChoice, StartForm
from jobs_app.ui.basics import card, heading, once
from runlane.kinds.catalogue import catalogue


def start_card() -> rx.Component:
    kinds = [KindChoice(name=kind.name, title=kind.title) for kind in catalogue()]
    return card(
        heading("Start a job"),
        _form(above=kind_picker(kinds, StartForm.kind, StartForm.description, StartForm.choose)),
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
        StartForm.filled,
        StartForm.type_in,
        StartForm.submit,
        StartForm.advanced,
        StartForm.editing != "",
        rx.flex(
            rx.button("Copy as curl", type="button", size="1", variant="ghost", on_click=StartForm.copy_curl),
            rx.button("Copy as Python", type="button", size="1", variant="ghost", on_click=StartForm.copy_python),
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
