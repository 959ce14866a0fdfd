"""Alert rules with the form that makes them, the alerts they gave, and the messages that were sent."""

import reflex as rx

from jobs_app.rows import AlertRow, DeliveryRow, RuleRow
from jobs_app.ui.basics import ago, card, editor, heading, labelled, mono, question, small_button
from runlane.alerts.rules import MEANING
from runlane.kinds.catalogue import catalogue


def alert_list(alerts: rx.Var[list[AlertRow]]) -> rx.Component:
    return card(
        heading("Alerts"),
        rx.cond(
            alerts.length() > 0,
            rx.vstack(rx.foreach(alerts, _alert), spacing="2", width="100%"),
            rx.text("None so far.", size="2", color_scheme="gray"),
        ),
        id="alerts",
    )


def _alert(alert: rx.Var[AlertRow]) -> rx.Component:
    return rx.flex(
        rx.cond(
            alert["cleared_at"] == "",
            rx.badge("open", color_scheme="tomato", high_contrast=True),
            rx.badge("over", color_scheme="gray", high_contrast=True),
        ),
        rx.text(alert["rule"], size="2", weight="medium"),
        rx.text(alert["text"], size="2", class_name="anywhere"),
        rx.text(ago(alert["fired_at"]), size="2", color_scheme="gray"),
        gap="10px",
        wrap="wrap",
        align="center",
        custom_attrs={"data-alert": alert["rule"], "data-open": rx.cond(alert["cleared_at"] == "", "true", "false")},
    )


def rule_list(
    rules: rx.Var[list[RuleRow]],
    on_pause: object,
    on_test: object,
    on_secret: object,
    on_edit: object,
    on_delete: object,
) -> rx.Component:
    return rx.cond(
        rules.length() > 0,
        rx.vstack(
            rx.foreach(rules, lambda rule: _rule(rule, on_pause, on_test, on_secret, on_edit, on_delete)),
            spacing="3",
            width="100%",
        ),
        card(rx.text("No rules yet. The form makes one.", size="2")),
    )


def _rule(
    rule: rx.Var[RuleRow], on_pause: object, on_test: object, on_secret: object, on_edit: object, on_delete: object
) -> rx.Component:
    rule_id = rule["id"]
    return card(
        rx.flex(
            rx.heading(rule["name"], as_="h2", size="3"),
            rx.cond(rule["paused"], rx.badge("Paused", color_scheme="amber", high_contrast=True)),
            rx.spacer(),
            rx.cond(
                rule["paused"],
                small_button("Resume", on_pause(rule_id, False)),
                small_button("Pause", on_pause(rule_id, True)),
            ),
            rx.cond(
                rule["webhook_url"] != "",
                rx.fragment(small_button("Test", on_test(rule_id)), small_button("Copy secret", on_secret(rule_id))),
            ),
            small_button("Edit", on_edit(rule_id)),
            small_button("Delete", on_delete(rule_id)),
            gap="8px",
            align="center",
            wrap="wrap",
        ),
        rx.text(
            "Tells when ",
            rule["meaning"],
            rx.cond(rule["kind"] != "", rx.fragment("; only ", rx.code(rule["kind"])), rx.fragment()),
            size="2",
            margin_top="4px",
        ),
        rx.cond(rule["webhook_url"] != "", mono(rule["webhook_url"], class_name="anywhere")),
        key=rule_id,
        custom_attrs={"data-rule": rule["name"]},
    )


def rule_form(
    form: rx.Var[dict[str, str]],
    filled: rx.Var[int],
    editing: rx.Var[str],
    condition: rx.Var[str],
    errors: rx.Var[dict[str, str]],
    on_condition: object,
    on_submit: object,
    on_leave: object,
) -> rx.Component:
    meaning = rx.match(condition, *((name, text.format("so many")) for name, text in MEANING.items()), "")

    def text(name: str, label: str, help_text: rx.Var[str] | str = "") -> rx.Component:
        field = rx.input(
            name=name, id=f"rule-{name}", default_value=form[name], aria_invalid=errors.contains(name), width="100%"
        )
        return labelled("rule", label, field, errors, name, help_text)

    def choice(name: str, label: str, options: list[tuple[str, str]], **more: object) -> rx.Component:
        field = rx.el.select(
            *[rx.el.option(shown, value=value) for value, shown in options],
            name=name,
            id=f"rule-{name}",
            default_value=form[name],
            class_name="select",
            **more,
        )
        return labelled("rule", label, field, errors, name, "")

    return editor(
        "rule",
        text("name", "Name"),
        choice(
            "condition",
            "Tell when",
            [(name, name.replace("_", " ")) for name in MEANING],
            on_change=on_condition,
        ),
        text("threshold", "Threshold", meaning),
        choice("kind", "Only jobs of kind", [("", "any"), *((kind.name, kind.title) for kind in catalogue())]),
        text("webhook_url", "Webhook", "Where to send it as well; empty: only on the pages."),
        editing=editing,
        filled=filled,
        on_submit=on_submit,
        on_leave=on_leave,
    )


def delivery_list(deliveries: rx.Var[list[DeliveryRow]]) -> rx.Component:
    return card(
        heading("Messages"),
        rx.cond(
            deliveries.length() > 0,
            rx.vstack(rx.foreach(deliveries, _delivery), spacing="2", width="100%"),
            rx.text("None has been sent.", size="2", color_scheme="gray"),
        ),
        id="deliveries",
    )


def _delivery(delivery: rx.Var[DeliveryRow]) -> rx.Component:
    colors = (("sent", "grass"), ("waiting", "amber"), ("given up", "tomato"))
    badges = [(state, rx.badge(state, color_scheme=color, high_contrast=True)) for state, color in colors]
    return rx.flex(
        rx.match(delivery["state"], *badges, rx.fragment()),
        rx.text(delivery["what"], size="2", weight="medium"),
        mono(delivery["url"], class_name="anywhere"),
        rx.text(ago(delivery["at"]), size="2", color_scheme="gray"),
        rx.cond(
            delivery["trouble"] != "",
            rx.text("try ", delivery["attempts"], ": ", delivery["trouble"], size="2", class_name="anywhere"),
        ),
        rx.cond(
            delivery["next_at"] != "",
            rx.text("again ", rx.moment(delivery["next_at"], from_now=True), size="2", color_scheme="gray"),
        ),
        gap="10px",
        wrap="wrap",
        align="center",
        custom_attrs={"data-delivery": delivery["state"]},
    )


def delete_rule_dialog(doomed: rx.Var[RuleRow], on_delete: object, on_open_change: object) -> rx.Component:
    return question(
        is_open=doomed["id"] != "",
        title="Delete this rule?",
        text=rx.fragment("The rule ", rx.code(doomed["name"]), " goes with its alerts and messages."),
        go="Delete",
        on_go=on_delete,
        on_open_change=on_open_change,
    )
