"""Telling people when something is wrong: rules, what their conditions mean, and looking whether they hold."""

import asyncio
import contextlib
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from runlane import plain_json
from runlane.addresses import shown
from runlane.alerts.store import Alert, AlertStore, Delivery, Rule
from runlane.alerts.webhooks import Network, leads_inside, send, wrong_with
from runlane.background import end_tasks
from runlane.clock import utc_now
from runlane.errors import FieldError, InvalidInput, NothingToDo, RuleNotFound
from runlane.kinds.catalogue import Catalogue
from runlane.metrics.samples import Growth, Sample
from runlane.metrics.statistics import Figures, Outcome
from runlane.model.snapshot import short_id
from runlane.queue.worker_registry import WorkerInfo, WorkerState
from runlane.text import counted, waiting

FEWEST_ENDED = 5
"""A failure rate of fewer jobs says nothing."""
RATE_OVER = timedelta(minutes=15)
LARGEST_THRESHOLD = 1e12
LOOKED_BACK = timedelta(days=1)
"""How far back the samples go that a look is given."""
LARGEST: dict[str, float] = {
    "failure_rate": 100.0,
    "queue_growing": LOOKED_BACK / timedelta(minutes=1) - 1,
}
"""Thresholds above which a condition can never hold."""
MOST_AT_ONCE = 10
"""Receivers that are being sent a message."""
LOOK_EVERY_S = 1.0
"""For messages that became due while others are being sent."""

log = logging.getLogger(__name__)

Condition = Literal["wait", "failure_rate", "lost_worker", "no_worker", "silent_job", "queue_growing", "storage"]

MEANING: dict[str, str] = {
    "wait": "a job has waited longer than {} seconds",
    "failure_rate": f"more than {{}} percent of the jobs of the last {RATE_OVER // timedelta(minutes=1)} min failed",
    "lost_worker": "a worker has been silent for longer than {} seconds",
    "no_worker": "jobs have waited longer than {} seconds, and no worker takes any",
    "silent_job": "a running job has said nothing for longer than {} seconds",
    "queue_growing": "the queue has grown for {} minutes while slots are free",
    "storage": "the database is larger than {} megabytes",
}
"""What a condition means, with a place for its threshold."""


def _rule_schema(schema: dict[str, Any]) -> None:
    """What the types do not tell: thresholds that never hold, and which addresses can be sent to."""
    schema["properties"]["webhook_url"]["pattern"] = "^$|^https?://[A-Za-z0-9]"
    schema["allOf"] = [
        {
            "if": {"properties": {"condition": {"const": condition}}, "required": ["condition"]},
            "then": {"properties": {"threshold": {"maximum": largest}}},
        }
        for condition, largest in LARGEST.items()
    ]


class RuleDraft(BaseModel):
    """A wish to hear of something."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, json_schema_extra=_rule_schema)

    name: str = Field(min_length=1, max_length=200)
    condition: Condition
    threshold: float = Field(gt=0, le=LARGEST_THRESHOLD, allow_inf_nan=False, description="see each condition")
    kind: str = Field("", max_length=200, description="for failure_rate and silent_job: only jobs of this kind")
    webhook_url: str = Field("", max_length=2000, description="where to send it as well; empty: only on the pages")
    paused: bool = False


class RulePatch(BaseModel):
    """A change of a rule; what is not named stays."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, json_schema_extra=_rule_schema)

    name: str = Field("", min_length=1, max_length=200)
    condition: Condition = "wait"
    threshold: float = Field(1.0, gt=0, le=LARGEST_THRESHOLD, allow_inf_nan=False)
    kind: str = Field("", max_length=200)
    webhook_url: str = Field("", max_length=2000)
    paused: bool = False
    version: int | None = Field(None, ge=1, description="the version that was seen; another by now is refused")


@dataclass(frozen=True)
class Silence:
    """A running job, and when it last said anything."""

    job_id: UUID
    kind: str
    last_at: datetime


