"""The list of kinds: what each takes, what holds for it now, and who can run it."""

import reflex as rx

from jobs_app import routes
from jobs_app.admin.kinds.rows import KindRow
from jobs_app.live.effects import BoundHandler
from jobs_app.live.kind_rows import MANY_KINDS
from jobs_app.ui.basics import ago, callout, card, mono, question, small_button
from jobs_app.ui.toolbar import find_box, toolbar

START_A_WORKER = "runlane worker my_jobs"


def kind_list(
    kinds: rx.Var[list[KindRow]],
    matching: rx.vars.NumberVar[int],
    total: rx.vars.NumberVar[int],
    off: rx.Var[list[str]],
    wrong: rx.Var[dict[str, str]],
    on_find: object,
    on_pause: object,
    on_limits: object,
    on_remove: object,
) -> rx.Component:
    """Those that match, of ``total``; ``off``: what is off in workers besides them."""

    def draw(kind: rx.Var[KindRow]) -> rx.Component:
        return rx.cond(kind["is_known"], _kind(kind, wrong, on_pause, on_limits, on_remove), _unknown(kind))

    return rx.vstack(
        rx.foreach(off, lambda why: callout(why, icon="triangle-alert", color="tomato", class_name="off anywhere")),
        rx.cond(
            total > MANY_KINDS,
            toolbar(
                find_box("Find a kind", on_find),
                rx.text(
                    rx.cond(matching > kinds.length(), f"{kinds.length()} of {matching}; find the others", ""),
                    size="2",
                    color_scheme="gray",
                ),
            ),
        ),
        rx.grid(
            rx.foreach(kinds, draw),
            columns=rx.breakpoints(initial="minmax(0, 1fr)", md="minmax(0, 1fr) minmax(0, 1fr)"),
            gap="12px",
            width="100%",
        ),
        rx.cond(
            kinds.length() == 0,
            card(
                rx.cond(
                    total > 0,
                    rx.text("No kind has these words.", size="2"),
                    rx.text("No worker has brought a job yet. Start one: ", rx.code(START_A_WORKER), size="2"),
                )
            ),
        ),
        spacing="3",
        width="100%",
        id="kinds",
    )


def remove_dialog(name: rx.Var[str], on_remove: object, on_open_change: object) -> rx.Component:
    return question(
        is_open=name != "",
        title="Remove this kind?",
        text=rx.fragment(
            "Nothing can be submitted of ",
            rx.code(name),
            " any more. Its jobs stay; those that wait go on waiting. A worker that brings it brings it back.",
        ),
        go="Remove",
        on_go=on_remove,
        on_open_change=on_open_change,
    )


def _kind(
    kind: rx.Var[KindRow],
    wrong: rx.Var[dict[str, str]],
    on_pause: BoundHandler,
    on_limits: object,
    on_remove: BoundHandler,
) -> rx.Component:
    name = kind["name"]
    return card(
        rx.flex(
            rx.heading(kind["title"], as_="h2", size="3"),
            mono(name, color_scheme="gray"),
            rx.cond(kind["paused"], rx.badge("Paused", color_scheme="amber", high_contrast=True)),
            rx.cond(kind["tags"] != "", rx.badge(kind["tags"], color_scheme="gray", title="Tags a worker needs")),
            rx.spacer(),
            rx.cond(kind["can_be_removed"], small_button("Remove", on_remove(name))),
            rx.cond(
                kind["paused"],
                rx.button("Resume", size="1", on_click=on_pause(name, False)),
                rx.button("Pause", size="1", variant="soft", color_scheme="gray", on_click=on_pause(name, True)),
            ),
            gap="8px",
            align="center",
            wrap="wrap",
        ),
        rx.text(kind["description"], size="2", margin_y="6px"),
        rx.cond(
            kind["waits"] != "",
            callout(kind["waits"], icon="triangle-alert", color="tomato", margin_bottom="6px"),
        ),
        rx.cond(
            kind["outdated"] != "",
            callout(kind["outdated"], icon="git-branch", color="amber", margin_bottom="6px", class_name="anywhere"),
        ),
        rx.text(
            rx.cond(kind["workers"] != "", f"Brought by {kind['workers']}", f"Last brought by {kind['brought_by']}"),
            rx.cond(kind["workers"] != "", ", last ", " "),
            ago(kind["brought_at"]),
            rx.cond(kind["schema_version"] > 1, f"; version {kind['schema_version']} of its parameters", ""),
            size="2",
            color_scheme="gray",
            class_name="anywhere",
        ),
        rx.foreach(
            kind["off"],
            lambda why: callout(why, icon="triangle-alert", color="tomato", margin_top="6px", class_name="off"),
        ),
        rx.text(
            kind["limits"],
            rx.cond(kind["usually"] != "", f"; usually takes {kind['usually']}", "; no estimate yet"),
            size="2",
            color_scheme="gray",
        ),
        rx.form(
            rx.flex(
                rx.el.input(type="hidden", name="kind", value=name),
                _number("max_running", "At once", kind["max_running"], name),
                _number("rate_count", "Starts", kind["rate_count"], name),
                _number("rate_s", "in seconds", kind["rate_s"], name),
                rx.button(
                    "Set", type="submit", size="1", variant="soft", aria_label="Set the limits of " + kind["title"]
                ),
                gap="10px",
                align="end",
                wrap="wrap",
            ),
            on_submit=on_limits,
            key=name + kind["version"].to_string(),
            no_validate=True,
            margin_top="8px",
        ),
        rx.cond(
            wrong.contains(name), rx.text(wrong[name], size="2", color_scheme="tomato", role="alert", margin_top="4px")
        ),
        rx.cond(
            kind["params"].length() > 0,
            rx.el.details(
                rx.el.summary("Parameters"),
                rx.el.ul(rx.foreach(kind["params"], lambda line: rx.el.li(mono(line), class_name="anywhere"))),
                class_name="small",
                style={"margin_top": "8px"},
            ),
        ),
        rx.flex(
            rx.link("Jobs", href=f"{routes.DASHBOARD}?q=kind%3A" + name, size="2"),
            rx.link("Metrics", href=f"{routes.ADMIN_METRICS}?window=24h&kind=" + name, size="2"),
            gap="14px",
            margin_top="8px",
        ),
        key=name,
        custom_attrs={"data-kind": name},
    )


def _unknown(kind: rx.Var[KindRow]) -> rx.Component:
    return card(
        rx.heading(kind["title"], as_="h2", size="3"),
        callout(
            "Workers have this kind and have not registered it, so nothing can be submitted here; their log says why.",
            icon="triangle-alert",
            color="amber",
            margin_y="6px",
        ),
        rx.text("In ", kind["workers"], size="2", color_scheme="gray", class_name="anywhere"),
        key=kind["name"],
        custom_attrs={"data-kind": kind["name"]},
    )


def _number(field: str, label: str, value: rx.Var[str], kind: rx.vars.StringVar[str]) -> rx.Component:
    return rx.box(
        rx.el.label(label, html_for=field + "-" + kind, style={"font_size": "var(--font-size-1)"}),
        rx.input(
            name=field,
            id=field + "-" + kind,
            default_value=value,
            placeholder="its own",
            size="1",
            width="84px",
            input_mode="decimal",
        ),
    )
