"""Diagnostics to paste in an issue, and the self-test: a job sent through the whole chain to find where it stops."""

import asyncio
import contextlib
import os
import platform
import sqlite3
import sys
from collections.abc import Awaitable
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Annotated, Any
from uuid import UUID

from pydantic import Field
from pydantic_core import to_jsonable_python

from jobs_app import runtime
from jobs_app.admin.health import troubles
from jobs_app.admin.overview import overview
from jobs_app.live.hub import Mailbox
from runlane import __version__
from runlane.addresses import shown as shown_url
from runlane.clock import utc_now
from runlane.errors import JobsError, WrongStatus
from runlane.model.limits import MAX_PRIORITY, KindLimit
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
    """A step of the way, and how long it took; ``None``: it was not reached."""

    name: str
    ms: float | None


@dataclass(frozen=True)
class SelfTest:
    """Whether the self-test passed, and the outcome in a sentence: where it stopped, and what to check."""

    passed: bool
    # REST names it ``said``
    message: Annotated[str, Field(serialization_alias="said")]
    hops: list[Hop]


async def diagnostics() -> dict[str, Any]:
    """Everything that helps to find out what is wrong, as JSON; no secret is in it, and nothing of any job."""
    active, system = runtime.current(), await overview(fresh=True)
    found = {
        "at": utc_now(),
        "version": __version__,
        "python": sys.version.split()[0],
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "packages": {name: version(name) for name in PACKAGES} | {"sqlite": sqlite3.sqlite_version},
        "settings": shown_settings(active.config),
        "troubles": troubles(system.facts),
        "counts": system.counts,
        "limits": await _or_trouble(active.limits.current()),
        "workers": system.facts.workers,
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


async def _or_trouble(read: Awaitable[Any]) -> Any:
    try:
        found = await read
    except (JobsError, *REDIS_TROUBLE) as exc:
        return {"trouble": str(exc)}
    return asdict(found) if hasattr(found, "__dataclass_fields__") and not hasattr(found, "kinds") else found


async def run_self_test() -> SelfTest:
    """Send a job that does nothing through the whole chain, and measure each part of the way. It is deleted after.

    Raises:
        WrongStatus: the queue, or the kind of the self-test, is paused.
    """
    service = runtime.jobs()
    limits = await runtime.current().limits.current()
    if limits.paused:
        raise WrongStatus("The queue is paused, so no job would start. Resume it, then test.")
    if service.kinds.find(SELF_TEST) is None:
        raise WrongStatus(
            f"No worker has brought the kind {SELF_TEST}, which the test runs. Start a worker with the bundled jobs "
            "(runlane worker), then test."
        )
    if limits.kinds.get(SELF_TEST, KindLimit()).paused:
        raise WrongStatus(f"The kind {SELF_TEST}, which the test runs, is paused. Resume it, then test.")
    with runtime.current().hub.listen() as mailbox:
        submitted_at = utc_now()
        job, _ = await service.submit(Submission(kind=SELF_TEST, priority=MAX_PRIORITY, max_attempts=1))
        stored_at = utc_now()
        announced_at: dict[JobStatus, datetime] = {}
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SELF_TEST_WITHIN_S):
                await _listen(mailbox, job.id, announced_at)
        ended = (await runtime.current().reader.get_many([job.id])).get(job.id)
        started_at, finished_at = (ended.started_at, ended.finished_at) if ended else (None, None)
        hops = [
            Hop("stored in SQL", _ms(submitted_at, stored_at)),
            # a quick worker announces the end before this process has announced the beginning, which is then old news
            Hop("announced, and heard here", _ms(stored_at, min(announced_at.values(), default=None))),
            Hop("claimed by a worker", _ms(job.created_at, started_at)),
            Hop("run and recorded", _ms(started_at, finished_at)),
            Hop("its end announced, and heard here", _ms(finished_at, announced_at.get(JobStatus.COMPLETED))),
            Hop("all in all", _ms(submitted_at, announced_at.get(JobStatus.COMPLETED))),
        ]
        await _clean_up(job.id)
    return SelfTest(all(hop.ms is not None for hop in hops), _message(hops, ended.worker if ended else None), hops)


async def _listen(mailbox: Mailbox, job_id: UUID, announced_at: dict[JobStatus, datetime]) -> None:
    while JobStatus.COMPLETED not in announced_at:
        item = await mailbox.get()
        if isinstance(item, Change) and item.job.id == job_id:
            announced_at.setdefault(item.event.status, utc_now())


async def _clean_up(job_id: UUID) -> None:
    with contextlib.suppress(JobsError):  # it has ended, as it should
        await runtime.jobs().cancel(job_id)
    with contextlib.suppress(JobsError):  # it runs still; its timeline shows how it ends
        await runtime.jobs().delete(job_id)


def _message(hops: list[Hop], worker: str | None) -> str:
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
