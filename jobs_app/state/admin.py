"""The admin pages: what the system does, and what may be changed about it."""

import asyncio
from datetime import datetime

import reflex as rx

from jobs.clock import utc_now
from jobs.errors import JobsError, Unavailable
from jobs.limits import MOST_CONCURRENCY
from jobs.models import JobStatus
from jobs.redis_link import REDIS_TROUBLE
from jobs.service import QueueChange
from jobs.workers import WorkerInfo, WorkerState
from jobs_app import rows, runtime
from jobs_app.broadcaster import look_at_queue
from jobs_app.health import Facts, troubles
from jobs_app.rows import WorkerRow
from jobs_app.state.notices import tell

WISHES = {"quiet": "takes no more jobs", "resume": "takes jobs again", "stop": "stops when its jobs have ended"}
"""What a worker may be told, and what then becomes of it."""
PING_WITHIN_S = 2.0


class Admin(rx.State):
    """One tab's admin page."""

    troubles: list[str] = []
    counts: dict[str, int] = {}
    oldest_queued_at: str = ""
    concurrency: int = 0
    paused: bool = False
    redis_ok: bool = True
    database_ok: bool = True
    workers: list[WorkerRow] = []
    loaded: bool = False
    wrong: str = ""
    """What is wrong with the concurrency that was asked for."""

    @rx.var
    def taking(self) -> int:
        """How many workers take jobs."""
        return sum(worker["state"] == WorkerState.RUNNING for worker in self.workers)

    @rx.event
    async def load(self):
        await self._read()

    @rx.event
    async def refresh(self):
        await self._read()

    @rx.event
    async def set_limit(self, form: dict[str, str]):
        """Change how many jobs run at once over all workers."""
        text = form.get("concurrency", "").strip()
        if not text.isdecimal() or not 1 <= int(text) <= MOST_CONCURRENCY:
            self.wrong = f"must be a whole number from 1 to {MOST_CONCURRENCY}"
            return None
        self.wrong = ""
        try:
            await runtime.jobs().change_queue(QueueChange(concurrency=int(text)))
        except JobsError as error:
            return await tell(self, "error", error.message)
        await self._changed()
        return await tell(self, "success", f"Up to {int(text)} jobs run at once now; what runs goes on.")

    @rx.event
    async def pause(self, paused: bool):
        """Pause the queue, or let it go on."""
        try:
            await runtime.jobs().change_queue(QueueChange(paused=paused))
        except JobsError as error:
            return await tell(self, "error", error.message)
        await self._changed()
        return await tell(self, "success", "The queue is paused." if paused else "The queue runs again.")

    @rx.event
    async def ask_worker(self, worker_id: str, wish: str):
        """Tell a worker to be quiet, to go on, or to stop."""
        if wish not in WISHES:
            return None
        try:
            await runtime.current().registry.ask(worker_id, wish)
        except REDIS_TROUBLE:
            return await tell(self, "error", "Redis does not answer, so the worker cannot be told now; try again.")
        except JobsError as error:
            return await tell(self, "error", error.message)
        return await tell(self, "success", f"Worker {worker_id} {WISHES[wish]}.")

    async def _changed(self) -> None:
        await look_at_queue()
        await self._read()

    async def _read(self) -> None:
        service = runtime.jobs()
        found, self.redis_ok = await _workers(), await _redis_ok()
        try:
            counts, oldest, limits = await asyncio.gather(
                service.store.counts(), service.store.oldest_queued_at(), service.limits()
            )
        except Unavailable:
            self.database_ok = False
            self.troubles = troubles(_facts(self, found, None))
        else:
            self.database_ok, self.concurrency, self.paused = True, limits.concurrency, limits.paused
            self.counts = {str(status): number for status, number in counts.items()}
            self.oldest_queued_at = rows.iso(oldest)
            self.troubles = troubles(_facts(self, found, oldest))
        self.workers = [_worker(worker) for worker in found or []]
        self.loaded = True


def _facts(page: Admin, found: list[WorkerInfo] | None, oldest: datetime | None) -> Facts:
    return Facts(
        now=utc_now(),
        queued=page.counts.get(JobStatus.QUEUED, 0),
        running=page.counts.get(JobStatus.RUNNING, 0),
        concurrency=page.concurrency,
        paused=page.paused,
        oldest_queued_at=oldest,
        workers=found,
        redis_ok=page.redis_ok,
        database_ok=page.database_ok,
    )


async def _workers() -> list[WorkerInfo] | None:
    try:
        return await runtime.current().registry.all()
    except REDIS_TROUBLE:
        return None


async def _redis_ok() -> bool:
    try:
        async with asyncio.timeout(PING_WITHIN_S):
            await runtime.current().queue.ping()
    except REDIS_TROUBLE:
        return False
    return True


def _worker(worker: WorkerInfo) -> WorkerRow:
    return {
        "id": worker.id,
        "host": worker.host,
        "pid": worker.pid,
        "version": worker.version,
        "state": str(worker.state),
        "started_at": rows.iso(worker.started_at),
        "seen_at": rows.iso(worker.last_seen_at),
        "slots": worker.slots,
        "running": [str(job_id) for job_id in worker.running] if worker.state is not WorkerState.LOST else [],
    }
