"""What is wrong with the system, in plain sentences with what to do about it; none when all is well. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from jobs_app.ui.formats import seconds_text
from runlane.parts import Down
from runlane.queue.worker_registry import WorkerInfo, WorkerState
from runlane.text import counted, waiting

# when a job waits longer than this while slots are free, something is wrong
LONG_WAIT_S = 60.0


@dataclass(frozen=True)
class Facts:
    """What is known of the system at ``now``; ``workers`` is ``None`` when Redis does not answer.

    ``worker_active_at``: when one last took jobs, to the minute; ``None`` if none did in the last hour.
    ``down``: the parts of this server that do not work.
    """

    now: datetime
    queued: int
    running: int
    concurrency: int
    paused: bool
    oldest_queued_at: datetime | None
    workers: Sequence[WorkerInfo] | None
    redis_ok: bool
    database_ok: bool
    worker_active_at: datetime | None = None
    down: Sequence[Down] = ()


def troubles(facts: Facts) -> list[str]:
    """Sentences for the top of the admin pages, the worst first."""
    found = []
    if not facts.database_ok:
        found.append(
            "The database does not answer: nothing can be submitted or changed. Check DATABASE_URL and the disk."
        )
    if not facts.redis_ok:
        found.append("Redis does not answer: nothing starts, and pages are not notified of changes. Check REDIS_URL.")
    found += [
        f"The part {down.name!r} of this server has been down for "
        f"{seconds_text((facts.now - down.since).total_seconds())} ({down.error}). It is started again until it works; "
        "the log of the app has the traceback."
        for down in facts.down
    ]
    if not facts.database_ok:
        return found
    found += _of_workers(facts)
    if facts.paused and facts.queued:
        found.append(f"The queue is paused, and {waiting(facts.queued)}. Resume it to let jobs run.")
    return found


def _of_workers(facts: Facts) -> list[str]:
    if facts.workers is None:
        return []
    takes = [worker for worker in facts.workers if worker.state is WorkerState.RUNNING]
    lost = [worker for worker in facts.workers if worker.state is WorkerState.LOST and not worker.forgotten]
    before = f"{waiting(facts.queued)}, and " if facts.queued else ""
    if not takes:
        quiet = sum(worker.state is WorkerState.QUIET for worker in facts.workers)
        why = f"{quiet} of them quiet: resume one" if quiet else "start one: python -m worker"
        active_at = [at for at in (facts.worker_active_at, *(worker.last_seen_at for worker in facts.workers)) if at]
        none = "no worker takes jobs"
        if active_at and not quiet:
            none = f"no worker has been seen for {seconds_text((facts.now - max(active_at)).total_seconds())}"
        text = f"{before}{none}; {why}."
        return [text[0].upper() + text[1:]]
    found = [
        f"{name} is off: {why.rstrip('.')}. Fix that, and start its workers again; its jobs wait."
        for name, why in sorted({off for worker in takes for off in worker.off.items()})
    ]
    found += [
        f"The code of {counted(len(worker.lingering), 'job')} runs on in worker {worker.id} after the end of the "
        "attempt; it keeps its slot until it ends, or its worker does."
        for worker in takes
        if worker.lingering
    ]
    for worker in lost:
        silent_s = (facts.now - worker.last_seen_at).total_seconds()
        found.append(
            f"Worker {worker.id} has been silent for {seconds_text(silent_s)}; its jobs run again elsewhere. "
            "If that is as it should be, forget it on Workers."
        )
    waited_s = (facts.now - facts.oldest_queued_at).total_seconds() if facts.oldest_queued_at else 0.0
    if waited_s > LONG_WAIT_S and facts.running < facts.concurrency and not facts.paused:
        found.append(
            f"A job has waited for {seconds_text(waited_s)} while slots are free: "
            "its kind may be limited, or no worker knows it."
        )
    return found
