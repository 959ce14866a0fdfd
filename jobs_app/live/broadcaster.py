"""Live pages: what this process's one subscription hears goes to rooms of browser tabs.

Everything that leans on Reflex's inner parts (rooms, deltas built by hand) is here, with a contract test of its own.
Two ways lead to a tab. *Hot* values (slots, progress, steps, counts) are one delta, encoded once and broadcast to a
room, at most every ``FLUSH_EVERY_S``. *Cold* values (lists, results) differ from tab to tab, so each tab is sent an
event that makes it read again, at most every ``REFRESH_EVERY_S``. A room is not a permission: whoever is in it sees it.
"""

import asyncio
import contextlib
import logging
import statistics
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import reflex as rx
from reflex.state import StateUpdate
from reflex_base.constants import SocketEvent
from reflex_base.constants.state import FIELD_MARKER
from reflex_base.event import Event

from jobs_app import routes, rows, runtime
from jobs_app.dashboard.estimates import Estimates
from jobs_app.dashboard.running import Board
from jobs_app.job.timeline_rows import is_step
from jobs_app.live.effects import toast
from jobs_app.live.event_log import LogLine
from jobs_app.live.hub import Item
from jobs_app.live.states import ADMIN, BOARD, EVENTS, QUIET, Live, LiveEvents, LiveJob, compared_room, job_room
from jobs_app.live.tails import TAIL_LINES, Tail
from runlane.clock import utc_now
from runlane.core.deletion import UNDO_WITHIN
from runlane.errors import Unavailable
from runlane.model.snapshot import Change, Deleted, JobSnapshot
from runlane.model.status import EventType, JobStatus
from runlane.parts import Loop
from runlane.queue.change_feed import Feed
from runlane.queue.redis_client import REDIS_TROUBLE
from runlane.queue.worker_registry import WorkerState

FLUSH_EVERY_S = 0.06
REFRESH_EVERY_S = 0.5
COUNT_EVERY_S = 0.5
SHOWN_NEXT = 3
SAY_AGAIN_S = 0.3
WATCH_EVERY_S = 2.0
SPEAK_EVERY_S = 5.0
NOT_THE_SAME = "\u00a0"
"""How often a screen reader is told anything that nobody asked for, at most."""
MOST_NOTICES = 30
DELAYS = 50
EVENTS_EVERY_S = 0.25
EVENTS_SHOWN = 200
OPERATIONS_SHOWN = 10

log = logging.getLogger(__name__)


