"""What stands above a list to narrow it or take it along: a field to find, a choice, a pause, a download."""

from collections.abc import Iterable

import reflex as rx

from jobs_app.live.effects import BoundHandler

PLAIN_LINK = {"color": "inherit", "text_decoration": "none"}


def toolbar(*tools: rx.Component, **props: object) -> rx.Component:
    return rx.flex(*tools, **{"gap": "10px", "align": "center", "wrap": "wrap", **props})


def find_box(label: str, on_find: BoundHandler) -> rx.Component:
    """Narrows a list while one types."""
    return rx.input(
        placeholder="Find",
        aria_label=label,
        on_change=lambda typed: on_find(typed).debounce(150),
        width="220px",
    )


def choice(options: Iterable[tuple[str, str]], **props: object) -> rx.Component:
    """One of ``options``, each the value and the words for it."""
    return rx.el.select(*[rx.el.option(words, value=value) for value, words in options], class_name="select", **props)


def pause_button(paused: rx.Var[bool], on_pause: BoundHandler, resume: str = "Resume") -> rx.Component:
    button: rx.Component = rx.cond(
        paused,
        rx.button(rx.icon("play", size=15), resume, on_click=on_pause(False)),
        rx.button(rx.icon("pause", size=15), "Pause", variant="soft", color_scheme="gray", on_click=on_pause(True)),
    )
    return button


def download_link(href: rx.Var[str] | str, *content: object) -> rx.Component:
    """A link to a file: no page, so the browser fetches it beside this one, whose websocket goes on."""
    link: rx.Component = rx.el.a(
        *content, href=href, download=True, custom_attrs={"reloadDocument": True}, style=PLAIN_LINK
    )
    return link


def download_button(href: rx.Var[str] | str, label: str) -> rx.Component:
    link = download_link(href, rx.icon("download", size=15), label)
    return rx.button(link, as_child=True, variant="soft", color_scheme="gray")
