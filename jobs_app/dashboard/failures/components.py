"""Failures grouped by cause: what, where, how often and since when, with a spark line of the last day."""

import reflex as rx

from jobs_app import routes
from jobs_app.dashboard.failures.rows import FailureRow
from jobs_app.live.effects import BoundHandler
from jobs_app.ui.basics import ago, card, heading, mono
from jobs_app.ui.styles import TABULAR


def failure_groups(groups: rx.Var[list[FailureRow]], on_retry: object) -> rx.Component:
    return rx.cond(
        groups.length() > 0,
        card(
            heading("Failures by cause"),
            rx.el.ul(rx.foreach(groups, lambda group: _group(group, on_retry)), class_name="failures"),
            id="failures",
        ),
    )


def _group(group: rx.Var[FailureRow], on_retry: BoundHandler) -> rx.Component:
    return rx.el.li(
        rx.box(
            rx.flex(
                rx.text(group["count"], weight="bold", style=TABULAR, size="2"),
                rx.text(group["title"], size="2", color_scheme="gray"),
                rx.text(group["type"], size="2", weight="medium"),
                rx.cond(group["frame"] != "", mono(group["frame"], color_scheme="gray")),
                gap="8px",
                wrap="wrap",
                align="baseline",
            ),
            rx.text(group["message"], size="2", class_name="anywhere"),
            rx.text(
                "first ",
                ago(group["first_at"]),
                ", last ",
                ago(group["last_at"]),
                size="1",
                color_scheme="gray",
            ),
            min_width="0",
        ),
        rx.el.div(
            rx.foreach(
                group["bars"],
                lambda height: rx.el.span(custom_attrs={"style": {"height": height.to_string() + "%"}}),
            ),
            class_name="spark",
            role="img",
            aria_label=group["spoken"],
        ),
        rx.hstack(
            rx.link("Show", href=routes.DASHBOARD + group["address"], size="2"),
            rx.button(
                rx.icon("rotate-ccw", size=14),
                "Retry all",
                size="1",
                variant="soft",
                on_click=on_retry(group["kind"], group["fingerprint"]),
            ),
            spacing="3",
            align="center",
        ),
        key=group["kind"] + group["fingerprint"],
        custom_attrs={"data-group": group["fingerprint"]},
    )
