"""What is kept about alerts: rules, the alerts they gave, and the messages that report those. No I/O."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from uuid_utils.compat import uuid7


class Rule(BaseModel):
    """A condition that somebody is alerted about. ``kind``: only jobs of this kind; empty: of all."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    name: str
    condition: str
    threshold: float
    kind: str
    webhook_url: str
    secret: str
    paused: bool
    created_at: datetime
    version: int


class Alert(BaseModel):
    """A rule's condition held, for one cause. Open until ``cleared_at``."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    rule_id: UUID
    rule: str
    cause: str
    text: str
    fired_at: datetime
    cleared_at: datetime | None


class Delivery(BaseModel):
    """A message about an alert. ``state``: ``waiting``, ``sent`` or ``given up``."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    rule_id: UUID
    url: str
    what: str
    body: dict[str, Any]
    state: str
    attempts: int
    next_at: datetime | None
    status: int | None
    trouble: str
    created_at: datetime


@dataclass(frozen=True)
class Turn:
    """What an evaluation changed: alerts that are new, and alerts that are over."""

    fired: list[Alert]
    cleared: list[Alert]


@dataclass(frozen=True)
class Answer:
    """What came of a message. ``trouble``: why it did not arrive, in a sentence; empty when it did.

    ``status``: of HTTP, if there is one. ``final``: it will not arrive however often it is sent.
    """

    status: int | None
    trouble: str
    final: bool = False

    @property
    def arrived(self) -> bool:
        return not self.trouble


def test_alert(rule: Rule, now: datetime) -> Alert:
    """The alert in a test message; it is kept nowhere."""
    text = f"This is only a test of the rule {rule.name!r}."
    return Alert(id=uuid7(), rule_id=rule.id, rule=rule.name, cause="test", text=text, fired_at=now, cleared_at=None)


def messages(
    rule: Rule, what: str, alerts: Sequence[Alert], now: datetime, due_at: datetime | None = None
) -> list[Delivery]:
    """A message about each of the alerts, to be sent now or at ``due_at``; none if the rule names no address."""
    if not rule.webhook_url:
        return []
    of_rule = {"condition": rule.condition, "threshold": rule.threshold}
    return [
        Delivery(
            id=uuid7(),
            rule_id=rule.id,
            url=rule.webhook_url,
            what=what,
            body={"type": what, "timestamp": now.isoformat(), "data": {**alert.model_dump(mode="json"), **of_rule}},
            state="waiting",
            attempts=0,
            next_at=due_at or now,
            status=None,
            trouble="",
            created_at=now,
        )
        for alert in alerts
    ]
