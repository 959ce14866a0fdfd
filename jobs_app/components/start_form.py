"""The form that starts a job, made from the kind's parameter model."""

import reflex as rx

from jobs_app.components.basics import card, heading, notice
from jobs_app.forms import FormField
from jobs_app.state.start import KindChoice


def start_form(
    kinds: list[KindChoice],
    kind: rx.Var[str],
    description: rx.Var[str],
    fields: rx.Var[list[FormField]],
    errors: rx.Var[dict[str, str]],
    trouble: rx.Var[str],
    on_choose: object,
    on_submit: object,
) -> rx.Component:
    return card(
        heading("Start a job"),
        rx.form(
            rx.vstack(
                rx.box(
                    _label("Kind", "kind"),
                    rx.select.root(
                        rx.select.trigger(id="kind", width="100%", aria_label="Kind"),
                        rx.select.content(*[rx.select.item(k["title"], value=k["name"]) for k in kinds]),
                        value=kind,
                        on_change=on_choose,
                    ),
                    rx.text(description, size="1", color_scheme="gray", margin_top="4px"),
                    width="100%",
                ),
                rx.foreach(fields, lambda field: _field(field, kind, errors)),
                rx.cond(trouble != "", notice(trouble, icon="triangle-alert", color="tomato")),
                rx.button(rx.icon("play", size=15), "Start", type="submit", width="100%", size="3"),
                spacing="3",
                width="100%",
            ),
            on_submit=on_submit,
            id="start-form",
            # the server's messages name the field and say more than the browser's own bubbles
            no_validate=True,
        ),
    )


def _field(field: rx.Var[FormField], kind: rx.Var[str], errors: rx.Var[dict[str, str]]) -> rx.Component:
    name = field["name"]
    wrong = errors.contains(name)
    return rx.box(
        _label(field["label"], "field-" + name),
        rx.match(
            field["input"],
            (
                "switch",
                rx.box(rx.switch(name=name, id="field-" + name, default_checked=field["default"] == "true")),
            ),
            ("choice", rx.select(field["choices"], name=name, default_value=field["default"], width="100%")),
            ("json", rx.text_area(name=name, id="field-" + name, default_value=field["default"], rows="3")),
            (
                "number",
                rx.input(
                    name=name,
                    id="field-" + name,
                    type="number",
                    default_value=field["default"],
                    min=field["minimum"],
                    max=field["maximum"],
                    step=field["step"],
                    aria_invalid=wrong,
                    width="100%",
                ),
            ),
            rx.input(
                name=name,
                id="field-" + name,
                default_value=field["default"],
                aria_invalid=wrong,
                width="100%",
            ),
        ),
        rx.cond(
            wrong,
            rx.text(
                errors[name],
                size="1",
                color_scheme="tomato",
                role="alert",
                id="error-" + name,
                margin_top="3px",
            ),
            rx.text(field["help"], size="1", color_scheme="gray", margin_top="3px"),
        ),
        key=kind + ":" + name,
        width="100%",
    )


def _label(text: rx.Var[str] | str, html_for: rx.Var[str] | str) -> rx.Component:
    return rx.el.label(
        text, html_for=html_for, style={"display": "block", "font_size": "var(--font-size-2)", "font_weight": "500"}
    )