@dataclass(frozen=True)
class Seen:
    """What a look finds. ``workers``: ``None`` if Redis does not answer. ``lately``: by kind, in ``RATE_OVER``."""

    now: datetime
    oldest_queued_at: datetime | None
    queued: int
    running: int
    concurrency: int
    paused: bool
    workers: Sequence[WorkerInfo] | None
    lately: Mapping[str, Figures]
    silences: Sequence[Silence]
    samples: Sequence[Sample]
    growth: Growth


Causes = dict[str, str]
"""Why a condition holds, each with a sentence; none: it does not."""


def causes(rule: Rule, seen: Seen) -> Causes:
    """What the rule's condition finds."""
    return _CONDITIONS[rule.condition](rule, seen)


def _causes_alone(rule: Rule, seen: Seen) -> Causes | None:
    """As ``causes``; ``None`` if that fails: what is odd about one rule keeps no other from being looked at."""
    try:
        return causes(rule, seen)
    except Exception:
        log.exception("The rule %r cannot be looked at; change or delete it.", rule.name)
        return None


def _wait(rule: Rule, seen: Seen) -> Causes:
    waited_s = _waited_s(seen)
    if seen.paused or waited_s <= rule.threshold:
        return {}
    return {"wait": f"A job has waited for {waited_s:,.0f} s; {waiting(seen.queued)} in all."}


def _failure_rate(rule: Rule, seen: Seen) -> Causes:
    total = Figures()
    for kind, figures in seen.lately.items():
        if rule.kind in ("", kind):
            total.add(figures)
    ended = total.counts[Outcome.COMPLETED] + total.counts[Outcome.FAILED]
    percent = 100 * (total.failure_rate or 0.0)
    if ended < FEWEST_ENDED or percent <= rule.threshold:
        return {}
    of = f" of kind {rule.kind}" if rule.kind else ""
    failed = total.counts[Outcome.FAILED]
    return {"failure rate": f"{failed:,} of the last {counted(ended, 'job')}{of} failed: {percent:.0f} %."}


def _lost_worker(rule: Rule, seen: Seen) -> Causes:
    found = {}
    for worker in seen.workers or ():
        silent_s = (seen.now - worker.last_seen_at).total_seconds()
        if worker.state is WorkerState.LOST and not worker.forgotten and silent_s > rule.threshold:
            found[worker.id] = (
                f"Worker {worker.id} has been silent for {silent_s:,.0f} s; its jobs run again elsewhere."
            )
    return found


def _no_worker(rule: Rule, seen: Seen) -> Causes:
    takes = seen.workers is None or any(worker.state is WorkerState.RUNNING for worker in seen.workers)
    waited_s = _waited_s(seen)
    if takes or waited_s <= rule.threshold:
        return {}
    return {"no worker": f"{waiting(seen.queued)}, the first for {waited_s:,.0f} s, and no worker takes any."}


def _silent_job(rule: Rule, seen: Seen) -> Causes:
    found = {}
    for silence in seen.silences:
        silent_s = (seen.now - silence.last_at).total_seconds()
        if rule.kind in ("", silence.kind) and silent_s > rule.threshold:
            told = f"Job {short_id(silence.job_id)} ({silence.kind}) runs, and has said nothing for {silent_s:,.0f} s."
            found[str(silence.job_id)] = told
    return found


def _queue_growing(rule: Rule, seen: Seen) -> Causes:
    begin = seen.now - timedelta(minutes=rule.threshold)
    queued = [sample.queued for sample in seen.samples if sample.at >= begin - timedelta(minutes=1)]
    long_enough = bool(seen.samples) and seen.samples[0].at <= begin
    grew = len(queued) > 1 and all(a <= b for a, b in pairwise(queued)) and queued[0] < queued[-1]
    if not (long_enough and grew) or seen.paused or seen.running >= seen.concurrency:
        return {}
    free = seen.concurrency - seen.running
    return {"growing": f"The queue grew from {queued[0]:,} to {queued[-1]:,} jobs with {counted(free, 'slot')} free."}


