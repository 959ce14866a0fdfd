"""What the queue stands on: facts about Redis and the database, and their maintenance."""

import reflex as rx

from jobs_app.admin.system.rows import FactRow
from jobs_app.ui.basics import ago, callout, card, heading, mono
from jobs_app.ui.styles import TABULAR
from jobs_app.ui.toolbar import download_button, toolbar


def redis_card(facts: rx.Var[list[FactRow]], troubles: rx.Var[list[str]], slow: rx.Var[list[FactRow]]) -> rx.Component:
    return card(
        heading("Redis"),
        rx.foreach(troubles, lambda text: callout(text, icon="triangle-alert", color="amber", margin_bottom="10px")),
        _facts(facts),
        rx.cond(
            slow.length() > 0,
            rx.el.details(
                rx.el.summary("Slowest commands"),
                rx.foreach(
                    slow,
                    lambda entry: rx.flex(
                        mono(entry["name"]),
                        rx.text(entry["value"], size="2", style=TABULAR),
                        ago(entry["at"]),
                        gap="12px",
                    ),
                ),
                class_name="small",
            ),
        ),
        id="redis",
    )


def database_card(
    facts: rx.Var[list[FactRow]],
    indexes: rx.Var[list[FactRow]],
    can_maintain: rx.Var[bool],
    working: rx.Var[str],
    result: rx.Var[str],
    on_check: object,
    on_vacuum: object,
) -> rx.Component:
    return card(
        heading("Database"),
        _facts(facts),
        rx.el.details(rx.el.summary("Which index answers what"), _facts(indexes), class_name="small", id="index-use"),
        rx.cond(
            can_maintain,
            toolbar(
                _button("Check", "shield-check", working == "check", working != "", on_check),
                _button("Compact (vacuum)", "package", working == "vacuum", working != "", on_vacuum),
                download_button("/api/database/backup", "Download a backup"),
                margin_top="12px",
            ),
            rx.text(
                "A server of its own: pg_dump makes a backup, VACUUM compacts, pg_amcheck checks.",
                size="2",
                color_scheme="gray",
            ),
        ),
        rx.cond(result != "", rx.text(result, size="2", role="status", margin_top="10px", id="care-result")),
        id="database",
    )


def chain_card(
    hops: rx.Var[list[FactRow]],
    message: rx.Var[str],
    passed: rx.Var[bool],
    working: rx.Var[str],
    on_test: object,
    on_copy: object,
) -> rx.Component:
    return card(
        heading("Diagnostics"),
        toolbar(
            _button("Test the whole chain", "route", working == "self-test", working != "", on_test),
            rx.button(
                rx.icon("copy", size=15), "Copy for an issue", variant="soft", color_scheme="gray", on_click=on_copy
            ),
            download_button("/api/diagnostics", "Download"),
        ),
        rx.cond(
            message != "",
            rx.box(
                rx.cond(
                    passed,
                    callout(message, icon="check", color="grass"),
                    callout(message, icon="triangle-alert", color="tomato"),
                ),
                rx.box(_facts(hops), margin_top="10px"),
                margin_top="12px",
                id="canary",
            ),
        ),
        id="diagnostics",
    )


def _facts(facts: rx.Var[list[FactRow]]) -> rx.Component:
    return rx.el.dl(
        rx.foreach(facts, lambda fact: rx.fragment(rx.el.dt(fact["name"]), rx.el.dd(fact["value"]))), class_name="facts"
    )


def _button(label: str, icon: str, is_working: rx.Var[bool], disabled: rx.Var[bool], on_click: object) -> rx.Component:
    return rx.button(
        rx.cond(is_working, rx.spinner(size="1"), rx.icon(icon, size=15)),
        label,
        variant="soft",
        on_click=on_click,
        disabled=disabled,
    )
