"""The list of kinds: what each takes, what holds for it now, and who can run it."""

import reflex as rx

from jobs_app import routes
from jobs_app.admin.kinds.rows import KindRow
from jobs_app.live.effects import BoundHandler
from jobs_app.ui.basics import callout, card, mono


def kind_list(
    kinds: rx.Var[list[KindRow]], wrong: rx.Var[dict[str, str]], on_pause: object, on_limits: object
) -> rx.Component:
    return rx.grid(
        rx.foreach(
            kinds, lambda kind: rx.cond(kind["is_known"], _kind(kind, wrong, on_pause, on_limits), _unknown(kind))
        ),
        columns=rx.breakpoints(initial="minmax(0, 1fr)", md="minmax(0, 1fr) minmax(0, 1fr)"),
        gap="12px",
        width="100%",
        id="kinds",
    )


def _kind(
    kind: rx.Var[KindRow], wrong: rx.Var[dict[str, str]], on_pause: BoundHandler, on_limits: object
) -> rx.Component:
    name = kind["name"]
    return card(
        rx.flex(
            rx.heading(kind["title"], as_="h2", size="3"),
            mono(name, color_scheme="gray"),
            rx.cond(kind["paused"], rx.badge("Paused", color_scheme="amber", high_contrast=True)),
            rx.spacer(),
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
            kind["workers"].length() > 0,
            rx.text("Runs on ", kind["workers"].join(", "), size="2", color_scheme="gray", class_name="anywhere"),
            callout("No living worker can run this kind: its jobs wait.", icon="triangle-alert", color="tomato"),
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
            "Only workers know this kind, so nothing can be submitted here: start this server with their version.",
            icon="triangle-alert",
            color="amber",
            margin_y="6px",
        ),
        rx.text("Runs on ", kind["workers"].join(", "), size="2", color_scheme="gray", class_name="anywhere"),
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