class Broadcaster:
    """Carries what the hub hears to the rooms."""

    def __init__(self, app: rx.App, active: runtime.Runtime) -> None:
        self._app = app
        self._active = active
        self._estimates = Estimates(active.reader)
        self.board = Board(active.config.concurrency, self._estimates.get)
        self._marks: list[tuple[bool, str, bool]] = []
        self._board_changed = asyncio.Event()
        self._recount = asyncio.Event()
        self._stale_rooms: set[str] = set()
        self._stale = asyncio.Event()
        self._tails: dict[UUID, Tail] = {}
        self._steps: dict[UUID, tuple[int, datetime]] = {}
        self._heads: dict[UUID, JobSnapshot] = {}
        self._failed: list[JobSnapshot] = []
        self._has_failed = asyncio.Event()
        self._ended: Counter[str] = Counter()
        self._has_ended = asyncio.Event()
        self.notices: deque[rows.Notice] = deque(maxlen=MOST_NOTICES)
        self.operations: list[rows.OperationRow] = []
        self.environment = active.config.environment
        self.delay_ms = 0
        self._delays_ms: deque[float] = deque(maxlen=DELAYS)
        self._unsent_since: datetime | None = None
        self._gap_since: datetime | None = None
        self._has_heard = False

    def loops(self) -> dict[str, Loop]:
        """What broadcasts, each a part of the server."""
        return {
            "pages: changes": self._hear,
            "pages: deltas": self._flush,
            "pages: reading again": self._refresh,
            "pages: counts": self._count,
            "pages: queue": self._watch_queue,
            "pages: failures": self._watch_failures,
            "pages: spoken": self._speak,
            "pages: events": self._tell_events,
            "pages: operations": self._tell_operations,
        }

    async def _hear(self) -> None:
        with self._active.hub.listen() as mailbox:
            if self._has_heard:
                await self._read_again()  # it failed, and has missed what was said since
            self._has_heard = True
            async for item in mailbox:
                try:
                    await self._take(item)
                except Exception:  # what is odd about one job keeps no other from being shown
                    log.exception("A change could not be shown.")

    async def _take(self, item: Item) -> None:
        if isinstance(item, Change):
            self._take_change(item)
        elif isinstance(item, Deleted):
            for job_id in item.deleted:
                self.board.remove(job_id)
            about = {room(job_id) for job_id in item.deleted for room in (job_room, compared_room)}
            self._mark_stale(BOARD, ADMIN, *(about & set(self._rooms())))
            self._recount.set()
        else:
            was_down = self.board.feed == Feed.DOWN.value and self._gap_since is not None
            self.board.feed = item.value
            await self._send_all(feed=self.board.feed)
            if item is Feed.UP:
                await self._read_again()
                if was_down:
                    await self._tell_gap()
            else:
                self._gap_since = utc_now()
        self._board_changed.set()

    def _take_change(self, change: Change) -> None:
        job, room = change.job, job_room(change.job.id)
        self._unsent_since = self._unsent_since or change.event.at
        if self.board.apply(job, change.event.at):
            self._mark_stale(BOARD)
            if job.status.is_terminal and not _is_restored(change):
                self._ended[str(job.status)] += 1
                self._has_ended.set()
            if job.status is JobStatus.FAILED and not _is_restored(change):
                self._failed.append(job)
                self._has_failed.set()
        if self._members(room):
            self._heads[job.id] = job
            tail = self._tails.setdefault(job.id, Tail())
            tail.append(change.event, job.started_at, self._steps.get(job.id))
            if change.event.type in (EventType.STATUS, EventType.ARTIFACT) or len(tail.lines) == TAIL_LINES:
                self._mark_stale(room)
        if self._members(compared_room(job.id)) and (change.event.type is EventType.STATUS or is_step(change.event)):
            self._mark_stale(compared_room(job.id))
        self._follow_steps(change)
        if change.event.type is EventType.STATUS:
            self._recount.set()
            self._mark_stale(ADMIN)

    def _follow_steps(self, change: Change) -> None:
        """Know which step each running job is in: whoever opens its page later has it from the store."""
        if change.job.status is not JobStatus.RUNNING:
            self._steps.pop(change.job.id, None)
        elif is_step(change.event):
            self._steps[change.job.id] = (change.event.version, change.event.at)

    async def _read_again(self) -> None:
        try:
            self.board.reset(await self._active.reader.running())
        except Unavailable as exc:
            log.warning("Could not read what is running: %s", exc.message)
        self._recount.set()
        self._mark_stale(*self._rooms())

    # Hot: one delta for a whole room

    async def _flush(self) -> None:
        while True:
            await self._board_changed.wait()
            self._board_changed.clear()
            board = self.board
            await self._send(
                BOARD,
                Live,
                hot=board.hot(),
                slots=board.slots(),
                next=board.next,
                counts=board.counts,
                workers=board.workers,
                paused=board.paused,
                paused_kinds=board.paused_kinds,
            )
            for job_id, job in list(self._heads.items()):
                tail = self._tails.get(job_id) or Tail()
                await self._send(
                    job_room(job_id),
                    LiveJob,
                    head=rows.hot(job),
                    tail=list(tail.lines),
                    ended=dict(tail.ended),
                    elapsed_s=_elapsed_s(job),
                )
            self._heads.clear()
            self._measure()
            await asyncio.sleep(FLUSH_EVERY_S)

    def _measure(self) -> None:
        """Take note of how long the oldest change that was just sent had waited."""
        if self._unsent_since is not None:
            self._delays_ms.append(max((utc_now() - self._unsent_since).total_seconds() * 1000, 0.0))
            self._unsent_since = None

    async def _send_all(self, **values: Any) -> None:
        """Tell every tab, whatever page it shows."""
        for room in self._rooms():
            await self._send(room, Live, **values)

    async def _tell_gap(self) -> None:
        gap_s = round((utc_now() - self._gap_since).total_seconds()) if self._gap_since else 0
        self._gap_since = None
        text = f"Changes were not announced for {gap_s} s; everything was read anew."
        await self._tell(toast("info", text, id="gap"), "info", text, self._rooms())

    async def _tell(self, passing: Any, level: str, text: str, rooms: Sequence[str], href: str = "") -> None:
        """Show a message in passing in these rooms, and keep it in the list of all."""
        self.notices.appendleft(rows.Notice(at=rows.iso(utc_now()), level=level, text=text, href=href))
        for room in rooms:
            if self._members(room):
                await self._emit(room, StateUpdate(events=Event.from_event_type(passing)))
        await self._send_all(notices=list(self.notices))

    async def _send(self, room: str, state: type[rx.State], **values: Any) -> None:
        if self._members(room):
            delta = {state.get_full_name(): {name + FIELD_MARKER: value for name, value in values.items()}}
            await self._emit(room, StateUpdate(delta=delta))

    async def _watch_failures(self) -> None:
        """Tell of failures, a burst as one message; of the first at once."""
        while True:
            await self._has_failed.wait()
            self._has_failed.clear()
            await self._tell_failures()
            await asyncio.sleep(SPEAK_EVERY_S)

    async def _speak(self) -> None:
        """Sum up what ended for those who cannot see it."""
        said = ""
        while True:
            await self._has_ended.wait()
            self._has_ended.clear()
            ended, self._ended = self._ended, Counter()
            text = ", ".join(f"{number} {status}" for status, number in ended.items())
            now = f"Jobs ended: {text}."
            said = now + NOT_THE_SAME if said == now else now  # what stays as it is is not read out again
            await self._send(BOARD, Live, spoken=said)
            await asyncio.sleep(SPEAK_EVERY_S)

    async def _tell_events(self) -> None:
        """Show the newest events where they are looked at."""
        told = 0
        while True:
            await self._active.event_log.grown.wait()
            self._active.event_log.grown.clear()
            for line in reversed(self._active.event_log.lines(what="alert", after=told)):
                told = line["number"]
                passing = toast("warning", line["text"], id=f"alert-{told}", duration=10_000)
                await self._tell(passing, "error", line["text"], (BOARD, ADMIN), line["href"])
                self._mark_stale(ADMIN)
            await self._send(EVENTS, LiveEvents, lines=self.newest_events())
            await asyncio.sleep(EVENTS_EVERY_S)

    async def _tell_operations(self) -> None:
        """Show everywhere what is done to many jobs, and how far it is."""
        changed = self._active.operations.changed
        changed.set()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._undo_over_in_s()):
                    await changed.wait()
            changed.clear()
            await self._read_operations()
            await asyncio.sleep(EVENTS_EVERY_S)

    def _undo_over_in_s(self) -> float | None:
        """By when a deletion that can be undone now is so no more; nobody announces it."""
        return UNDO_WITHIN.total_seconds() if any(row["can_be_undone"] for row in self.operations) else None

    async def _read_operations(self) -> None:
        try:
            found = await self._active.operations.newest(OPERATIONS_SHOWN)
        except Unavailable as exc:
            log.debug("What is done to many jobs is not known: %s", exc.message)
            return
        before = {row["id"] for row in self.operations if not row["is_over"]}
        self.operations = [rows.operation_row(operation, utc_now()) for operation in found]
        for row in self.operations:
            if row["id"] in before and row["is_over"]:
                text = f"{row['title']}: {row['state']}, {row['so_far']}."
                await self._tell(toast("info", text, id=row["id"]), "info", text, (BOARD, ADMIN), routes.ADMIN_QUEUE)
        await self._send_all(operations=self.operations)

    def newest_events(self) -> list[LogLine]:
        return self._active.event_log.lines()[:EVENTS_SHOWN]

    async def _tell_failures(self) -> None:
        failed, self._failed = self._failed, []
        first = failed[0]
        text = f"Job {first.short_id} ({rows.kind_title(first.kind)}) failed"
        if len(failed) > 1:
            text = f"{len(failed)} jobs failed, the first is {first.short_id}"
        reason = first.error.message[:200] if first.error else ""
        passing = toast("error", text, description=reason, id="job-failed", close_button=True, duration=8000)
        href = f"{routes.DASHBOARD}?status=failed" if len(failed) > 1 else routes.job(first.id)
        await self._tell(passing, "error", text, (BOARD, job_room(first.id)), href)

    async def _emit(self, room: str, update: StateUpdate) -> None:
        await self._app.event_namespace.emit(str(SocketEvent.EVENT), update, room=room)

    # Cold: each tab reads again what it shows

    def _mark_stale(self, *rooms: str) -> None:
        self._stale_rooms.update(rooms)
        self._stale.set()

    async def _refresh(self) -> None:
        from jobs_app.admin.state import Admin
        from jobs_app.compare.state import Comparison
        from jobs_app.dashboard.state import BoardState
        from jobs_app.job.state import JobPage

        refreshes = {
            BOARD: BoardState.refresh,
            ADMIN: Admin.refresh,
            EVENTS: Admin.refresh,
            "job": JobPage.refresh,
            "compared": Comparison.refresh,
        }
        while True:
            await self._stale.wait()
            self._stale.clear()
            rooms, self._stale_rooms = self._stale_rooms, set()
            for room in rooms:
                if room != QUIET:
                    await self._enqueue(room, refreshes[room.partition(":")[0]]())
            self._shorten_tails(rooms)
            await asyncio.sleep(REFRESH_EVERY_S)

    async def _enqueue(self, room: str, spec: Any) -> None:
        namespace = self._app.event_namespace
        for sid in self._members(room):
            token = namespace.sid_to_token.get(sid)
            if token is not None:
                for event in Event.from_event_type(spec):
                    await self._app.event_processor.enqueue(token, event)

    def _shorten_tails(self, rooms: set[str]) -> None:
        """Drop what the tabs in these rooms have just been told to read, and what nobody looks at any more."""
        for job_id, tail in self._tails.items():
            if job_room(job_id) in rooms:
                tail.shorten()
        for job_id in [j for j in self._tails if not self._members(job_room(j))]:
            del self._tails[job_id]
            self._heads.pop(job_id, None)

    # Counts and workers

    async def _count(self) -> None:
        while True:
            await self._recount.wait()
            self._recount.clear()
            if self._members(BOARD):
                await self._read_counts()
            await asyncio.sleep(COUNT_EVERY_S)

    async def _read_counts(self) -> None:
        try:
            counts = await self._active.counts.all()
        except Unavailable as exc:
            log.warning("Could not count the jobs: %s", exc.message)
            return
        self.board.counts = {str(status): number for status, number in counts.items()}
        await self._look_ahead(counts[JobStatus.QUEUED])
        self._board_changed.set()

    async def _look_ahead(self, queued: int) -> None:
        """What starts next, and how long what runs may take."""
        reader = self._active.reader
        try:
            ids = await self._active.queue.head(SHOWN_NEXT) if queued else []
            jobs = await reader.get_many(ids, brief=True) if ids else {}
            await self._estimates.read({job.kind for job in (*self.board.running(), *jobs.values())})
        except (*REDIS_TROUBLE, Unavailable) as exc:
            log.debug("What starts next is not known: %s", exc)
            return
        waiting = [jobs[job_id] for job_id in ids if job_id in jobs and jobs[job_id].status is JobStatus.QUEUED]
        self.board.expect(waiting)

    async def _watch_queue(self) -> None:
        """What other processes may change without an announcement: workers come and go, somebody pauses the queue."""
        while True:
            await self._look_at_workers()
            await self.look_at_queue()
            self._look_at_marks()
            if self.board.running():
                self._recount.set()  # what is usual is learnt while jobs run
            await self._say_how_fresh()
            self._mark_stale(ADMIN, EVENTS)  # workers beat, and settings change, without an announcement
            await asyncio.sleep(WATCH_EVERY_S)

    def _look_at_marks(self) -> None:
        """A job becomes slow, silent or overdue by doing nothing: nobody announces it."""
        marks = [(slot["slow"], slot["silent_since"], slot["ends_at"] == "") for slot in self.board.slots()]
        if marks != self._marks:
            self._marks = marks
            self._board_changed.set()

    async def _say_how_fresh(self) -> None:
        if self._delays_ms:
            self.delay_ms = round(statistics.median(self._delays_ms))
        if self.board.feed == Feed.UP.value:
            await self._send_all(heard_at=rows.iso(utc_now()), delay_ms=self.delay_ms)

    async def _look_at_workers(self) -> None:
        try:
            found = await self._active.registry.all()
        except REDIS_TROUBLE as exc:
            log.debug("The workers are not known: %s", exc)
            return
        alive = sum(worker.state is WorkerState.RUNNING for worker in found)
        if alive != self.board.workers:
            if alive < self.board.workers:
                text = f"A worker is gone; {alive} left." if alive else "The last worker is gone: nothing will run."
                await self._tell(toast("info", text, id="workers"), "info", text, (BOARD,))
            self.board.workers = alive
            self._board_changed.set()

    async def look_at_queue(self) -> None:
        """Show what holds for the queue now, in every tab."""
        try:
            limits = await self._active.limits.current()
        except Unavailable as exc:
            log.debug("The queue's settings are not known: %s", exc.message)
            return
        if limits != self.board.limits:
            self.board.limits = limits
            self.board.set_places(limits.concurrency)
            self._recount.set()  # what starts next depends on them
            self._mark_stale(*self._rooms())
            self._board_changed.set()

    # Rooms

    async def enter(self, sid: str, *rooms: str) -> None:
        """Put a tab in the rooms of the page that it shows, and take it out of all others.

        The board is sent once more a moment later, for a broadcast may overtake the reply to the newcomer.
        """
        namespace = self._app.event_namespace
        for other in self._rooms():
            if other not in rooms:
                await namespace.leave_room(sid, other)
        for room in rooms:
            await namespace.enter_room(sid, room)
        if BOARD in rooms:
            await self._read_counts()  # kept up only while somebody looks
            asyncio.get_running_loop().call_later(SAY_AGAIN_S, self._board_changed.set)

    @property
    def tabs(self) -> int:
        """How many tabs look at a page."""
        return len({sid for room in self._rooms() for sid in self._members(room)})

    def _rooms(self) -> list[str]:
        manager = self._app.event_namespace.server.manager
        rooms = manager.rooms.get(self._app.event_namespace.namespace, {})
        whole, of_jobs = (ADMIN, BOARD, EVENTS, QUIET), ("job:", "compared:")
        return [room for room in rooms if room and (room in whole or room.startswith(of_jobs))]

    def _members(self, room: str) -> list[str]:
        """The connections in a room."""
        manager = self._app.event_namespace.server.manager
        return list(manager.rooms.get(self._app.event_namespace.namespace, {}).get(room) or ())


def _elapsed_s(job: JobSnapshot) -> float:
    if job.started_at is None or job.status is not JobStatus.RUNNING:
        return 0.0
    return round((utc_now() - job.started_at).total_seconds(), 2)


def _is_restored(change: Change) -> bool:
    """Whether the job had ended before, and only its deletion was undone."""
    return (change.event.data or {}).get("reason") == "restored"


_active: Broadcaster | None = None


def current() -> Broadcaster:
    if _active is None:
        raise RuntimeError("The server has not started.")
    return _active


def tabs_open() -> int:
    """How many tabs look at a page of this server; none before it serves pages."""
    return 0 if _active is None else _active.tabs


async def look_at_queue() -> None:
    """Have every tab show what somebody has just changed about the queue."""
    await current().look_at_queue()


@contextlib.contextmanager
def broadcasting(app: rx.App, active: runtime.Runtime) -> Iterator[None]:
    """Keep the pages of ``app`` live for as long as the parts of the server run."""
    global _active
    _active = Broadcaster(app, active)
    active.parts.start(_active.loops())
    try:
        yield
    finally:
        _active = None
