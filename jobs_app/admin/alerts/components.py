"""Alert rules with the form that makes them, the alerts they raised, and the messages that were sent."""

import reflex as rx

from jobs_app.admin.alerts.rows import AlertRow, DeliveryRow, RuleRow
from jobs_app.admin.editor.components import Fields, editable, editable_list, editor
from jobs_app.live.effects import BoundHandler
from jobs_app.ui.basics import ago, card, heading, mono, or_nothing, small_button
from jobs_app.ui.kind_choice import Kinds
from runlane.alerts.rules import MEANING

WHERE_TO = (
    "Also to an address: https:// gets signed JSON; mailto://, slack://, workflows:// (Teams), tgram:// and a hundred "
    "more are written as apprise has them. Empty: only on the pages."
)


def alert_list(alerts: rx.Var[list[AlertRow]]) -> rx.Component:
    listed = rx.vstack(rx.foreach(alerts, _alert), spacing="2", width="100%")
    return card(heading("Alerts"), or_nothing(alerts, listed, "None so far."), id="alerts")


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
    on_test: BoundHandler,
    on_secret: BoundHandler,
    on_edit: object,
    on_delete: object,
) -> rx.Component:
    def draw(rule: rx.Var[RuleRow]) -> rx.Component:
        test = small_button("Test", on_test(rule["id"]))
        copy = rx.cond(rule["is_signed"], small_button("Copy secret", on_secret(rule["id"])))
        return editable(
            "rule",
            rule,
            rx.text(
                "Alerts when ",
                rule["meaning"],
                rx.cond(rule["kind"] != "", rx.fragment("; only ", rx.code(rule["kind"])), rx.fragment()),
                size="2",
                margin_top="4px",
            ),
            rx.cond(rule["webhook_url"] != "", mono(rule["webhook_url"], class_name="anywhere")),
            actions=[rx.cond(rule["webhook_url"] != "", rx.fragment(test, copy))],
            on_pause=on_pause,
            on_edit=on_edit,
            on_delete=on_delete,
        )

    return editable_list(rules, draw, "No rules yet. The form makes one.")


def rule_form(
    form: rx.Var[dict[str, str]],
    kinds: Kinds,
    filled: rx.Var[int],
    editing: rx.Var[str],
    condition: rx.Var[str],
    errors: rx.Var[dict[str, str]],
    on_condition: object,
    on_submit: object,
    on_leave: object,
) -> rx.Component:
    meaning = rx.match(condition, *((name, text.format("so many")) for name, text in MEANING.items()), "")
    conditions = [(name, name.replace("_", " ")) for name in MEANING]
    fields = Fields("rule", form, errors)
    return editor(
        "rule",
        fields.text("name", "Name"),
        fields.choice("condition", "Alert when", conditions, on_change=on_condition),
        fields.text("threshold", "Threshold", meaning),
        fields.kind("kind", "Only jobs of kind", kinds, nothing="any"),
        fields.text("webhook_url", "Webhook or service", WHERE_TO),
        editing=editing,
        filled=filled,
        on_submit=on_submit,
        on_leave=on_leave,
    )


def delivery_list(deliveries: rx.Var[list[DeliveryRow]]) -> rx.Component:
    listed = rx.vstack(rx.foreach(deliveries, _delivery), spacing="2", width="100%")
    return card(heading("Messages"), or_nothing(deliveries, listed, "None has been sent."), id="deliveries")


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
