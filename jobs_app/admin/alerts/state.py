"""The admin page of alerts: rules, the alerts they raised, and the messages about those."""

from collections.abc import Mapping
from typing import Any

import reflex as rx

from jobs_app import runtime
from jobs_app.admin.alerts.rows import AlertRow, DeliveryRow, RuleRow, alert_row, delivery_row, rule_row
from jobs_app.admin.editor.editing import Editing, parse_id
from jobs_app.live.effects import Effect
from jobs_app.live.notify import notify
from jobs_app.ui.clipboard import copy
from runlane.alerts.rules import MEANING, RuleDraft, RulePatch
from runlane.alerts.service import Alerts
from runlane.errors import InvalidInput, JobsError, RuleNotFound

BLANK = {"name": "", "condition": "wait", "threshold": "60", "kind": "", "webhook_url": ""}


class AdminAlerts(Editing, rx.State):
    """One tab's rules and alerts, and the form that makes or changes a rule."""

    rules: list[RuleRow] = []
    alerts: list[AlertRow] = []
    deliveries: list[DeliveryRow] = []
    condition: str = "wait"
    """The condition that the form has now, for its meaning."""

    @rx.event
    async def refresh(self) -> Effect:
        return await self._read()

    @rx.event
    def choose_condition(self, condition: str) -> None:
        self.condition = condition if condition in MEANING else self.condition

    @rx.event
    async def pause(self, rule_id: str, paused: bool) -> Effect:
        return await self._do(_pause(rule_id, paused))

    @rx.event
    async def test(self, rule_id: str) -> Effect:
        """Send a message that is marked as a test."""
        try:
            sent = await _alerts().test(parse_id(rule_id, RuleNotFound))
        except JobsError as error:
            return await notify(self, "error", error.message)
        await self._read()
        if sent.trouble:
            return await notify(self, "error", sent.trouble)
        answer = f"; the answer was {sent.status}" if sent.status else ""
        return await notify(self, "success", f"The message arrived{answer}.")

    @rx.event
    async def copy_secret(self, rule_id: str) -> Effect:
        """Put the key that a rule's messages are signed with on the clipboard."""
        try:
            rule = await _alerts().rule(parse_id(rule_id, RuleNotFound))
        except JobsError as error:
            return await notify(self, "error", error.message)
        return copy(rule.secret)

    def _blank(self) -> Mapping[str, str]:
        return BLANK

    def _rows(self) -> list[RuleRow]:
        return self.rules

    async def _save(self, form: Mapping[str, str]) -> str:
        values = _values(form)
        if self.editing:
            patch = RulePatch.model_validate(values | {"version": self._version})
            await runtime.current().watch.change(parse_id(self.editing, RuleNotFound), patch)
        else:
            await _alerts().create(RuleDraft.model_validate(values))
        return f"The rule {values['name']!r} is {'changed' if self.editing else 'made'}."

    async def _delete(self, id: str) -> str:
        await _alerts().delete(parse_id(id, RuleNotFound))
        return "The rule is deleted, with its alerts."

    async def _done(self, message: str) -> Effect:
        runtime.current().watch.rules_changed()
        return await super()._done(message)

    async def _read(self) -> Effect:
        alerts = _alerts()
        try:
            found = await alerts.alerts()
            self.rules = [rule_row(rule) for rule in await alerts.rules()]
            self.deliveries = [delivery_row(each) for each in await alerts.deliveries()]
        except JobsError as error:
            return await notify(self, "error", error.message)
        self.alerts = [alert_row(alert) for alert in found]
        return None

    def _fill(self, values: Mapping[str, str], id: str) -> None:
        super()._fill(values, id)
        self.condition = values["condition"]


def _alerts() -> Alerts:
    return runtime.current().alerts


async def _pause(rule_id: str, paused: bool) -> str:
    await runtime.current().watch.change(parse_id(rule_id, RuleNotFound), RulePatch(paused=paused))
    return "The rule is silent now." if paused else "The rule watches again."


def _values(form: Mapping[str, str]) -> dict[str, Any]:
    """The form's texts; the threshold as a number if it is one."""
    values: dict[str, Any] = {name: form.get(name, "").strip() for name in BLANK}
    try:
        values["threshold"] = float(values["threshold"])
    except ValueError:
        raise InvalidInput.of("threshold", "must be a number") from None
    return values
