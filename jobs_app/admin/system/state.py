"""The admin page of the system: Redis, the database, what to paste in an issue, and the self-test."""

from collections.abc import Awaitable, Callable

import reflex as rx

from jobs_app import runtime
from jobs_app.admin.overview import overview
from jobs_app.admin.system.diagnostics import diagnostics, run_self_test
from jobs_app.admin.system.rows import FactRow
from jobs_app.live.effects import Effect
from jobs_app.live.notify import notify
from jobs_app.server.single_flight import Shared
from jobs_app.ui import formats
from jobs_app.ui.clipboard import copy
from jobs_app.ui.formats import seconds_text
from runlane import plain_json
from runlane.errors import JobsError
from runlane.maintenance.redis import RedisInfo
from runlane.maintenance.service import DatabaseInfo
from runlane.queue.redis_client import REDIS_TROUBLE
from runlane.queue.worker_registry import WorkerInfo, WorkerState

FRESH_S = 5.0


class AdminSystem(rx.State):
    """One tab's view of Redis, the database and the self-test."""

    redis: list[FactRow] = []
    slow: list[FactRow] = []
    redis_troubles: list[str] = []
    database: list[FactRow] = []
    indexes: list[FactRow] = []
    can_maintain: bool = False
    """Whether the database is a file, which can be checked, compacted and copied from here."""
    hops: list[FactRow] = []
    message: str = ""
    passed: bool = False
    working: str = ""
    """What is being done: ``self-test``, ``check`` or ``vacuum``; empty when nothing is."""
    asking: bool = False
    """Whether compacting waits for confirmation."""
    result: str = ""

    @rx.event
    async def load(self) -> None:
        self.hops, self.message, self.working, self.asking, self.result = [], "", "", False, ""
        await self._read()

    @rx.event
    async def refresh(self) -> None:
        await self._read()

    @rx.event(background=True)
    async def test_chain(self) -> None:
        """Run the self-test: send a job through the whole chain."""
        async with self:
            if self.working:
                return
            self.working, self.hops, self.message = "self-test", [], ""
        message, passed, hops = "", False, list[FactRow]()
        try:
            self_test = await run_self_test()
            message, passed = self_test.message, self_test.passed
            hops = [_fact(hop.name, "–" if hop.ms is None else f"{hop.ms:,.1f} ms") for hop in self_test.hops]
        except JobsError as error:
            message = error.message
        finally:
            async with self:
                self.working, self.message, self.passed, self.hops = "", message, passed, hops

    @rx.event(background=True)
    async def check(self) -> None:
        """Read the whole database, and report whether it is sound."""
        await self._maintain("check", self._checked)

    @rx.event
    def ask_vacuum(self) -> None:
        self.asking = True

    @rx.event
    def forget_question(self, is_open: bool) -> None:
        self.asking = is_open and self.asking

    @rx.event(background=True)
    async def vacuum(self) -> None:
        """Compact the database."""
        await self._maintain("vacuum", self._vacuumed)

    @rx.event
    async def copy(self) -> Effect:
        """Put what to paste in an issue on the clipboard."""
        try:
            found = await diagnostics()
        except JobsError as error:
            return await notify(self, "error", error.message)
        return copy(plain_json.dumps(found), "Copied; no secret is in it.")

    async def _maintain(self, name: str, act: Callable[[], Awaitable[str]]) -> None:
        async with self:
            if self.working:
                return
            self.working, self.asking, self.result = name, False, ""
        result = ""
        try:
            result = await act()
        except JobsError as error:
            result = error.message
        finally:
            async with self:
                self.working, self.result = "", result
                await self._read(fresh=True)

    @staticmethod
    async def _checked() -> str:
        found = await runtime.current().maintenance.check()
        if not found.faults:
            return f"The database is sound; reading all of it took {seconds_text(found.took_s)}."
        return f"The database is damaged: {'; '.join(found.faults)}. Stop the workers and restore a backup."

    @staticmethod
    async def _vacuumed() -> str:
        found = await runtime.current().maintenance.vacuum()
        saved = formats.size(max(0, found.bytes_before - found.bytes_after))
        return f"Done in {seconds_text(found.took_s)}: {saved} less, {formats.size(found.bytes_after)} now."

    async def _read(self, *, fresh: bool = False) -> None:
        active = runtime.current()
        of_redis, of_database = active.caches.of(_REDIS), active.caches.of(_DATABASE)
        if fresh:
            of_redis.forget()
            of_database.forget()
        try:
            info = await of_redis.get(active.redis_maintenance.info)
            clocks = [_clock(each) for each in (await overview()).facts.workers or () if each.state != WorkerState.LOST]
            self.redis, self.redis_troubles = [*_redis_facts(info), *clocks], info.troubles
            self.slow = [_fact(entry.command, f"{entry.took_ms:.1f} ms", formats.iso(entry.at)) for entry in info.slow]
        except REDIS_TROUBLE as exc:
            self.redis, self.slow, self.redis_troubles = [], [], [f"Redis does not answer: {exc}"]
        try:
            found = await of_database.get(active.maintenance.info)
        except JobsError as error:
            self.database, self.indexes = [_fact("Trouble", error.message)], []
            return
        self.can_maintain = found.system == "SQLite"
        self.database = _database_facts(found)
        self.indexes = [_fact(use.question, use.index or "none: it reads the whole table") for use in found.indexes]


_REDIS: Shared[RedisInfo] = Shared(FRESH_S)
_DATABASE: Shared[DatabaseInfo] = Shared(FRESH_S)


def _fact(name: str, value: str, at: str = "") -> FactRow:
    return {"name": name, "value": value, "at": at}


def _clock(worker: WorkerInfo) -> FactRow:
    return _fact(f"Clock of {worker.id}", f"{worker.clock_ahead_s * 1000:+.0f} ms from Redis's")


def _redis_facts(info: RedisInfo) -> list[FactRow]:
    limit = f" of {formats.size(info.memory_limit_bytes)}" if info.memory_limit_bytes else ", no limit"
    persistence = {True: "append-only file", False: "no append-only file", None: "unknown"}[info.append_only]
    trip = "not received" if info.round_trip_ms is None else f"{info.round_trip_ms:.1f} ms"
    return [
        _fact("Server", f"{info.version}, {info.role}, up {seconds_text(info.uptime_s)}"),
        _fact("Memory", f"{formats.size(info.memory_bytes)}{limit}; peak {formats.size(info.memory_peak_bytes)}"),
        _fact("When memory is full", info.eviction_policy or "unknown"),
        _fact("Persistence", persistence),
        _fact("Clients", f"{info.clients}, {info.blocked_clients} of them wait for something"),
        _fact("Commands a second", f"{info.commands_a_second:,}"),
        _fact("Answer", f"{info.ping_ms:.1f} ms"),
        _fact("Publish to receive", trip),
        _fact("Clock", f"{info.clock_ahead_s * 1000:+.0f} ms from this server's"),
    ]


def _database_facts(info: DatabaseInfo) -> list[FactRow]:
    facts = [_fact("System", f"{info.system} {info.version}"), _fact("Size", formats.size(info.bytes))]
    if info.system == "SQLite":
        facts.append(_fact("Write-ahead log", formats.size(info.wal_bytes)))
        facts.append(_fact("Free inside, used again", formats.size(info.free_bytes)))
    return facts
