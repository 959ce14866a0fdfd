"""What all admin pages show, and what the overview and the list of workers change."""

from collections.abc import Sequence
from uuid import UUID

import reflex as rx

from jobs_app import runtime
from jobs_app.admin import tabs
from jobs_app.admin.health import troubles
from jobs_app.admin.overview import overview
from jobs_app.admin.rows import WorkerRow
from jobs_app.live import rooms
from jobs_app.live.arrival import join
from jobs_app.live.broadcaster import show_limits
from jobs_app.live.effects import Effect
from jobs_app.live.notify import notify
from jobs_app.ui import formats
from jobs_app.ui.formats import seconds_text
from runlane.errors import JobsError
from runlane.model.limits import MAX_CONCURRENCY
from runlane.model.requests import QueueChange
from runlane.model.snapshot import short_id
from runlane.model.status import JobStatus
from runlane.queue.client import WorkerCommand
from runlane.queue.worker_registry import WorkerInfo, WorkerState
from runlane.text import counted

# the commands to a worker, and what it does on each
COMMANDS: dict[WorkerCommand, str] = {
    "quiet": "takes no more jobs",
    "resume": "takes jobs again",
    "stop": "stops when its jobs have ended",
}
MAX_TEXT = 200
# a clock that differs by less from Redis's is right
CLOCK_TOLERANCE_S = 1.0


class Admin(rx.State):
    """One tab's admin page."""

    troubles: list[str] = []
    counts: dict[str, int] = {}
    sparks: dict[str, str] = {}
    """The last hour of each figure, as the path of a spark line."""
    lately: dict[str, str] = {}
    oldest_queued_at: str = ""
    concurrency: int = 0
    paused: bool = False
    redis_ok: bool = True
    database_ok: bool = True
    workers: list[WorkerRow] = []
    worker_text: str = ""
    worker_state: str = ""
    """Which of the workers are shown; empty: all."""
    loaded: bool = False
    _version: int = 0
    """Of the queue's setting, as it is shown."""
    stopping: str = ""
    """The worker that is to be stopped, once that is confirmed."""
    wrong: str = ""
    """What is wrong with the concurrency that was typed."""

    @rx.var
    def numbers(self) -> dict[str, str]:
        """The counts as people read them."""
        return {status: f"{number:,}" for status, number in self.counts.items()}

    @rx.var
    def taking(self) -> int:
        """How many workers take jobs."""
        return sum(worker["state"] == WorkerState.RUNNING for worker in self.workers)

    @rx.event
    async def join(self) -> None:
        """Have the page read again whenever something changes."""
        await join(self, rooms.ADMIN)

    @rx.event
    async def load(self) -> None:
        self.worker_text = self.worker_state = ""
        await self._read(fresh=True)  # what a person is about to change must be what holds now

    @rx.event
    async def refresh(self) -> Effect:
        """Something has changed: read again what this tab shows."""
        await self._read()
        return tabs.refresh_of(self.router.url.path)

    @rx.event
    async def set_limit(self, form: dict[str, str]) -> Effect:
        """Change how many jobs run at once over all workers."""
        text = form.get("concurrency", "").strip()
        if not text.isdecimal() or not 1 <= int(text) <= MAX_CONCURRENCY:
            self.wrong = f"must be a whole number from 1 to {MAX_CONCURRENCY}"
            return None
        self.wrong = ""
        try:
            await runtime.current().limits.change_queue(QueueChange(concurrency=int(text), version=self._version))
        except JobsError as error:
            await self._changed()
            return await notify(self, "error", error.message)
        await self._changed()
        return await notify(self, "success", f"At once now: {counted(int(text), 'job')} at most; what runs goes on.")

    @rx.event
    async def pause(self, paused: bool) -> Effect:
        """Pause the queue, or let it go on."""
        try:
            await runtime.current().limits.change_queue(QueueChange(paused=paused))
        except JobsError as error:
            return await notify(self, "error", error.message)
        await self._changed()
        return await notify(self, "success", "The queue is paused." if paused else "The queue runs again.")

    @rx.event
    def find_worker(self, text: str) -> None:
        self.worker_text = text[:MAX_TEXT].lower()

    @rx.event
    def show_workers(self, state: str) -> None:
        self.worker_state = state if state in set(WorkerState) else ""

    @rx.event
    def ask_stop(self, worker_id: str) -> None:
        """Ask for confirmation before a worker is stopped."""
        self.stopping = worker_id

    @rx.event
    def forget_question(self, is_open: bool) -> None:
        if not is_open:
            self.stopping = ""

    @rx.event
    async def stop_worker(self) -> Effect:
        worker_id, self.stopping = self.stopping, ""
        return await self._command(worker_id, "stop")

    @rx.event
    async def command_worker(self, worker_id: str, command: str) -> Effect:
        """Have a worker be quiet, go on, or stop, without confirmation."""
        known = next((each for each in COMMANDS if each == command), None)
        return await self._command(worker_id, known) if known else None

    async def _command(self, worker_id: str, command: WorkerCommand) -> Effect:
        try:
            await runtime.current().workers.command(worker_id, command)
        except JobsError as error:
            return await notify(self, "error", error.message)
        await self._read(fresh=True)
        return await notify(self, "success", f"Worker {worker_id} {COMMANDS[command]}.")

    @rx.event
    async def forget_worker(self, worker_id: str) -> Effect:
        """Dismiss a lost worker: it stays listed, and is no trouble any more."""
        try:
            await runtime.current().workers.forget(worker_id)
        except JobsError as error:
            return await notify(self, "error", error.message)
        await self._read(fresh=True)
        return await notify(self, "success", f"Worker {worker_id} is no trouble any more.")

    async def _changed(self) -> None:
        await show_limits()
        await self._read(fresh=True)

    async def _read(self, *, fresh: bool = False) -> None:
        system = await overview(fresh=fresh)
        facts = system.facts
        self.redis_ok, self.database_ok = facts.redis_ok, facts.database_ok
        self.troubles = [
            *troubles(facts),
            *(f"{alert.rule}: {alert.text}" for alert in runtime.current().watch.open_alerts),
        ]
        if facts.database_ok:
            self.concurrency, self.paused, self.counts = facts.concurrency, facts.paused, system.counts
            self._version = system.queue_version
            self.oldest_queued_at = formats.iso(facts.oldest_queued_at)
            self.sparks, self.lately = system.history.sparks, system.history.lately
        statuses = await _statuses(facts.workers or [])
        self.workers = [_worker(worker, statuses) for worker in facts.workers or []]
        self.loaded = True


