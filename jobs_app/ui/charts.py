"""Charts: drawn paths, and over each bucket an area that shows its figures and can be clicked."""

from typing import TypedDict

import reflex as rx

from jobs_app.live.effects import BoundHandler
from jobs_app.ui.basics import card
from jobs_app.ui.styles import TABULAR


class Series(TypedDict):
    name: str
    color: str
    path: str
    filled: bool


class Chart(TypedDict):
    """``top`` and ``half``: what the upper edge and the middle stand for. ``tips``: each bucket in words."""

    title: str
    top: str
    half: str
    series: list[Series]
    tips: list[str]


def chart(
    drawn: rx.Var[Chart],
    buckets: rx.Var[list[str]],
    ticks: rx.Var[list[str]],
    chosen: rx.Var[str],
    on_choose: BoundHandler,
) -> rx.Component:
    return card(
        rx.flex(
            rx.heading(drawn["title"], as_="h2", size="2", weight="medium"),
            rx.spacer(),
            rx.foreach(drawn["series"], _legend),
            gap="10px",
            wrap="wrap",
            align="center",
            margin_bottom="10px",
        ),
        rx.box(
            *[
                rx.el.div(rx.el.span(words), class_name="edge", style={"top": top})
                for top, words in (("0", drawn["top"]), ("50%", drawn["half"]), ("100%", "0"))
            ],
            rx.el.svg(
                rx.foreach(drawn["series"], _series),
                custom_attrs={
                    "viewBox": f"0 0 {buckets.length()} 100",
                    "preserveAspectRatio": "none",
                    "aria-hidden": "true",
                },
            ),
            rx.el.div(
                rx.foreach(
                    buckets,
                    lambda at, position: rx.el.button(
                        class_name=rx.cond(
                            position * 3 < buckets.length(),
                            "bucket first",
                            rx.cond(position * 3 > buckets.length() * 2, "bucket last", "bucket"),
                        ),
                        custom_attrs={
                            "data-tip": drawn["tips"][position],
                            "data-chosen": rx.cond(chosen == at, "true", "false"),
                        },
                        tab_index=-1,
                        aria_label=drawn["tips"][position],
                        on_click=on_choose(at),
                    ),
                ),
                class_name="buckets",
                aria_hidden=True,
            ),
            class_name="chart",
        ),
        rx.el.div(rx.foreach(ticks, lambda label: rx.el.span(label)), class_name="ticks", aria_hidden=True),
        custom_attrs={"data-chart": drawn["title"]},
    )


def spark_line(path: rx.Var[str], count: int, color: str = "var(--accent-9)") -> rx.Component:
    """A small line without words; the number beside it is its last value."""
    return rx.el.svg(
        rx.el.path(d=path, fill="none", stroke=color),
        class_name="spark-line",
        custom_attrs={"viewBox": f"0 0 {count} 100", "preserveAspectRatio": "none", "aria-hidden": "true"},
    )


def _legend(series: rx.Var[Series]) -> rx.Component:
    return rx.flex(
        rx.el.span(class_name="legend", style={"background": "var(--" + series["color"] + "-9)"}),
        rx.text(series["name"], size="1", color_scheme="gray", style=TABULAR),
        gap="5px",
        align="center",
    )


def _series(series: rx.Var[Series]) -> rx.Component:
    color = "var(--" + series["color"] + "-9)"
    return rx.el.path(
        d=series["path"],
        fill=rx.cond(series["filled"], color, "none"),
        stroke=rx.cond(series["filled"], "none", color),
    )
