"""Fill a database with jobs in every state, as a year of use would: for trying pages and measuring lists.

The jobs are made up, but their rows are what the product writes. Ended ones have a timeline of three rows. Nothing is
put in Redis, so that the queued ones wait until a worker's reconciler finds them: use a folder of your own.

    python -m bench.seed --jobs 1000000 /tmp/many
"""

import argparse
import asyncio
import random
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from runlane import plain_json
from runlane.core.counts import Counts
from runlane.db.database import Database
from runlane.db.schema import migrate
from runlane.metrics.samples import Samples
from runlane.metrics.statistics import Statistics
from runlane.model.fingerprint import fingerprint
from runlane.model.snapshot import JobError
from runlane.model.status import JobStatus

BATCH = 20_000
STATES = {
    JobStatus.COMPLETED: 900,
    JobStatus.FAILED: 60,
    JobStatus.CANCELLED: 30,
    JobStatus.QUEUED: 7,
    JobStatus.SCHEDULED: 3,
}
KINDS = {"web_agent": 60, "slow": 20, "always_fails": 10, "flaky": 5, "noisy": 5}
FAILURES = (
    ("TimedOut", "It ran longer than {n} seconds."),
    ("ConnectionError", "No route to host 10.0.0.{n}"),
    ("RuntimeError", "The page /items/{n} has no title"),
    ("ValueError", "invalid literal for int() with base 10: 'x{n}'"),
    ("WorkerLost", "The worker host-{n} was lost."),
)
JOB = (
    *("id", "kind", "params", "status", "progress", "message", "result", "error", "attempt", "max_attempts"),
    *(
        "fingerprint",
        "priority",
        "created_at",
        "scheduled_for",
        "queued_at",
        "started_at",
        "finished_at",
        "worker",
        "version",
    ),
)
EVENT = ("job_id", "version", "at", "type", "status", "attempt", "progress", "message", "data")
MESSAGES = ((JobStatus.QUEUED, "Waiting for a free slot."), (JobStatus.RUNNING, "Started."))


def made_up(count: int, chance: random.Random) -> Iterator[dict[str, Any]]:
    """Rows of the job table, the oldest first; the newest is of now."""
    now = datetime.now(UTC)
    statuses, shares = list(STATES), list(STATES.values())
    for number in range(count):
        created = now - timedelta(seconds=31_536_000 * (count - number) / count)
        [status] = chance.choices(statuses, shares)
        [kind] = chance.choices(list(KINDS), list(KINDS.values()))
        kind = "always_fails" if status is JobStatus.FAILED and chance.random() < 0.5 else kind
        started = created + timedelta(seconds=chance.expovariate(1 / 5))
        ended = started + timedelta(seconds=chance.lognormvariate(2, 1))
        error_type, message = chance.choice(FAILURES)
        message = message.format(n=chance.randrange(200))
        failed, over = status is JobStatus.FAILED, status.is_terminal
        yield {
            "id": _id(created, chance),
            "kind": kind,
            "params": plain_json.dumps({"url": f"https://example.com/{chance.randrange(5000)}", "steps": 10}),
            "status": status,
            "progress": 100.0 if status is JobStatus.COMPLETED else 0.0,
            "message": f"Failed: {message}" if failed else status.capitalize() + ".",
            "result": plain_json.dumps({"title": "Example"}) if status is JobStatus.COMPLETED else None,
            "error": plain_json.dumps({"type": error_type, "message": message, "traceback": ""}) if failed else None,
            "attempt": 1,
            "max_attempts": 3,
            "fingerprint": fingerprint(JobError(type=error_type, message=message)) if failed else None,
            "priority": chance.choice((0, 0, 0, 0, 5, 10)),
            "created_at": _text(created),
            "scheduled_for": _text(now + timedelta(hours=1)) if status is JobStatus.SCHEDULED else None,
            "queued_at": None if status is JobStatus.SCHEDULED else _text(created),
            "started_at": _text(started) if over else None,
            "finished_at": _text(ended) if over else None,
            "worker": "seed-1" if over else None,
            "version": 3 if over else 1,
        }


def timeline(job: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Rows of the timeline of one job."""
    first = (job["created_at"], JobStatus.SCHEDULED if job["scheduled_for"] else JobStatus.QUEUED)
    steps = [first, (job["started_at"], JobStatus.RUNNING), (job["finished_at"], job["status"])][: job["version"]]
    for version, (at, status) in enumerate(steps, start=1):
        message = dict(MESSAGES).get(status, job["message"])
        yield (job["id"], version, at, "status", status, 1, 0.0, message, None)


def _id(created: datetime, chance: random.Random) -> str:
    """A uuid7 of that time, as the store writes it."""
    value = int(created.timestamp() * 1000) << 80 | 0x7 << 76 | chance.getrandbits(12) << 64
    return UUID(int=value | 0b10 << 62 | chance.getrandbits(62)).hex


def _text(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S.%f")


def seed(path: Path, count: int, chance: random.Random, *, ended: bool = False) -> None:
    """Fill the SQLite file at ``path``, which is made if it is not there; with ``ended`` only with jobs that ended."""
    path.parent.mkdir(parents=True, exist_ok=True)
    migrate(f"sqlite:///{path}")
    jobs = f"INSERT INTO job ({', '.join(JOB)}) VALUES ({', '.join(f':{name}' for name in JOB)})"
    events = f"INSERT INTO job_event ({', '.join(EVENT)}) VALUES ({', '.join('?' * len(EVENT))})"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA synchronous=OFF")
        rows = (row for row in made_up(count, chance) if not ended or row["finished_at"])
        while batch := [row for _, row in zip(range(BATCH), rows, strict=False)]:
            db.executemany(jobs, batch)
            db.executemany(events, (event for row in batch for event in timeline(row)))
            db.commit()
        db.execute(
            "INSERT INTO stat_entry (at, kind, outcome, queued_at, started_at) "
            "SELECT finished_at, kind, status, queued_at, started_at FROM job WHERE finished_at IS NOT NULL"
        )
        db.execute("ANALYZE")
    db.close()
    asyncio.run(_write_figures(path, chance))


async def _write_figures(path: Path, chance: random.Random) -> None:
    """What the product would have recorded all along: figures, and the last hour minute by minute."""
    database = Database(f"sqlite:///{path}")
    now = datetime.now(UTC)
    await Statistics(database).roll_up(now)
    counts, waiting = await Counts(database).all(), 10
    for minutes in range(60, 0, -1):
        waiting = max(0, waiting + chance.randint(-4, 4))
        state = {
            **counts,
            JobStatus.SCHEDULED: chance.randint(2, 4),
            JobStatus.QUEUED: waiting,
            JobStatus.RUNNING: min(5, waiting),
            JobStatus.COMPLETED: counts[JobStatus.COMPLETED] - 2 * minutes,
        }
        at = now - timedelta(minutes=minutes)
        await Samples(database).take(at, state, 1, at - timedelta(seconds=2 * waiting) if waiting else None)
    await database.close()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("folder", type=Path, help="a data folder: RUNLANE_DATA_DIR of the product that is to show it")
    options.add_argument("--jobs", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=1, help="the same number gives the same jobs")
    given = options.parse_args()
    began = time.perf_counter()
    seed(given.folder / "runlane.db", given.jobs, random.Random(given.seed))
    print(f"{given.jobs:,} jobs in {given.folder / 'runlane.db'}, made in {time.perf_counter() - began:.0f} s.")


if __name__ == "__main__":
    main()
