"""Alert rules, alerts and messages as their page shows them, made from what is kept. No I/O."""

from typing import TypedDict

from jobs_app.ui.formats import iso
from runlane.addresses import shown
from runlane.alerts.delivery import is_webhook
from runlane.alerts.records import Alert, Delivery, Rule
from runlane.alerts.rules import MEANING


class RuleRow(TypedDict):
    """An alert rule; ``meaning``: when it raises an alert, in words."""

    id: str
    name: str
    condition: str
    meaning: str
    threshold: str
    kind: str
    webhook_url: str
    is_signed: bool
    """Whether its messages are signed with its secret."""
    paused: bool
    version: int


class AlertRow(TypedDict):
    """An alert; ``cleared_at`` is empty while it is open."""

    id: str
    rule: str
    text: str
    fired_at: str
    cleared_at: str


class DeliveryRow(TypedDict):
    """A message about an alert; ``next_at``: when it is tried again, or empty."""

    id: str
    at: str
    what: str
    url: str
    state: str
    attempts: int
    trouble: str
    next_at: str


def rule_row(rule: Rule) -> RuleRow:
    return {
        "id": str(rule.id),
        "name": rule.name,
        "condition": rule.condition,
        "meaning": MEANING[rule.condition].format(f"{rule.threshold:g}"),
        "threshold": f"{rule.threshold:g}",
        "kind": rule.kind,
        "webhook_url": shown(rule.webhook_url),
        "is_signed": is_webhook(rule.webhook_url),
        "paused": rule.paused,
        "version": rule.version,
    }


def alert_row(alert: Alert) -> AlertRow:
    return {
        "id": str(alert.id),
        "rule": alert.rule,
        "text": alert.text,
        "fired_at": iso(alert.fired_at),
        "cleared_at": iso(alert.cleared_at),
    }


def delivery_row(delivery: Delivery) -> DeliveryRow:
    return {
        "id": str(delivery.id),
        "at": iso(delivery.created_at),
        "what": delivery.what,
        "url": shown(delivery.url),
        "state": delivery.state,
        "attempts": delivery.attempts,
        "trouble": delivery.trouble,
        "next_at": iso(delivery.next_at) if delivery.state == "waiting" else "",
    }
