"""Evaluating the alert rules on the state of the whole system, every few seconds; and sending their messages."""

import asyncio
import logging
from collections.abc import Sequence
from uuid import UUID

from jobs_app import routes
from jobs_app.live.event_log import EventLog
from runlane.alerts.evaluation import Silence, SystemState
from runlane.alerts.records import Alert, Rule
from runlane.alerts.rules import RATE_OVER, SAMPLES_OVER, RulePatch
from runlane.alerts.service import Alerts
from runlane.clock import utc_now
from runlane.core.counts import Counts
from runlane.core.reader import JobReader
from runlane.errors import Unavailable
from runlane.kinds.service import LimitsService
from runlane.metrics.samples import Samples
from runlane.metrics.statistics import Statistics, Step
from runlane.model.status import JobStatus
from runlane.parts import Loop
from runlane.queue.redis_client import REDIS_TROUBLE
from runlane.queue.worker_registry import WorkerInfo, WorkerRegistry

EVALUATE_EVERY_S = 5.0
SEND_EVERY_S = 1.0

log = logging.getLogger(__name__)


class Watch:
    """Evaluates the rules for one server."""

    def __init__(
        self,
        alerts: Alerts,
        reader: JobReader,
        registry: WorkerRegistry,
        event_log: EventLog,
        counts: Counts,
        statistics: Statistics,
        samples: Samples,
        limits: LimitsService,
    ) -> None:
        self._alerts = alerts
        self._reader = reader
        self._registry = registry
        self._event_log = event_log
        self._counts = counts
        self._statistics = statistics
        self._samples = samples
        self._limits = limits
        self.open_alerts: list[Alert] = []
        """The alerts that are open, as of the last evaluation."""
        self._rules_changed = asyncio.Event()

    def loops(self) -> dict[str, Loop]:
        """What evaluates and what sends, each a part of the server."""
        return {"alerts: evaluating": self._evaluate_forever, "alerts: sending": self._send_forever}

    async def _evaluate_forever(self) -> None:
        while True:
            self._rules_changed.clear()
            try:
                await self.evaluate()
            except Unavailable as exc:
                log.info("Could not evaluate alert rules: %s", exc.message)
            try:
                async with asyncio.timeout(EVALUATE_EVERY_S):
                    await self._rules_changed.wait()
            except TimeoutError:
                pass

    def rules_changed(self) -> None:
        """Have the rules evaluated at once."""
        self._rules_changed.set()

    async def evaluate(self) -> None:
        """Evaluate every rule once. Raises ``Unavailable``."""
        if await self._alerts.rules():
            fired, cleared = await self._alerts.evaluate(await self.collect())
            for alert in fired:
                self._event_log.add("alert", f"{alert.rule}: {alert.text}", href=routes.ADMIN_ALERTS)
            self._report_cleared(cleared)
        self.open_alerts = await self._alerts.alerts(only_open=True)

    async def change(self, rule_id: UUID, patch: RulePatch) -> Rule:
        """The changed rule; alerts that end by the change are reported. Raises as ``Alerts.change``."""
        rule, cleared = await self._alerts.change(rule_id, patch)
        self._report_cleared(cleared)
        self.rules_changed()
        return rule

    def _report_cleared(self, alerts: Sequence[Alert]) -> None:
        for alert in alerts:
            self._event_log.add("alert", f"{alert.rule}: over. {alert.text}", href=routes.ADMIN_ALERTS)

    async def collect(self) -> SystemState:
        """The system as it is now. Raises ``Unavailable``."""
        now = utc_now()
        counts, oldest, limits, report, samples, growth = await asyncio.gather(
            self._counts.all(),
            self._reader.oldest_queued_at(),
            self._limits.current(),
            self._statistics.between(now - RATE_OVER, now, Step.MINUTE),
            self._samples.since(now - SAMPLES_OVER),
            self._samples.growth(now),
        )
        return SystemState(
            now=now,
            oldest_queued_at=oldest,
            queued=counts[JobStatus.QUEUED],
            running=counts[JobStatus.RUNNING],
            concurrency=limits.concurrency,
            paused=limits.paused,
            workers=await self._workers(),
            lately=report.kinds,
            silences=[Silence(*each) for each in await self._reader.last_reports()],
            samples=samples,
            growth=growth,
        )

    async def _workers(self) -> list[WorkerInfo] | None:
        try:
            return await self._registry.all()
        except REDIS_TROUBLE:
            return None

    async def _send_forever(self) -> None:
        while True:
            try:
                await self._alerts.dispatcher.send_due()
            except Unavailable as exc:
                log.info("Could not send alerts: %s", exc.message)
            await asyncio.sleep(SEND_EVERY_S)
