"""What a handler attached: pictures as thumbnails with a viewer, short texts in place, all to download."""

import reflex as rx

from jobs_app.ui.basics import mono
from jobs_app.ui.styles import MONO_BLOCK


def picture(name: rx.Var[str], href: rx.Var[str], size: rx.Var[str]) -> rx.Component:
    """A thumbnail; a click shows it large."""
    return rx.dialog.root(
        rx.dialog.trigger(
            rx.el.button(
                rx.image(src=href, alt="", loading="lazy", class_name="thumbnail"),
                rx.el.span(name, class_name="one-line"),
                type="button",
                class_name="thumbnail-button",
                title=name,
            )
        ),
        rx.dialog.content(
            rx.dialog.title(name, size="3"),
            rx.dialog.description(size, size="1"),
            rx.image(src=href, alt=name, width="100%", margin_y="12px"),
            rx.hstack(
                _download(href, "Download"),
                rx.spacer(),
                rx.dialog.close(rx.button("Close", variant="soft", color_scheme="gray")),
            ),
            max_width="min(960px, 94vw)",
        ),
        key=href,
    )


def document(name: rx.Var[str], href: rx.Var[str], size: rx.Var[str], preview: rx.Var[str]) -> rx.Component:
    return rx.box(
        rx.hstack(
            rx.icon("paperclip", size=14),
            _download(href, name),
            mono(size, color_scheme="gray"),
            align="center",
        ),
        rx.cond(
            preview != "",
            rx.el.details(
                rx.el.summary("Show"),
                rx.el.pre(preview, style=MONO_BLOCK, tab_index=0),
                style={"font_size": "var(--font-size-1)"},
            ),
        ),
        width="100%",
        key=href,
    )


def _download(href: rx.Var[str], text: rx.Var[str] | str) -> rx.Component:
    return rx.el.a(
        text,
        href=href,
        download=True,
        custom_attrs={"reloadDocument": True},
        class_name="rt-Text rt-reset rt-Link rt-underline-auto rt-r-size-2",
    )
