"""Getting messages about alerts to the address that a rule names, each when it is due and again if it does not arrive.

Decides which way an address means: ``http`` and ``https`` get our signed JSON (``webhooks``), all others are services
that apprise knows (``couriers``). The guard against addresses inside stands in front of both.
"""

import asyncio
import contextlib
import logging
import re
from collections.abc import Sequence

from runlane import plain_json
from runlane.alerts import webhooks
from runlane.alerts.couriers import Couriers, Message
from runlane.alerts.guard import Network
from runlane.alerts.records import Answer, Delivery, Rule
from runlane.alerts.rules import ADDRESS, MAX_URL
from runlane.alerts.store import AlertStore
from runlane.background import end_tasks
from runlane.clock import utc_now
from runlane.errors import RuleNotFound

# receivers that are being sent a message
MAX_AT_ONCE = 10
# for messages that became due while others are being sent
TAKE_DUE_EVERY_S = 1.0
# what a message is about, for people, and its type for services that show one
_TITLES = {
    "alert.fired": ("Alert: {}", "warning"),
    "alert.cleared": ("Over: {}", "success"),
    "alert.test": ("Test: {}", "info"),
}

log = logging.getLogger(__name__)


class Dispatcher:
    """Sends the messages of one database. ``allowed``: networks that may be sent to though they are not public."""

    def __init__(self, store: AlertStore, allowed: Sequence[Network] = ()) -> None:
        self.allowed = allowed
        self._store = store
        self._couriers = Couriers()

    async def objection(self, url: str) -> str:
        """Why ``url`` may not be sent to, in a sentence without its subject; empty when it may, or nobody knows now."""
        if wrong := wrong_with(url):
            return wrong
        if is_webhook(url):
            return await webhooks.leads_inside(url, self.allowed)
        return await self._couriers.objection(url, self.allowed)

    async def send(self, delivery: Delivery, rule: Rule) -> Delivery:
        """Send the message now; the message with its outcome. Raises ``RuleNotFound``: the rule was just deleted."""
        answer = await self._send(delivery, rule)
        if not answer.arrived:
            log.warning("A message of the rule %r did not arrive: %s", rule.name, answer.trouble)
        return await self._store.save_outcome(delivery, answer, utc_now())

    async def send_due(self) -> int:
        """Send the messages that are due, until none is; how many.

        Different receivers are sent theirs side by side, so that one that hangs keeps no other waiting; each of them
        one after the other, the oldest first.
        """
        sent, sending = 0, dict[asyncio.Task[None], str]()
        try:
            while True:
                while len(sending) < MAX_AT_ONCE and (found := await self._store.take_due(utc_now(), sending.values())):
                    sending[asyncio.create_task(self._send_one(*found))] = found[0].url
                    sent += 1
                if not sending:
                    return sent
                ended, _ = await asyncio.wait(sending, timeout=TAKE_DUE_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    del sending[task]
                    await task
        finally:
            await end_tasks(*sending)

    async def _send_one(self, delivery: Delivery, rule: Rule) -> None:
        with contextlib.suppress(RuleNotFound):  # deleted with its rule
            await self.send(delivery, rule)

    async def _send(self, delivery: Delivery, rule: Rule) -> Answer:
        if not is_webhook(delivery.url):
            return await self._couriers.send(delivery.url, _message(delivery), self.allowed)
        body = plain_json.dumps(delivery.body).encode()
        return await webhooks.send(delivery.url, rule.secret, str(delivery.id), utc_now(), body, allowed=self.allowed)


def wrong_with(url: str) -> str:
    """Why ``url`` cannot be sent to, as far as its text shows without asking apprise; empty when it may be."""
    if any(character <= " " or character == "\x7f" for character in url):
        return "must not hold blanks or control characters"
    if len(url) > MAX_URL or not re.match(ADDRESS, url):
        return "must be an address, such as https://…, mailto://… or slack://…"
    return webhooks.wrong_with(url) if is_webhook(url) else ""


def is_webhook(url: str) -> bool:
    """Whether an address gets our signed JSON, and is of no service."""
    return url.partition("://")[0].lower() in ("http", "https")


def _message(delivery: Delivery) -> Message:
    title, type = _TITLES[delivery.what]
    alert = delivery.body["data"]
    return Message(title.format(alert["rule"]), alert["text"], type)
