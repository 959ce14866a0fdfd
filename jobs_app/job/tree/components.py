"""A JSON value as a tree: folded and unfolded, searched, copied, its long parts loaded on demand."""

import reflex as rx

from jobs_app.job.tree.json_tree import BEYOND, TreeRow
from jobs_app.live.effects import BoundHandler
from jobs_app.ui.basics import icon_button


def json_tree(
    name: str,
    rows: rx.Var[list[TreeRow]],
    search: rx.Var[str],
    on_toggle: object,
    on_load_rest: object,
    on_find: BoundHandler,
    on_copy: BoundHandler,
) -> rx.Component:
    """The tree called ``name``, which its handlers are given first."""
    return rx.box(
        rx.hstack(
            rx.input(
                default_value=search,
                placeholder="Find",
                aria_label=f"Find in {name}",
                on_change=lambda text: on_find(name, text).debounce(150),
                size="1",
                width="100%",
            ),
            icon_button("copy", f"Copy all of {name}", on_copy(name, "")),
            spacing="3",
            align="center",
            margin_bottom="8px",
        ),
        rx.el.ul(
            rx.cond(
                rows.length() > 0,
                rx.foreach(rows, lambda row: _row(name, row, on_toggle, on_load_rest, on_copy)),
                rx.el.li("Nothing has these words.", class_name="tree-row"),
            ),
            class_name="tree",
            tab_index=0,
            aria_label=name,
        ),
        id=name,
    )


def _row(
    name: str, row: rx.Var[TreeRow], on_toggle: BoundHandler, on_load_rest: BoundHandler, on_copy: BoundHandler
) -> rx.Component:
    path = row["path"]
    label = rx.fragment(
        rx.cond(row["key"] != "", rx.el.span(row["key"], class_name="tree-key")),
        rx.el.span(row["text"], class_name="tree-value"),
    )
    return rx.el.li(
        rx.cond(
            row["branch"],
            rx.el.button(
                rx.icon("chevron-right", size=12, class_name="tree-arrow"),
                label,
                type="button",
                class_name="tree-fold",
                aria_expanded=row["open"],
                on_click=on_toggle(name, path),
            ),
            rx.el.span(label, class_name="tree-leaf"),
        ),
        rx.cond(
            row["cut"],
            rx.el.button(
                rx.cond(path == BEYOND, "load more", "load the rest"),
                type="button",
                class_name="tree-act",
                on_click=on_load_rest(name, path),
            ),
        ),
        rx.cond(
            row["kind"] != "more",
            rx.el.button(
                rx.icon("copy", size=11),
                type="button",
                class_name="tree-act tree-copy",
                aria_label="Copy " + rx.cond(row["key"] == "", "all", row["key"]),
                on_click=on_copy(name, path),
            ),
        ),
        key=path + row["kind"],
        class_name="tree-row",
        custom_attrs={
            "style": {"paddingLeft": "calc(" + row["depth"].to_string() + " * 14px)"},
            "data-kind": row["kind"],
            "data-found": row["found"],
        },
    )
