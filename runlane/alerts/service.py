"""Alerting people when something is wrong: their rules, and evaluating whether those hold now."""

import math
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from runlane.addresses import shown
from runlane.alerts.delivery import Dispatcher
from runlane.alerts.evaluation import SystemState, causes_alone
from runlane.alerts.guard import Network
from runlane.alerts.records import Alert, Delivery, Rule
from runlane.alerts.rules import MAX_THRESHOLDS, RuleDraft, RulePatch
from runlane.alerts.store import AlertStore
from runlane.clock import utc_now
from runlane.errors import FieldError, InvalidInput, NothingToDo
from runlane.kinds.catalogue import Catalogue


class Alerts:
    """The rules of one database. ``allowed``: networks that messages may go to though they are not public."""

    def __init__(self, store: AlertStore, kinds: Catalogue, *, allowed: Sequence[Network] = ()) -> None:
        self.store = store
        self.dispatcher = Dispatcher(store, allowed)
        self._kinds = kinds

    async def rules(self) -> list[Rule]:
        """Every rule, by name."""
        return await self.store.rules()

    async def rule(self, rule_id: UUID) -> Rule:
        """The rule as it is now. Raises ``RuleNotFound``."""
        return await self.store.rule(rule_id)

    async def alerts(self, *, only_open: bool = False, limit: int = 50) -> list[Alert]:
        """The newest alerts first."""
        return await self.store.alerts(only_open=only_open, limit=limit)

    async def deliveries(self, limit: int = 50) -> list[Delivery]:
        """The newest messages first."""
        return await self.store.deliveries(limit)

    async def create(self, draft: RuleDraft) -> Rule:
        """The new rule. Raises ``InvalidInput``, ``NameTaken``."""
        await self._check(draft.model_dump(), draft.condition, draft.threshold)
        return await self.store.insert(draft.model_dump())

    async def change(self, rule_id: UUID, patch: RulePatch) -> tuple[Rule, list[Alert]]:
        """The rule, changed, and its alerts that are over by that.

        Raises:
            RuleNotFound, InvalidInput, NameTaken: as for ``create``.
            Conflict: somebody else changed it since the version that the patch names.
        """
        values = patch.model_dump(exclude_unset=True, exclude={"version"})
        rule = await self.store.rule(rule_id)
        if rule.webhook_url and values.get("webhook_url") == shown(rule.webhook_url):
            del values["webhook_url"]  # given back as it is shown: it stays
        await self._check(values, values.get("condition", rule.condition), values.get("threshold", rule.threshold))
        return await self.store.change(rule_id, values, patch.version)

    async def delete(self, rule_id: UUID) -> None:
        """Remove a rule with its alerts and messages. Raises ``RuleNotFound``."""
        await self.store.delete(rule_id)

    async def _check(self, values: Mapping[str, Any], condition: str, threshold: float) -> None:
        errors = []
        if {"condition", "threshold"} & set(values) and threshold > (
            largest := MAX_THRESHOLDS.get(condition, math.inf)
        ):
            errors.append(FieldError("threshold", f"can be at most {largest:,.0f} for {condition}; more never holds"))
        if values.get("kind") and values["kind"] not in self._kinds:
            errors.append(FieldError("kind", "is no kind there is; leave it empty for all"))
        url = values.get("webhook_url")
        if url and (objection := await self.dispatcher.objection(url)):
            errors.append(FieldError("webhook_url", objection))
        if errors:
            raise InvalidInput(errors)

    async def test(self, rule_id: UUID) -> Delivery:
        """Send a test message now; the message with its outcome.

        Raises:
            RuleNotFound: no such rule, or it was just deleted.
            NothingToDo: the rule names no address.
        """
        rule = await self.store.rule(rule_id)
        if not rule.webhook_url:
            raise NothingToDo(f"The rule {rule.name!r} names no address: its alerts are shown on the pages only.")
        delivery = await self.store.test(rule, utc_now())
        return await self.dispatcher.send(delivery, rule)

    async def evaluate(self, system: SystemState) -> tuple[list[Alert], list[Alert]]:
        """Evaluate all rules; the alerts that are new, and those that are over."""
        fired: list[Alert] = []
        cleared: list[Alert] = []
        for rule in await self.store.rules():
            if not rule.paused and (found := causes_alone(rule, system)) is not None:
                turn = await self.store.turn(rule, found, system.now)
                fired += turn.fired
                cleared += turn.cleared
        return fired, cleared
