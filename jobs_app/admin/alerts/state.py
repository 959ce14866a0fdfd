"""The admin page of alerts: rules, what they gave, and the messages that told of it."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

import reflex as rx
from pydantic import ValidationError

from jobs_app import rows, runtime
from jobs_app.live.notify import notify
from jobs_app.rows import AlertRow, DeliveryRow, RuleRow
from jobs_app.ui.clipboard import copy
from runlane.addresses import shown
from runlane.alerts.records import Alert, Delivery, Rule
from runlane.alerts.rules import MEANING, RuleDraft, RulePatch
from runlane.errors import ChangedMeanwhile, InvalidInput, JobsError, RuleNotFound
from runlane.kinds.catalogue import field_errors

BLANK = {"name": "", "condition": "wait", "threshold": "60", "kind": "", "webhook_url": ""}


class AdminAlerts(rx.State):
    """One tab's rules and alerts, and the form that makes or changes a rule."""

    rules: list[RuleRow] = []
    alerts: list[AlertRow] = []
    deliveries: list[DeliveryRow] = []
    form: dict[str, str] = dict(BLANK)
    filled: int = 0
    editing: str = ""
    errors: dict[str, str] = {}
    condition: str = "wait"
    """The condition that the form has now, for its meaning."""
    doomed: RuleRow = rows.NO_RULE
    _version: int | None = None
    """Of the rule that is edited, as a person has seen it."""

    @rx.event
    async def load(self):
        self._fill(BLANK, "")
        return await self._read()

    @rx.event
    async def refresh(self):
        return await self._read()

    @rx.event
    def choose_condition(self, condition: str):
        self.condition = condition if condition in MEANING else self.condition

    @rx.event
    async def submit(self, form: dict[str, str]):
        """Make the rule, or change the one that is edited."""
        try:
            values = _values(form)
            if self.editing:
                patch = RulePatch.model_validate(values | {"version": self._version})
                await runtime.current().watch.change(_parse_id(self.editing), patch)
            else:
                await _alerts().create(RuleDraft.model_validate(values))
        except ValidationError as exc:
            self.errors = {error.field: error.message for error in field_errors(exc)}
            return None
        except InvalidInput as error:
            self.errors = {wrong.field: wrong.message for wrong in error.errors}
            return None
        except ChangedMeanwhile as error:
            await self._read()
            self._note_version()
            return await notify(self, "error", error.message)
        except JobsError as error:
            return await notify(self, "error", error.message)
        said = f"The rule {values['name']!r} is {'changed' if self.editing else 'made'}."
        self._fill(BLANK, "")
        return await self._changed(said)

    @rx.event
    def edit(self, rule_id: str):
        row = self._row(rule_id)
        if row is not None:
            self._fill({name: row[name] for name in BLANK}, rule_id)  # type: ignore[literal-required]

    @rx.event
    def leave(self):
        self._fill(BLANK, "")

    @rx.event
    async def pause(self, rule_id: str, paused: bool):
        try:
            await runtime.current().watch.change(_parse_id(rule_id), RulePatch(paused=paused))
        except JobsError as error:
            return await notify(self, "error", error.message)
        return await self._changed("The rule is silent now." if paused else "The rule watches again.")

    @rx.event
    async def test(self, rule_id: str):
        """Send a message that says it is only a test."""
        try:
            sent = await _alerts().test(_parse_id(rule_id))
        except InvalidInput as error:
            return await notify(self, "error", f"The address {error.errors[0].message}.")
        except JobsError as error:
            return await notify(self, "error", error.message)
        await self._read()
        if sent.trouble:
            return await notify(self, "error", sent.trouble)
        return await notify(self, "success", f"The message arrived; the answer was {sent.status}.")

    @rx.event
    async def copy_secret(self, rule_id: str):
        """Put the key that a rule's messages are signed with on the clipboard."""
        try:
            rule = await _alerts().store.rule(_parse_id(rule_id))
        except JobsError as error:
            return await notify(self, "error", error.message)
        return copy(rule.secret)

    @rx.event
    def ask_delete(self, rule_id: str):
        self.doomed = self._row(rule_id) or rows.NO_RULE

    @rx.event
    def forget_question(self, is_open: bool):
        if not is_open:
            self.doomed = rows.NO_RULE

    @rx.event
    async def delete(self):
        doomed, self.doomed = self.doomed["id"], rows.NO_RULE
        try:
            await _alerts().store.delete(_parse_id(doomed))
        except JobsError as error:
            return await notify(self, "error", error.message)
        if self.editing == doomed:
            self._fill(BLANK, "")
        return await self._changed("The rule is deleted, with its alerts.")

    async def _changed(self, said: str) -> Any:
        runtime.current().watch.asked.set()
        await self._read()
        return await notify(self, "success", said)

    async def _read(self) -> Any:
        store = _alerts().store
        try:
            found = await store.alerts()
            self.rules = [_rule(rule) for rule in await store.rules()]
            self.deliveries = [_delivery(each) for each in await store.deliveries()]
        except JobsError as error:
            return await notify(self, "error", error.message)
        self.alerts = [_alert(alert) for alert in found]
        return None

    def _row(self, rule_id: str) -> RuleRow | None:
        return next((row for row in self.rules if row["id"] == rule_id), None)

    def _fill(self, values: Mapping[str, str], rule_id: str) -> None:
        self.form, self.editing, self.errors = dict(values), rule_id, {}
        self.condition, self.filled = values["condition"], self.filled + 1
        self._note_version()

    def _note_version(self) -> None:
        """The list shows how the edited rule is now; what is changed is changed from there on."""
        row = self._row(self.editing)
        self._version = row["version"] if row else None


def _alerts() -> Any:
    return runtime.current().alerts


def _values(form: Mapping[str, str]) -> dict[str, Any]:
    """The form's texts; the threshold as a number if it is one."""
    values: dict[str, Any] = {name: form.get(name, "").strip() for name in BLANK}
    try:
        values["threshold"] = float(values["threshold"])
    except ValueError:
        raise InvalidInput.of("threshold", "must be a number") from None
    return values


def _rule(rule: Rule) -> RuleRow:
    return {
        "id": str(rule.id),
        "name": rule.name,
        "condition": rule.condition,
        "meaning": MEANING[rule.condition].format(f"{rule.threshold:g}"),
        "threshold": f"{rule.threshold:g}",
        "kind": rule.kind,
        "webhook_url": shown(rule.webhook_url),
        "paused": rule.paused,
        "version": rule.version,
    }


def _alert(alert: Alert) -> AlertRow:
    return {
        "id": str(alert.id),
        "rule": alert.rule,
        "text": alert.text,
        "fired_at": rows.iso(alert.fired_at),
        "cleared_at": rows.iso(alert.cleared_at),
    }


def _delivery(delivery: Delivery) -> DeliveryRow:
    return {
        "id": str(delivery.id),
        "at": rows.iso(delivery.created_at),
        "what": delivery.what,
        "url": shown(delivery.url),
        "state": delivery.state,
        "attempts": delivery.attempts,
        "trouble": delivery.trouble,
        "next_at": rows.iso(delivery.next_at) if delivery.state == "waiting" else "",
    }


def _parse_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as exc:
        raise RuleNotFound(text[:40]) from exc
