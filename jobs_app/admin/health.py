"""What is wrong with the system, in plain sentences that say what to do; none when all is well. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from jobs_app.ui.formats import seconds_text
from runlane.parts import Down
from runlane.queue.worker_registry import WorkerInfo, WorkerState
from runlane.text import counted, waiting

LONG_WAIT_S = 60.0
"""A job that waits longer while slots are free waits for something that is wrong."""


@dataclass(frozen=True)
class Facts:
    """What is known of the system at ``now``; ``workers`` is ``None`` when Redis does not tell.

    ``worker_seen_at``: when one was last seen to take jobs, by the minute; ``None`` if none was in the last hour.
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
    worker_seen_at: datetime | None = None
    down: Sequence[Down] = ()


def troubles(facts: Facts) -> list[str]:
    """Sentences for the top of the admin pages, the worst first."""
    said = []
    if not facts.database_ok:
        said.append(
            "The database does not answer: nothing can be submitted or changed. Check DATABASE_URL and the disk."
        )
    if not facts.redis_ok:
        said.append("Redis does not answer: nothing starts, and pages are not told of changes. Check REDIS_URL.")
    said += [
        f"The part {down.name!r} of this server has been down for "
        f"{seconds_text((facts.now - down.since).total_seconds())} ({down.error}). It is started again until it works; "
        "the log of the app has the traceback."
        for down in facts.down
    ]
    if not facts.database_ok:
        return said
    said += _of_workers(facts)
    if facts.paused and facts.queued:
        said.append(f"The queue is paused, and {waiting(facts.queued)}. Resume it to let jobs run.")
    return said


def _of_workers(facts: Facts) -> list[str]:
    if facts.workers is None:
        return []
    takes = [worker for worker in facts.workers if worker.state is WorkerState.RUNNING]
    lost = [worker for worker in facts.workers if worker.state is WorkerState.LOST and not worker.forgotten]
    before = f"{waiting(facts.queued)}, and " if facts.queued else ""
    if not takes:
        quiet = sum(worker.state is WorkerState.QUIET for worker in facts.workers)
        why = f"{quiet} of them quiet: resume one" if quiet else "start one: python -m worker"
        seen = [at for at in (facts.worker_seen_at, *(worker.last_seen_at for worker in facts.workers)) if at]
        none = "no worker takes jobs"
        if seen and not quiet:
            none = f"no worker has been seen for {seconds_text((facts.now - max(seen)).total_seconds())}"
        text = f"{before}{none}; {why}."
        return [text[0].upper() + text[1:]]
    said = [
        f"The kind {kind} is off: {why}. Mend that, and start its workers again; its jobs wait."
        for kind, why in sorted({off for worker in takes for off in worker.off.items()})
    ]
    said += [
        f"The code of {counted(len(worker.lingering), 'job')} runs on in worker {worker.id} after the end of the "
        "attempt; it keeps its slot until it ends, or its worker does."
        for worker in takes
        if worker.lingering
    ]
    for worker in lost:
        silent_s = (facts.now - worker.last_seen_at).total_seconds()
        said.append(
            f"Worker {worker.id} has been silent for {seconds_text(silent_s)}; its jobs run again elsewhere. "
            "If that is as it should be, forget it on Workers."
        )
    waited_s = (facts.now - facts.oldest_queued_at).total_seconds() if facts.oldest_queued_at else 0.0
    if waited_s > LONG_WAIT_S and facts.running < facts.concurrency and not facts.paused:
        said.append(
            f"A job has waited for {seconds_text(waited_s)} while slots are free: "
            "its kind may be limited, or no worker knows it."
        )
    return said
