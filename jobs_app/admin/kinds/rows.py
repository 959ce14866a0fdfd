"""Kinds as their page shows them, made from how they are registered and what living workers have. No I/O."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypedDict

from jobs_app.submit.forms import form_fields
from jobs_app.ui.formats import iso, seconds_text
from runlane.kinds.settings_store import KindSetting
from runlane.kinds.store import REMOVABLE_AFTER, Standing
from runlane.model.kind import Kind
from runlane.queue.worker_registry import WorkerInfo, WorkerState
from runlane.text import counted

# More workers than these are counted, not named.
MAX_NAMED = 5


class KindRow(TypedDict):
    """A kind of job, with what holds for it; ``params`` has one line a field."""

    name: str
    title: str
    description: str
    limits: str
    usually: str
    params: list[str]
    paused: bool
    max_running: str
    rate_count: str
    rate_s: str
    version: int
    """Of what people have set; see ``runlane.kinds.settings_store``."""
    tags: str
    """What a worker must have to run it, in words; empty: every worker runs it."""
    workers: str
    """The living workers that bring it, in words; empty without any."""
    waits: str
    """Why its jobs wait now, a sentence; empty if a worker takes them."""
    outdated: str
    """That workers bring another version of it, a sentence; empty if none does."""
    off: list[str]
    """Why living workers cannot run it although they should, a sentence for each."""
    brought_by: str
    brought_at: str
    """When a worker last brought it; empty for one that this server has not registered."""
    schema_version: int
    can_be_removed: bool
    """No worker has brought it for ``REMOVABLE_AFTER``."""
    is_known: bool
    """Whether it is registered; the others are known to workers only."""


def kind_row(
    kind: Kind,
    standing: Standing | None,
    setting: KindSetting,
    workers: Sequence[WorkerInfo],
    usual_s: float | None,
    now: datetime,
) -> KindRow:
    """A registered kind; ``workers``: all that are not lost."""
    having = [worker for worker in workers if kind.name in worker.kinds]
    digest = standing.digest if standing else kind.digest
    outdated = [worker.id for worker in having if worker.digests.get(kind.name, digest) != digest]
    return {
        "name": kind.name,
        "title": kind.title,
        "description": kind.description,
        "limits": "; ".join(_limits(kind)),
        "usually": "" if usual_s is None else seconds_text(usual_s),
        "params": [
            f"{field['name']} ({field['input']})"
            + (" required" if field["required"] else f" = {field['default'] or '–'}")
            for field in form_fields(kind)
        ],
        "paused": setting.paused,
        "max_running": str(setting.max_running or ""),
        "rate_count": str(setting.rate_count or ""),
        "rate_s": f"{setting.rate_s:g}" if setting.rate_s else "",
        "version": setting.version,
        "tags": ", ".join(kind.tags),
        "workers": named(worker.id for worker in having),
        "waits": _why_jobs_wait(kind, having),
        "outdated": f"{counted(len(outdated), 'worker')} {'brings' if len(outdated) == 1 else 'bring'} another version "
        f"of it: {named(outdated)}. The one that was brought last counts here."
        if outdated
        else "",
        "off": [
            f"Off in {worker.id}: {worker.off[kind.name].rstrip('.')}." for worker in workers if kind.name in worker.off
        ],
        "brought_by": standing.brought_by if standing else "",
        "brought_at": iso(standing.last_brought_at) if standing else "",
        "schema_version": standing.schema_version if standing else 1,
        "can_be_removed": standing is not None and now - standing.last_brought_at >= REMOVABLE_AFTER,
        "is_known": True,
    }


def unknown_row(name: str, workers: Sequence[WorkerInfo]) -> KindRow:
    """A kind that workers run and nobody has registered."""
    return {
        "name": name,
        "title": name,
        "description": "",
        "limits": "",
        "usually": "",
        "params": [],
        "paused": False,
        "max_running": "",
        "rate_count": "",
        "rate_s": "",
        "version": 0,
        "tags": "",
        "workers": named(worker.id for worker in workers if name in worker.kinds),
        "waits": "",
        "outdated": "",
        "off": [],
        "brought_by": "",
        "brought_at": "",
        "schema_version": 0,
        "can_be_removed": False,
        "is_known": False,
    }


def off_modules(workers: Iterable[WorkerInfo], known: Iterable[str]) -> list[str]:
    """What is off in workers and is no kind that is listed, a sentence for each: modules with jobs, as a rule."""
    listed = set(known)
    off = {(name, why.rstrip(".")): worker.id for worker in workers for name, why in worker.off.items()}
    return [f"{name} is off in {worker}: {why}." for (name, why), worker in sorted(off.items()) if name not in listed]


def named(ids: Iterable[str]) -> str:
    """Workers by their names, of many the first ones."""
    all_ids = list(ids)
    more = len(all_ids) - MAX_NAMED
    return ", ".join(all_ids[:MAX_NAMED]) + (f" and {more} more" if more > 0 else "")


def _why_jobs_wait(kind: Kind, having: Sequence[WorkerInfo]) -> str:
    if not having:
        return "No living worker brings this kind: its jobs wait."
    able = [worker for worker in having if worker.can_run(kind)]
    if not able:
        return f"No living worker has the tags {', '.join(kind.tags)}: its jobs wait."
    if all(worker.state is not WorkerState.RUNNING for worker in able):
        return "Its workers are quiet: its jobs wait."
    return ""


def _limits(kind: Kind) -> list[str]:
    words = [counted(kind.max_attempts, "attempt"), f"at most {seconds_text(kind.timeout_s)} each"]
    if kind.max_running is not None:
        words.append(f"{kind.max_running} at once")
    if kind.rate is not None:
        words.append(f"{kind.rate.count} in {seconds_text(kind.rate.seconds)}")
    return words
