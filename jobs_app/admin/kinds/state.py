"""The admin page of kinds: what can be submitted, what holds for it, which workers run it, and how long it takes."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import reflex as rx
from pydantic import ValidationError

from jobs_app import runtime
from jobs_app.admin.inputs import whole
from jobs_app.admin.kinds.rows import KindRow
from jobs_app.admin.overview import overview
from jobs_app.dashboard.slots.estimates import Estimates, Usual
from jobs_app.live.effects import Effect
from jobs_app.live.notify import notify
from jobs_app.server.single_flight import Shared
from jobs_app.submit.forms import form_fields
from jobs_app.ui.formats import seconds_text
from runlane.define.problems import field_errors
from runlane.errors import JobsError
from runlane.kinds.catalogue import catalogue
from runlane.kinds.settings_store import KindSetting
from runlane.model.kind import Kind
from runlane.model.requests import KindChange
from runlane.queue.worker_registry import WorkerState
from runlane.text import counted

FRESH_S = 4.0
# the fields of the form that sets the limits of a kind; an empty one means the kind's own limit
LIMITS = ("max_running", "rate_count", "rate_s")


class AdminKinds(rx.State):
    """One tab's list of kinds."""

    kinds: list[KindRow] = []
    wrong: dict[str, str] = {}
    """What is wrong with the limits that were typed, by kind."""

    @rx.event
    async def load(self) -> Effect:
        self.wrong = {}
        return await self._read()

    @rx.event
    async def refresh(self) -> Effect:
        return await self._read()

    @rx.event
    async def pause(self, name: str, paused: bool) -> Effect:
        """Pause the jobs of a kind, or let them go on."""
        return await self._change(name, KindChange(paused=paused), "is paused" if paused else "runs again")

    @rx.event
    async def set_limits(self, form: dict[str, str]) -> Effect:
        """Set how many jobs of a kind run at once, and how many start in a time."""
        name = form.get("kind", "")
        try:
            change = KindChange.model_validate({**_limits_of(form), "version": self._version(name)})
        except ValidationError as exc:
            first = field_errors(exc)[0]
            self.wrong = {**self.wrong, name: f"{WORDS.get(first.field, first.field)}: {first.message}"}
            return None
        self.wrong = {kind: text for kind, text in self.wrong.items() if kind != name}
        return await self._change(name, change, "has new limits; what runs goes on")

    async def _change(self, name: str, change: KindChange, outcome: str) -> Effect:
        try:
            await runtime.current().limits.change_kind(name, change)
        except JobsError as error:
            runtime.current().caches.of(_KINDS).forget()
            await self._read()
            return await notify(self, "error", error.message)
        runtime.current().caches.of(_KINDS).forget()
        await self._read()
        return await notify(self, "success", f"The kind {name} {outcome}.")

    def _version(self, name: str) -> int:
        return next((kind["version"] for kind in self.kinds if kind["name"] == name), 0)

    async def _read(self) -> Effect:
        try:
            self.kinds = await runtime.current().caches.of(_KINDS).get(_read_kinds)
        except JobsError as error:
            return await notify(self, "error", error.message)
        return None


_KINDS: Shared[list[KindRow]] = Shared(FRESH_S)


async def _read_kinds() -> list[KindRow]:
    estimates = Estimates(runtime.current().reader)
    _, in_force, system = await asyncio.gather(
        estimates.read({kind.name for kind in catalogue()}), runtime.current().limits.with_settings(), overview()
    )
    running: dict[str, list[str]] = defaultdict(list)
    off: dict[str, list[str]] = defaultdict(list)
    for worker in system.facts.workers or []:
        if worker.state is not WorkerState.LOST:
            for kind in worker.kinds:
                running[kind].append(worker.id)
            for kind, why in worker.off.items():
                off[kind].append(f"Off in {worker.id}: {why}.")
    known = {
        kind.name: _row(
            kind,
            estimates.get(kind.name),
            in_force.kinds.get(kind.name, KindSetting()),
            workers=running[kind.name],
            off=off[kind.name],
        )
        for kind in catalogue()
    }
    unknown = [_unknown(name, running[name]) for name in sorted(running.keys() - known.keys())]
    return [*unknown, *known.values()]


WORDS = {
    "max_running": "At once",
    "rate.count": "The number of starts",
    "rate.seconds": "The seconds",
    "rate": "The rate",
}


def _limits_of(form: Mapping[str, str]) -> dict[str, Any]:
    """The texts of the form as a change: as numbers, or as they are if they are none."""
    at_once, count, seconds = (form.get(name, "").strip() for name in LIMITS)
    rate = {"count": whole(count), "seconds": _number(seconds)} if count or seconds else None
    return {"max_running": whole(at_once) if at_once else None, "rate": rate}


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _row(kind: Kind, known: Usual | None, setting: KindSetting, *, workers: list[str], off: list[str]) -> KindRow:
    return {
        "name": kind.name,
        "title": kind.title,
        "description": kind.description,
        "limits": "; ".join(_limits(kind)),
        "usually": seconds_text(known.median_s) if known else "",
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
        "workers": workers,
        "off": off,
        "is_known": True,
    }


def _unknown(name: str, workers: list[str]) -> KindRow:
    """A kind that workers run and this server does not know."""
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
        "workers": workers,
        "off": [],
        "is_known": False,
    }


def _limits(kind: Kind) -> list[str]:
    attempts = counted(kind.max_attempts, "attempt")
    words = [attempts, f"at most {seconds_text(kind.timeout_s)} each"]
    if kind.max_running is not None:
        words.append(f"{kind.max_running} at once")
    if kind.rate is not None:
        words.append(f"{kind.rate.count} in {seconds_text(kind.rate.seconds)}")
    return words
