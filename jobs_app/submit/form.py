"""The form that starts a job, made from the kind's parameter model."""

import reflex as rx

from jobs_app.live.effects import BoundHandler
from jobs_app.submit.forms import FormField
from jobs_app.ui.basics import callout, once
from jobs_app.ui.kind_choice import Kinds, kind_menu

MESSAGE = {"size": "1", "margin_top": "3px"}


def start_form(
    fields: rx.Var[list[FormField]],
    errors: rx.Var[dict[str, str]],
    trouble: rx.Var[str],
    news: rx.Var[str],
    is_known: rx.Var[bool],
    filled: rx.Var[int],
    on_type: object,
    on_submit: object,
    advanced: rx.Var[dict[str, str]],
    is_edit: rx.Var[bool],
    *beside: rx.Component,
    above: rx.Component | None = None,
) -> rx.Component:
    """``above`` stands before the fields, ``beside`` below the button; ``is_edit``: of a job there is.

    ``news``: how the form has changed while it is open; ``is_known``: whether its kind can be started at all.
    """
    go = {"type": "submit", "width": "100%", "size": "3", "disabled": ~is_known}
    return rx.form(
        rx.vstack(
            above or rx.fragment(),
            rx.cond(news != "", callout(news, icon="refresh-cw", color="blue", id="form-news")),
            rx.foreach(fields, lambda field: _field(field, filled, errors, on_type)),
            _advanced(advanced, is_edit, errors, filled, on_type),
            rx.cond(trouble != "", callout(trouble, icon="triangle-alert", color="tomato")),
            rx.cond(
                is_edit,
                rx.button(rx.icon("check", size=15), "Save", custom_attrs=once(), **go),
                rx.fragment(
                    rx.button(rx.icon("play", size=15), "Start", custom_attrs=once(), **go),
                    *beside,
                ),
            ),
            spacing="3",
            width="100%",
        ),
        on_submit=on_submit,
        id="start-form",
        # the server's messages name the field and are clearer than the browser's own bubbles
        no_validate=True,
    )


def kind_picker(kinds: Kinds, kind: rx.Var[str], description: rx.Var[str], on_choose: BoundHandler) -> rx.Component:
    return rx.box(
        _label("Kind", "kind"),
        kind_menu(kinds, kind, on_choose, id="kind", aria_label="Kind"),
        rx.text(description, size="1", color_scheme="gray", margin_top="4px"),
        width="100%",
    )


def _field(
    field: rx.Var[FormField], filled: rx.Var[int], errors: rx.Var[dict[str, str]], on_type: BoundHandler
) -> rx.Component:
    name = field["name"]
    wrong = errors.contains(name)
    about: dict[str, object] = {
        "name": name,
        "id": "field-" + name,
        "default_value": field["default"],
        "aria_invalid": wrong,
        "aria_describedby": "about-" + name,
        "width": "100%",
    }
    typed = {"on_change": lambda text: on_type(name, text).debounce(200)}
    return rx.box(
        rx.cond(field["group"] != "", rx.text(field["group"], size="2", weight="bold", margin_bottom="6px")),
        _label(field["label"], "field-" + name),
        rx.match(
            field["input"],
            (
                "switch",
                rx.box(
                    rx.switch(
                        name=name,
                        id="field-" + name,
                        default_checked=field["default"] == "true",
                        on_change=lambda on: on_type(name, on),
                    )
                ),
            ),
            (
                "choice",
                rx.select(
                    field["choices"],
                    name=name,
                    default_value=field["default"],
                    width="100%",
                    on_change=lambda choice: on_type(name, choice),
                ),
            ),
            ("json", rx.text_area(**about, **typed, rows="3", placeholder="JSON")),
            ("lines", rx.text_area(**about, **typed, rows="3", placeholder="one a line")),
            (
                "secret",
                rx.input(
                    **about,
                    **typed,
                    type="password",
                    auto_complete="off",
                    placeholder=rx.cond(field["kept"], "stays as it is", ""),
                ),
            ),
            (
                "number",
                rx.input(
                    **about, **typed, type="number", min=field["minimum"], max=field["maximum"], step=field["step"]
                ),
            ),
            rx.input(**about, **typed),
        ),
        _message(name, wrong, errors, field["help"]),
        key=filled.to_string() + name + "." + field["revision"].to_string(),
        width="100%",
    )


def _advanced(
    begin: rx.Var[dict[str, str]],
    is_edit: rx.Var[bool],
    errors: rx.Var[dict[str, str]],
    filled: rx.Var[int],
    on_type: object,
) -> rx.Component:
    """What holds for a job of any kind."""
    inputs: tuple[tuple[str, str, str, dict[str, object]], ...] = (
        ("priority", "Priority", "Higher first; 0 is usual.", {"type": "number", "step": "1"}),
        ("delay_s", "Start in … seconds", "", {"type": "number", "min": "0", "step": "any"}),
        ("scheduled_for", "Start at (UTC)", "", {"type": "datetime-local", "step": "1"}),
        ("max_attempts", "Attempts", "How often it is tried; empty: as its kind says.", {"type": "number", "min": "1"}),
    )
    return rx.el.details(
        rx.el.summary("Advanced"),
        rx.vstack(
            *[
                rx.cond(is_edit, rx.fragment(), field) if name == "delay_s" else field
                for name, field in (
                    (name, _advanced_field(f"advanced.{name}", label, help_text, begin[name], errors, on_type, more))
                    for name, label, help_text, more in inputs
                )
            ],
            spacing="3",
            margin_top="8px",
        ),
        key=filled.to_string(),
        style={"font_size": "var(--font-size-2)", "width": "100%"},
    )


def _advanced_field(
    name: str,
    label: str,
    help_text: str,
    begin: rx.Var[str],
    errors: rx.Var[dict[str, str]],
    on_type: BoundHandler,
    more: dict[str, object],
) -> rx.Component:
    wrong = errors.contains(name)
    return rx.box(
        _label(label, f"field-{name}"),
        rx.input(
            name=name,
            id=f"field-{name}",
            default_value=begin,
            aria_invalid=wrong,
            aria_describedby=f"about-{name}",
            on_change=lambda text: on_type(name, text).debounce(200),
            width="100%",
            **more,
        ),
        _message(name, wrong, errors, help_text),
        width="100%",
    )


def _message(
    name: rx.Var[str] | str, wrong: rx.Var[bool], errors: rx.Var[dict[str, str]], help_text: rx.Var[str] | str
) -> rx.Component:
    """What is wrong with the field, else what it is for."""
    return rx.box(
        rx.cond(
            wrong,
            rx.text(errors[name], color_scheme="tomato", role="alert", id=f"error-{name}", **MESSAGE),
            rx.text(help_text, color_scheme="gray", **MESSAGE),
        ),
        id=f"about-{name}",
    )


def _label(text: rx.Var[str] | str, html_for: rx.Var[str] | str) -> rx.Component:
    return rx.el.label(
        text, html_for=html_for, style={"display": "block", "font_size": "var(--font-size-2)", "font_weight": "500"}
    )
