"""REST: rules, the alerts they gave, and the messages that reported them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel

from jobs_app import runtime
from jobs_app.api.openapi import CONFLICT
from jobs_app.api.strict import StrictRoute
from runlane.addresses import shown
from runlane.alerts.records import Alert, Delivery, Rule
from runlane.alerts.rules import RuleDraft, RulePatch

router = APIRouter(prefix="/api/alerts", tags=["alerts"], route_class=StrictRoute)


class RuleInfo(BaseModel):
    """A rule without its secret, which ``GET /api/alerts/rules/{id}/secret`` gives.

    ``webhook_url``: with ``***`` for the keys in it. Given back like that in a ``PATCH``, it stays as it is.
    """

    id: UUID
    name: str
    condition: str
    threshold: float
    kind: str
    webhook_url: str
    paused: bool
    created_at: datetime
    version: int


class RuleList(BaseModel):
    items: list[RuleInfo]


class AlertList(BaseModel):
    items: list[Alert]


class DeliveryList(BaseModel):
    items: list[Delivery]


class Secret(BaseModel):
    secret: str


@router.get("")
async def alerts(open: bool = False, limit: Annotated[int, Query(ge=1, le=1000)] = 50) -> AlertList:
    """The alerts, newest first; with ``open`` only those whose cause still holds."""
    return AlertList(items=await runtime.current().alerts.alerts(only_open=open, limit=limit))


@router.get("/deliveries")
async def deliveries(limit: Annotated[int, Query(ge=1, le=1000)] = 50) -> DeliveryList:
    """The messages that reported alerts, newest first, with what came of each."""
    return DeliveryList(items=[_without_keys(each) for each in await runtime.current().alerts.deliveries(limit)])


@router.get("/rules")
async def rules() -> RuleList:
    """Every rule, by name."""
    return RuleList(items=[_info(rule) for rule in await runtime.current().alerts.rules()])


@router.post("/rules", status_code=201, responses=CONFLICT)
async def create_rule(draft: RuleDraft, response: Response) -> RuleInfo:
    """Alert people when a condition holds: on the pages, and at an address if one is given.

    An http or https address gets JSON, signed as the Standard Webhooks specification says; any other is of a service
    that apprise knows. A message that does not arrive is sent again after 5 s, 30 s, 2 min, 10 min and 1 h.
    """
    rule = await runtime.current().alerts.create(draft)
    runtime.current().watch.rules_changed()
    response.headers["Location"] = f"/api/alerts/rules/{rule.id}"
    return _info(rule)


@router.get("/rules/{id}")
async def get_rule(id: UUID) -> RuleInfo:
    """One rule as it is now."""
    return _info(await runtime.current().alerts.rule(id))


@router.patch("/rules/{id}", responses=CONFLICT)
async def change_rule(id: UUID, patch: RulePatch) -> RuleInfo:
    """Change or pause a rule; what is not named stays. Alerts that are over by that are reported."""
    return _info(await runtime.current().watch.change(id, patch))


@router.delete("/rules/{id}", status_code=204)
async def delete_rule(id: UUID) -> None:
    """Delete a rule, with its alerts and messages."""
    await runtime.current().alerts.delete(id)
    runtime.current().watch.rules_changed()


@router.post("/rules/{id}/test", responses=CONFLICT)
async def test_rule(id: UUID) -> Delivery:
    """Send a message now that says it is only a test; the reply says what came of it."""
    return _without_keys(await runtime.current().alerts.test(id))


@router.get("/rules/{id}/secret")
async def secret(id: UUID) -> Secret:
    """The key that the rule's messages are signed with."""
    return Secret(secret=(await runtime.current().alerts.rule(id)).secret)


def _info(rule: Rule) -> RuleInfo:
    return RuleInfo.model_validate({**rule.model_dump(exclude={"secret"}), "webhook_url": shown(rule.webhook_url)})


def _without_keys(delivery: Delivery) -> Delivery:
    return delivery.model_copy(update={"url": shown(delivery.url)})