def _storage(rule: Rule, seen: Seen) -> Causes:
    megabytes = seen.growth.bytes / 1e6
    if megabytes <= rule.threshold:
        return {}
    return {"storage": f"The database takes {megabytes:,.0f} MB, more than {rule.threshold:,.0f}."}


_CONDITIONS: dict[str, Callable[[Rule, Seen], Causes]] = {
    "wait": _wait,
    "failure_rate": _failure_rate,
    "lost_worker": _lost_worker,
    "no_worker": _no_worker,
    "silent_job": _silent_job,
    "queue_growing": _queue_growing,
    "storage": _storage,
}


def _waited_s(seen: Seen) -> float:
    return 0.0 if seen.oldest_queued_at is None else (seen.now - seen.oldest_queued_at).total_seconds()


class Alerts:
    """The rules of one database. ``allowed``: networks that webhooks may go to though they are not public."""

    def __init__(self, store: AlertStore, kinds: Catalogue, *, allowed: Sequence[Network] = ()) -> None:
        self.store = store
        self._kinds = kinds
        self._allowed = allowed

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
            ChangedMeanwhile: somebody else changed it since the version that the patch names.
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
        if {"condition", "threshold"} & set(values) and threshold > (largest := LARGEST.get(condition, math.inf)):
            errors.append(FieldError("threshold", f"can be at most {largest:,.0f} for {condition}; more never holds"))
        if values.get("kind") and values["kind"] not in {kind.name for kind in self._kinds}:
            errors.append(FieldError("kind", "is no kind there is; leave it empty for all"))
        url = values.get("webhook_url")
        if url and (wrong := wrong_with(url) or await leads_inside(url, self._allowed)):
            errors.append(FieldError("webhook_url", wrong))
        if errors:
            raise InvalidInput(errors)

    async def test(self, rule_id: UUID) -> Delivery:
        """Send a message that says it is only a test, now; the message with what came of it.

        Raises:
            RuleNotFound: no such rule, or it was deleted meanwhile.
            NothingToDo: the rule names no address.
        """
        rule = await self.store.rule(rule_id)
        if not rule.webhook_url:
            raise NothingToDo(f"The rule {rule.name!r} names no webhook: it is told on the pages only.")
        delivery = await self.store.test(rule, utc_now())
        return await self._send(delivery, rule)

    async def look(self, seen: Seen) -> tuple[list[Alert], list[Alert]]:
        """See which conditions hold; the alerts that are new, and those that are over."""
        fired: list[Alert] = []
        cleared: list[Alert] = []
        for rule in await self.store.rules():
            if not rule.paused and (found := _causes_alone(rule, seen)) is not None:
                turn = await self.store.turn(rule, found, seen.now)
                fired += turn.fired
                cleared += turn.cleared
        return fired, cleared

    async def send_due(self) -> int:
        """Send the messages that are due, until none is; how many.

        Different receivers are sent theirs side by side, so that one that hangs keeps no other waiting; each of them
        one after the other, the oldest first.
        """
        sent, sending = 0, dict[asyncio.Task[None], str]()
        try:
            while True:
                while len(sending) < MOST_AT_ONCE and (found := await self.store.take_due(utc_now(), sending.values())):
                    sending[asyncio.create_task(self._send_one(*found))] = found[0].url
                    sent += 1
                if not sending:
                    return sent
                ended, _ = await asyncio.wait(sending, timeout=LOOK_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    del sending[task]
                    await task
        finally:
            await end_tasks(*sending)

    async def _send_one(self, delivery: Delivery, rule: Rule) -> None:
        with contextlib.suppress(RuleNotFound):  # nobody wants to hear of it any more
            await self._send(delivery, rule)

    async def _send(self, delivery: Delivery, rule: Rule) -> Delivery:
        body = plain_json.dumps(delivery.body).encode()
        answer = await send(delivery.url, rule.secret, str(delivery.id), utc_now(), body, allowed=self._allowed)
        if not answer.arrived:
            log.warning("A webhook of the rule %r did not arrive: %s", rule.name, answer.trouble)
        return await self.store.record(delivery, answer, utc_now())
