"""What to paste in an issue, and a job that is sent through the whole chain to see where it stops."""

import asyncio
import contextlib
import os
import platform
import sqlite3
import sys
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Any
from uuid import UUID

from pydantic_core import to_jsonable_python

from jobs_app import runtime
from jobs_app.admin.health import troubles
from jobs_app.admin.overview import overview
from jobs_app.live.hub import Mailbox
from runlane import __version__
from runlane.addresses import shown as shown_url
from runlane.clock import utc_now
from runlane.errors import JobsError, WrongStatus
from runlane.model.limits import MAX_PRIORITY
from runlane.model.requests import Submission
from runlane.model.snapshot import Change
from runlane.model.status import JobStatus
from runlane.queue.redis_client import REDIS_TROUBLE, place
from runlane.settings import Settings

SELF_TEST = "noop"
SELF_TEST_WITHIN_S = 10.0
PACKAGES = ("reflex", "fastapi", "sqlalchemy", "sqlmodel", "redis", "arq", "pydantic", "uvloop", "granian")


@dataclass(frozen=True)
class Hop:
    """A part of the way, and how long it took; ``None``: it was not passed."""

    name: str
    ms: float | None


@dataclass(frozen=True)
class SelfTest:
    """``said``: what came of it, in a sentence; where it stopped, and what to look at."""

    passed: bool
    said: str
    hops: list[Hop]


async def diagnostics() -> dict[str, Any]:
    """Everything that helps to find out what is wrong, as JSON; no secret is in it, and nothing of any job."""
    active, seen = runtime.current(), await overview(anew=True)
    found = {
        "at": utc_now(),
        "version": __version__,
        "python": sys.version.split()[0],
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "packages": {name: version(name) for name in PACKAGES} | {"sqlite": sqlite3.sqlite_version},
        "settings": shown_settings(active.config),
        "troubles": troubles(seen.facts),
        "counts": seen.counts,
        "limits": await _or_trouble(active.limits.current()),
        "workers": seen.facts.workers,
        "redis": await _or_trouble(active.redis_maintenance.info()),
        "database": await _or_trouble(active.maintenance.info()),
        "growth": await _or_trouble(active.samples.growth(utc_now())),
        "pages": active.hub.listeners,
    }
    return dict(to_jsonable_python(found, serialize_unknown=True))


def shown_settings(config: Settings) -> dict[str, Any]:
    """The settings by their names in the environment, with addresses that bear no secret."""
    shown = {field.alias or name: getattr(config, name) for name, field in Settings.model_fields.items()}
    shown["REDIS_URL"] = place(config.resolved_redis_url)
    shown["DATABASE_URL"] = shown_url(config.resolved_database_url)
    return shown


async def _or_trouble(asked: Any) -> Any:
    try:
        found = await asked
    except (JobsError, *REDIS_TROUBLE) as exc:
        return {"trouble": str(exc)}
    return asdict(found) if hasattr(found, "__dataclass_fields__") and not hasattr(found, "kinds") else found


async def run_self_test() -> SelfTest:
    """Send a job that does nothing through the whole chain, and tell how long each part took. It is deleted after.

    Raises:
        WrongStatus: the queue, or the kind of the canary, is paused.
    """
    service = runtime.jobs()
    limits = await runtime.current().limits.current()
    if limits.paused:
        raise WrongStatus("The queue is paused, so no job would start. Resume it, then test.")
    if limits.kinds[SELF_TEST].paused:
        raise WrongStatus(f"The kind {SELF_TEST}, which the test runs, is paused. Resume it, then test.")
    with runtime.current().hub.listen() as mailbox:
        asked_at = utc_now()
        job, _ = await service.submit(Submission(kind=SELF_TEST, priority=MAX_PRIORITY, max_attempts=1))
        stored_at = utc_now()
        heard: dict[JobStatus, datetime] = {}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SELF_TEST_WITHIN_S):
                await _hear(mailbox, job.id, heard)
        now = (await runtime.current().reader.get_many([job.id])).get(job.id)
        hops = [
            Hop("stored in SQL", _ms(asked_at, stored_at)),
            # a quick worker announces the end before this process has announced the beginning, which is then old news
            Hop("announced, and heard here", _ms(stored_at, min(heard.values(), default=None))),
            Hop("claimed by a worker", _ms(job.created_at, now and now.started_at)),
            Hop("run and recorded", _ms(now and now.started_at, now and now.finished_at)),
            Hop("its end announced, and heard here", _ms(now and now.finished_at, heard.get(JobStatus.COMPLETED))),
            Hop("all in all", _ms(asked_at, heard.get(JobStatus.COMPLETED))),
        ]
        await _tidy(job.id)
    return SelfTest(all(hop.ms is not None for hop in hops), _said(hops, now.worker if now else None), hops)


async def _hear(mailbox: Mailbox, job_id: UUID, heard: dict[JobStatus, datetime]) -> None:
    while JobStatus.COMPLETED not in heard:
        item = await mailbox.get()
        if isinstance(item, Change) and item.job.id == job_id:
            heard.setdefault(item.event.status, utc_now())


async def _tidy(job_id: UUID) -> None:
    with contextlib.suppress(JobsError):  # it has ended, as it should
        await runtime.jobs().cancel(job_id)
    with contextlib.suppress(JobsError):  # it runs; its timeline shows what becomes of it
        await runtime.jobs().delete(job_id)


def _said(hops: list[Hop], worker: str | None) -> str:
    missed = next((hop.name for hop in hops if hop.ms is None), None)
    if missed is None:
        return f"All parts work: the job ran on {worker} and was back after {hops[-1].ms:.0f} ms."
    why = {
        "announced, and heard here": "Redis did not pass on the announcement. Look at the Redis card.",
        "claimed by a worker": "No worker took it. Look at the workers, and at what else waits.",
        "run and recorded": "It was taken but did not end. Look at the worker's log.",
    }
    return f"It stopped before it was {missed}. {why.get(missed, 'Redis did not pass on its end.')}"


def _ms(begin: datetime | None, end: datetime | None) -> float | None:
    return None if begin is None or end is None else max(0.0, round(1000 * (end - begin).total_seconds(), 1))
