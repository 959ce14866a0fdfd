"""A job's timeline: each step, log line and change of status as it was written, oldest first."""

import reflex as rx

from jobs_app.rows import Line
from jobs_app.styles import TABULAR


def timeline(
    lines: rx.Var[list[Line]],
    tail: rx.Var[list[Line]],
    loaded_version: rx.Var[int],
    cut: rx.Var[bool],
    all_href: rx.Var[str],
) -> rx.Component:
    """``tail`` holds what was broadcast; of it, what ``lines`` already has is not shown twice."""
    return rx.box(
        rx.cond(
            cut,
            rx.text(
                "Only the newest lines are shown. ",
                rx.link("All of them as JSON", href=all_href, is_external=True),
                size="1",
                color_scheme="gray",
                padding="4px 0 8px",
            ),
        ),
        rx.auto_scroll(
            rx.el.ol(
                rx.foreach(lines, _line),
                rx.foreach(tail, lambda line: rx.cond(line["version"] > loaded_version, _line(line))),
                style={"list_style": "none", "padding": "0", "margin": "0"},
            ),
            max_height="560px",
            overflow_y="auto",
            id="timeline",
        ),
    )


def _line(line: rx.Var[Line]) -> rx.Component:
    return rx.el.li(
        rx.text(line["since_start"], as_="span", title=line["at"], style=TABULAR, color="var(--gray-10)", size="1"),
        rx.box(
            style={
                "width": "8px",
                "height": "8px",
                "border_radius": "50%",
                "background": _dot(line),
                "align_self": "center",
            }
        ),
        rx.text(
            line["text"],
            size="2",
            color=_color(line),
            weight=rx.cond(line["type"] == "status", "medium", "regular"),
            style={"overflow_wrap": "anywhere", "white_space": "pre-wrap"},
        ),
        key=line["version"].to_string(),
        style={
            "display": "grid",
            "grid_template_columns": "64px 8px 1fr",
            "gap": "10px",
            "padding": "4px 0",
            "align_items": "baseline",
        },
        custom_attrs={"data-type": line["type"], "data-version": line["version"]},
    )


def _dot(line: rx.Var[Line]) -> rx.Var[str]:
    return rx.match(
        line["type"],
        ("log", "var(--gray-6)"),
        ("artifact", "var(--purple-9)"),
        ("progress", "var(--blue-9)"),
        rx.match(
            line["status"],
            ("completed", "var(--grass-9)"),
            ("failed", "var(--tomato-9)"),
            ("cancelled", "var(--amber-9)"),
            ("scheduled", "var(--purple-9)"),
            "var(--gray-9)",
        ),
    )


def _color(line: rx.Var[Line]) -> rx.Var[str]:
    return rx.match(
        line["level"],
        ("error", "var(--tomato-11)"),
        ("warning", "var(--amber-11)"),
        ("debug", "var(--gray-10)"),
        ("info", "var(--gray-11)"),
        "var(--gray-12)",
    )
