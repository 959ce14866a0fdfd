"""Whether the conditions of rules hold: the state of the system goes in, sentences come out. No I/O."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from uuid import UUID

from runlane.alerts.records import Rule
from runlane.metrics.samples import Growth, Sample
from runlane.metrics.statistics import Figures, Outcome
from runlane.model.snapshot import short_id
from runlane.queue.worker_registry import WorkerInfo, WorkerState
from runlane.text import counted, waiting

# the failure rate of fewer jobs means nothing
MIN_ENDED = 5

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Silence:
    """A running job, and when it last reported anything."""

    job_id: UUID
    kind: str
    last_at: datetime


@dataclass(frozen=True)
class SystemState:
    """What conditions are evaluated on.

    ``workers``: ``None`` if Redis does not answer. ``lately``: by kind, in ``RATE_OVER``. ``samples``: of
    ``SAMPLES_OVER``.
    """

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


# Why a condition holds, each with a sentence; none: it does not.
Causes = dict[str, str]


def causes(rule: Rule, system: SystemState) -> Causes:
    """What the rule's condition finds."""
    return _CONDITIONS[rule.condition](rule, system)


def causes_alone(rule: Rule, system: SystemState) -> Causes | None:
    """As ``causes``; ``None`` if that fails, so that one broken rule does not keep others from being evaluated."""
    try:
        return causes(rule, system)
    except Exception:
        log.exception("The rule %r cannot be evaluated; change or delete it.", rule.name)
        return None


def _wait(rule: Rule, system: SystemState) -> Causes:
    waited_s = _waited_s(system)
    if system.paused or waited_s <= rule.threshold:
        return {}
    return {"wait": f"A job has waited for {waited_s:,.0f} s; {waiting(system.queued)} in all."}


def _failure_rate(rule: Rule, system: SystemState) -> Causes:
    total = Figures()
    for kind, figures in system.lately.items():
        if rule.kind in ("", kind):
            total.add(figures)
    ended = total.counts[Outcome.COMPLETED] + total.counts[Outcome.FAILED]
    percent = 100 * (total.failure_rate or 0.0)
    if ended < MIN_ENDED or percent <= rule.threshold:
        return {}
    of = f" of kind {rule.kind}" if rule.kind else ""
    failed = total.counts[Outcome.FAILED]
    return {"failure rate": f"{failed:,} of the last {counted(ended, 'job')}{of} failed: {percent:.0f} %."}


def _lost_worker(rule: Rule, system: SystemState) -> Causes:
    found = {}
    for worker in system.workers or ():
        silent_s = (system.now - worker.last_seen_at).total_seconds()
        if worker.state is WorkerState.LOST and not worker.forgotten and silent_s > rule.threshold:
            found[worker.id] = (
                f"Worker {worker.id} has been silent for {silent_s:,.0f} s; its jobs run again elsewhere."
            )
    return found


def _no_worker(rule: Rule, system: SystemState) -> Causes:
    takes = system.workers is None or any(worker.state is WorkerState.RUNNING for worker in system.workers)
    waited_s = _waited_s(system)
    if takes or waited_s <= rule.threshold:
        return {}
    return {"no worker": f"{waiting(system.queued)}, the first for {waited_s:,.0f} s, and no worker takes any."}


def _silent_job(rule: Rule, system: SystemState) -> Causes:
    found = {}
    for silence in system.silences:
        silent_s = (system.now - silence.last_at).total_seconds()
        if rule.kind in ("", silence.kind) and silent_s > rule.threshold:
            sentence = (
                f"Job {short_id(silence.job_id)} ({silence.kind}) runs, and has reported nothing for {silent_s:,.0f} s."
            )
            found[str(silence.job_id)] = sentence
    return found


def _queue_growing(rule: Rule, system: SystemState) -> Causes:
    begin = system.now - timedelta(minutes=rule.threshold)
    queued = [sample.queued for sample in system.samples if sample.at >= begin - timedelta(minutes=1)]
    long_enough = bool(system.samples) and system.samples[0].at <= begin
    grew = len(queued) > 1 and all(a <= b for a, b in pairwise(queued)) and queued[0] < queued[-1]
    if not (long_enough and grew) or system.paused or system.running >= system.concurrency:
        return {}
    free = system.concurrency - system.running
    return {"growing": f"The queue grew from {queued[0]:,} to {queued[-1]:,} jobs with {counted(free, 'slot')} free."}


def _storage(rule: Rule, system: SystemState) -> Causes:
    megabytes = system.growth.bytes / 1e6
    if megabytes <= rule.threshold:
        return {}
    return {"storage": f"The database takes {megabytes:,.0f} MB, more than {rule.threshold:,.0f}."}


_CONDITIONS: dict[str, Callable[[Rule, SystemState], Causes]] = {
    "wait": _wait,
    "failure_rate": _failure_rate,
    "lost_worker": _lost_worker,
    "no_worker": _no_worker,
    "silent_job": _silent_job,
    "queue_growing": _queue_growing,
    "storage": _storage,
}


def _waited_s(system: SystemState) -> float:
    return 0.0 if system.oldest_queued_at is None else (system.now - system.oldest_queued_at).total_seconds()
