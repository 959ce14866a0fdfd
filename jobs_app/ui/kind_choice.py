"""A choice of one of the kinds that workers have brought, which a page knows from its state alone.

A menu by groups; with more than ``MANY_KINDS``, a field that completes what one types to the name of a kind.
"""

from collections.abc import Callable

import reflex as rx
from reflex.vars import var_operation, var_operation_return

from jobs_app.live.kind_rows import MANY_KINDS, KindChoice, KindGroup

Kinds = rx.Var[list[KindGroup]]


@var_operation
def are_many(kinds: Kinds) -> object:
    """Whether there are more kinds than a menu can hold."""
    number = f"{kinds}.reduce((sum, group) => sum + group.kinds.length, 0)"
    return var_operation_return(f"({number} > {MANY_KINDS})", var_type=bool)


@var_operation
def has_kind(kinds: Kinds, name: rx.Var[str]) -> object:
    """Whether a kind of this name is among them."""
    return var_operation_return(f"{kinds}.some(group => group.kinds.some(kind => kind.name === {name}))", var_type=bool)


def kind_choice(kinds: Kinds, current: rx.Var[str], *, nothing: str = "", **props: object) -> rx.Component:
    """``nothing``: the words for no kind, where there may be none. One that is not known any more stays chosen."""
    return rx.cond(
        are_many(kinds),
        _field(kinds, placeholder=nothing or "Name of a kind", **props),
        rx.el.select(
            # without any kind, a menu is empty and says why
            rx.el.option(nothing, value="")
            if nothing
            else rx.cond(kinds.length() == 0, rx.el.option("no worker has brought one", value="")),
            rx.cond(
                (current != "") & ~has_kind(kinds, current),
                rx.el.option(current, " (not known)", value=current, key="unknown"),
            ),
            rx.foreach(kinds, _options),
            class_name="select",
            **props,
        ),
    )


def kind_menu(kinds: Kinds, chosen: rx.Var[str], on_choose: Callable[..., object], **props: object) -> rx.Component:
    """As ``kind_choice``, in the looks of a form's own fields."""
    named = {**props, "name": "kind-of-job", "width": "100%"}  # no parameter has such a name
    field = _field(kinds, value=chosen, on_change=lambda typed: on_choose(typed).debounce(200), **named)
    menu = rx.select.root(
        rx.select.trigger(width="100%", **props),
        rx.select.content(
            rx.foreach(
                kinds,
                lambda group: rx.select.group(
                    rx.cond(group["label"] != "", rx.select.label(group["label"])),
                    rx.foreach(
                        group["kinds"].to(list[KindChoice]),
                        lambda kind: rx.select.item(kind["title"], value=kind["name"], key=kind["name"]),
                    ),
                    key=group["label"],
                ),
            )
        ),
        name=named["name"],
        value=chosen,
        on_change=on_choose,
    )
    return rx.cond(are_many(kinds), field, menu)


def _options(group: rx.Var[KindGroup]) -> rx.Component:
    # each has a key: without one, another option would slip under what is chosen when the kinds change
    options = rx.foreach(
        group["kinds"].to(list[KindChoice]),
        lambda kind: rx.el.option(kind["title"], value=kind["name"], key=kind["name"]),
    )
    return rx.cond(
        group["label"] == "",
        rx.fragment(options, key="only"),
        rx.el.optgroup(options, label=group["label"], key=group["label"]),
    )


def _field(kinds: Kinds, **props: object) -> rx.Component:
    listed = f"kinds-of-{props['id']}"
    return rx.fragment(
        rx.input(auto_complete="off", custom_attrs={"list": listed}, **props),
        rx.el.datalist(
            rx.foreach(
                kinds,
                lambda group: rx.fragment(
                    rx.foreach(
                        group["kinds"].to(list[KindChoice]),
                        lambda kind: rx.el.option(kind["title"], value=kind["name"], key=kind["name"]),
                    ),
                    key=group["label"],
                ),
            ),
            id=listed,
        ),
    )
