"""The components of a page on which things are listed and edited: the list, its cards, the form, and the question.

``what`` is what one of them is called, such as "rule": it is in the words, and in the ids and attributes of the page.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import reflex as rx

from jobs_app.admin.editor.rows import Named
from jobs_app.live.effects import BoundHandler
from jobs_app.ui.basics import card, heading, once, question, small_button
from jobs_app.ui.kind_choice import Kinds, kind_choice
from jobs_app.ui.toolbar import choice

Row = rx.Var[dict[str, Any]]


def editable_list(rows: rx.Var[list[Any]], draw: Callable[[Row], rx.Component], nothing: str) -> rx.Component:
    """A card for each row; one with a sentence if there are none."""
    return rx.cond(
        rows.length() > 0,
        rx.vstack(rx.foreach(rows, draw), spacing="3", width="100%"),
        card(rx.text(nothing, size="2")),
    )


def editable(
    what: str,
    row: Row,
    *more: rx.Component,
    on_pause: BoundHandler,
    on_edit: BoundHandler,
    on_delete: BoundHandler,
    beside: Sequence[rx.Component] = (),
    actions: Sequence[rx.Component] = (),
) -> rx.Component:
    """The card of one row: its name, ``beside`` it, and what can be done with it; ``more`` is below."""
    return card(
        rx.flex(
            rx.heading(row["name"], as_="h2", size="3"),
            *beside,
            rx.cond(row["paused"], rx.badge("Paused", color_scheme="amber", high_contrast=True)),
            rx.spacer(),
            rx.cond(
                row["paused"],
                small_button("Resume", on_pause(row["id"], False)),
                small_button("Pause", on_pause(row["id"], True)),
            ),
            *actions,
            small_button("Edit", on_edit(row["id"])),
            small_button("Delete", on_delete(row["id"])),
            gap="8px",
            align="center",
            wrap="wrap",
        ),
        *more,
        key=row["id"],
        custom_attrs={f"data-{what}": row["name"]},
    )


@dataclass(frozen=True)
class Fields:
    """Draws the fields of a form: what it begins with, and what is wrong with it."""

    what: str
    form: rx.Var[dict[str, str]]
    errors: rx.Var[dict[str, str]]

    def text(self, name: str, label: str, help_text: rx.Var[str] | str = "", **props: object) -> rx.Component:
        given = {"name": name, "id": f"{self.what}-{name}", "default_value": self.form[name], "width": "100%"}
        return self._labelled(
            name, label, rx.input(aria_invalid=self.errors.contains(name), **given, **props), help_text
        )

    def choice(self, name: str, label: str, options: Iterable[tuple[str, str]], **props: object) -> rx.Component:
        field = choice(options, name=name, id=f"{self.what}-{name}", default_value=self.form[name], **props)
        return self._labelled(name, label, field, "")

    def kind(self, name: str, label: str, kinds: Kinds, **props: object) -> rx.Component:
        given = {"name": name, "id": f"{self.what}-{name}", "default_value": self.form[name]}
        return self._labelled(name, label, kind_choice(kinds, self.form[name], **given, **props), "")

    def _labelled(self, name: str, label: str, field: rx.Component, help_text: rx.Var[str] | str) -> rx.Component:
        """A field with its label above, and below what is wrong with it, else what it is for."""
        wrong = rx.text(
            self.errors[name], size="1", color_scheme="tomato", role="alert", id=f"{self.what}-error-{name}"
        )
        return rx.box(
            rx.el.label(label, html_for=f"{self.what}-{name}", class_name="small"),
            rx.box(field),
            rx.cond(self.errors.contains(name), wrong, rx.text(help_text, size="1", color_scheme="gray")),
            width="100%",
        )


def editor(
    what: str,
    *fields: rx.Component,
    editing: rx.Var[str],
    filled: rx.Var[int],
    on_submit: object,
    on_leave: object,
) -> rx.Component:
    """A card with a form that makes one, or changes the one that is edited; made again whenever it is filled."""
    leave = rx.button("Leave it as it is", type="button", variant="soft", color_scheme="gray", on_click=on_leave)
    return card(
        heading(rx.cond(editing == "", f"New {what}", f"Change the {what}")),
        rx.form(
            rx.vstack(
                *fields,
                rx.button(
                    rx.cond(editing == "", "Make it", "Change it"), type="submit", width="100%", custom_attrs=once()
                ),
                rx.cond(editing != "", leave),
                spacing="3",
                width="100%",
            ),
            on_submit=on_submit,
            key=filled.to_string(),
            no_validate=True,
        ),
        id=f"{what}-form",
    )


def list_and_editor(listed: rx.Component, editor: rx.Component) -> rx.Component:
    """Side by side where there is room."""
    return rx.grid(
        listed,
        editor,
        columns=rx.breakpoints(initial="minmax(0, 1fr)", lg="minmax(0, 1fr) 340px"),
        gap="16px",
        width="100%",
        align_items="start",
    )


def delete_dialog(
    what: str, pending: rx.Var[Named], consequence: str, on_delete: object, on_open_change: object
) -> rx.Component:
    """Ask before one is deleted. ``consequence`` follows its name."""
    return question(
        is_open=pending["id"] != "",
        title=f"Delete this {what}?",
        text=rx.fragment(f"The {what} ", rx.code(pending["name"]), f" {consequence}"),
        go="Delete",
        on_go=on_delete,
        on_open_change=on_open_change,
    )
