"""The admin page of kinds: what can be submitted, what holds for it, which workers run it, and how long it takes."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import reflex as rx
from pydantic import ValidationError

from jobs_app import runtime
from jobs_app.admin.inputs import whole
from jobs_app.admin.kinds.rows import KindRow, kind_row, off_modules, unknown_row
from jobs_app.admin.overview import overview
from jobs_app.dashboard.slots.estimates import Estimates
from jobs_app.live.effects import Effect
from jobs_app.live.notify import notify
from jobs_app.server.single_flight import Shared
from runlane.clock import utc_now
from runlane.define.problems import field_errors
from runlane.errors import JobsError
from runlane.kinds.catalogue import catalogue
from runlane.kinds.settings_store import KindSetting
from runlane.model.kind import Kind
from runlane.model.requests import KindChange
from runlane.queue.worker_registry import WorkerState

FRESH_S = 4.0
MAX_SHOWN = 40
MAX_TEXT = 200
# the fields of the form that sets the limits of a kind; an empty one means the kind's own limit
LIMITS = ("max_running", "rate_count", "rate_s")


class AdminKinds(rx.State):
    """One tab's list of kinds."""

    kinds: list[KindRow] = []
    """The first ``MAX_SHOWN`` that match."""
    matching: int = 0
    total: int = 0
    off: list[str] = []
    """What is off in workers, besides kinds that are listed: modules that cannot be imported."""
    text: str = ""
    """Which kinds are shown; empty: all."""
    removing: str = ""
    """The kind that is removed once that is confirmed; empty if none is."""
    wrong: dict[str, str] = {}
    """What is wrong with the limits that were typed, by kind."""

    @rx.event
    async def load(self) -> Effect:
        self.wrong, self.text, self.removing = {}, "", ""
        return await self._read()

    @rx.event
    async def find(self, text: str) -> Effect:
        """Show the kinds with these words in their names, titles, groups and tags."""
        self.text = text[:MAX_TEXT].strip()
        return await self._read()

    @rx.event
    def ask_remove(self, name: str) -> None:
        self.removing = name if any(kind["name"] == name for kind in self.kinds) else ""

    @rx.event
    def forget_question(self, is_open: bool) -> None:
        if not is_open:
            self.removing = ""

    @rx.event
    async def remove(self) -> Effect:
        """Remove the kind that was asked about; its jobs stay."""
        name, self.removing = self.removing, ""
        try:
            await runtime.current().kinds.remove(name)
        except JobsError as error:
            return await notify(self, "error", error.message)
        await self._read()
        return await notify(self, "success", f"The kind {name} is removed; its jobs stay.")

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
            cache = runtime.current().caches.of(_KINDS)
            listed = await cache.get(partial(_read_kinds, self.text), (catalogue().version, self.text))
        except JobsError as error:
            return await notify(self, "error", error.message)
        self.kinds, self.matching, self.total, self.off = listed.kinds, listed.matching, listed.total, listed.off
        return None


@dataclass(frozen=True)
class Listed:
    """What the page lists: some of the kinds, how many there are in all that match, and what is off besides."""

    kinds: list[KindRow]
    matching: int
    total: int
    off: list[str]


_KINDS: Shared[Listed] = Shared(FRESH_S)


async def _read_kinds(text: str) -> Listed:
    active, system = runtime.current(), await overview()
    workers = [worker for worker in system.facts.workers or [] if worker.state is not WorkerState.LOST]
    everything = list(catalogue())
    words = text.lower().split()
    matching = [kind for kind in everything if all(word in _words_of(kind) for word in words)]
    shown = matching[:MAX_SHOWN]
    estimates = Estimates(active.reader)
    _, in_force = await asyncio.gather(estimates.read({kind.name for kind in shown}), active.limits.with_settings())
    standings, now = active.kinds.standings, utc_now()
    rows = [
        kind_row(
            kind,
            standings.get(kind.name),
            in_force.kinds.get(kind.name, KindSetting()),
            workers,
            usual.median_s if (usual := estimates.get(kind.name)) else None,
            now,
        )
        for kind in shown
    ]
    names = {kind.name for kind in everything}
    unknown = sorted({name for worker in workers for name in worker.kinds} - names)
    found = [unknown_row(name, workers) for name in unknown if all(word in name.lower() for word in words)]
    return Listed([*found[:MAX_SHOWN], *rows], len(found) + len(matching), len(names), off_modules(workers, names))


def _words_of(kind: Kind) -> str:
    return " ".join((kind.name, kind.title, kind.group, *kind.tags)).lower()


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