async def _statuses(workers: Sequence[WorkerInfo]) -> dict[UUID, str]:
    """The status of every job that a worker runs or ran last; as running, if the database does not answer."""
    ids = [job_id for worker in workers for job_id in worker.running]
    if not ids:
        return {}
    try:
        statuses = await runtime.current().reader.statuses(ids)
    except JobsError:
        return dict.fromkeys(ids, str(JobStatus.RUNNING))
    return {job_id: str(status) for job_id, status in statuses.items()}


def _worker(worker: WorkerInfo, statuses: dict[UUID, str]) -> WorkerRow:
    skew_s = worker.clock_ahead_s
    return {
        "id": worker.id,
        "host": worker.host,
        "pid": worker.pid,
        "version": worker.version,
        "state": str(worker.state),
        "started_at": formats.iso(worker.started_at),
        "heartbeat_at": formats.iso(worker.last_seen_at),
        "slots": worker.slots,
        "running": [
            {"id": str(job_id), "short_id": short_id(str(job_id)), "status": statuses.get(job_id, "")}
            for job_id in worker.running
        ],
        "cpu": f"{worker.cpu_percent:.0f} %",
        "memory": formats.size(worker.memory_bytes),
        "clock": ""
        if abs(skew_s) < CLOCK_TOLERANCE_S
        else f"Its clock is {seconds_text(abs(skew_s))} {'ahead' if skew_s > 0 else 'behind'}.",
        "can_forget": worker.state is WorkerState.LOST and not worker.forgotten,
    }
