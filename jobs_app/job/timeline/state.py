"""The timeline of one tab's job: which of its lines are shown, and the replay of an ended one."""

import asyncio
from uuid import UUID

import reflex as rx

from jobs_app import runtime
from jobs_app.job.timeline import rows
from jobs_app.job.timeline.rows import SHOWN_STATUS_ROWS, Lane, Line
from jobs_app.live.effects import Effect
from jobs_app.live.notify import notify
from jobs_app.ui.clipboard import copy
from runlane.clock import utc_now
from runlane.errors import JobsError
from runlane.model.snapshot import JobEvent, JobSnapshot
from runlane.model.status import EventType
from runlane.text import counted

FIRST_LINES = 300
MORE_LINES = 2000
MAX_LINES = 10_000
BLOCK = 100
# How long a replay takes at most; a shorter job is replayed at its own pace.
REPLAY_S = 8.0
FRAME_S = 0.1


class Timeline(rx.State):
    """One tab's timeline."""

    blocks: list[list[Line]] = []
    """The lines, oldest first, in blocks of which a browser need not draw those out of sight."""
    earlier: bool = False
    """Whether there are older lines, which were not read."""
    at_limit: bool = False
    """Whether ``MAX_LINES`` were read: older ones are neither shown nor searched."""
    loaded_version: int = 0
    show: str = ""
    """Only lines of this sort; empty: all of them."""
    search: str = ""
    attempt: int = 0
    """Only this attempt; 0: all of them."""
    follow: bool = True
    lanes: list[Lane] = []
    span_s: float = 0.0
    replaying: bool = False
    replay_s: float = 0.0
    replay_progress: int = 0
    replay_step: str = ""
    playing: bool = False
    _line_limit: int = FIRST_LINES
    _job_id: str = ""
    _steps: list[tuple[float, int, str]] = []

    async def read(self, job: JobSnapshot) -> list[JobEvent]:
        """Read the job's timeline; its status rows, oldest first."""
        if self._job_id != str(job.id):
            self.reset()  # type: ignore[no-untyped-call]  # Reflex gives it no type
            self._job_id = str(job.id)
        reader = runtime.current().reader
        status_events = await reader.events(job.id, limit=SHOWN_STATUS_ROWS, newest=True, types=[EventType.STATUS])
        self.lanes, self.span_s = rows.lanes(status_events, utc_now()), rows.span_s(status_events)
        await self._read_lines(job.id, status_events)
        return status_events

    @rx.event
    async def show_earlier(self) -> Effect:
        self._line_limit = min(self._line_limit + MORE_LINES, MAX_LINES)
        return await self._read_again()

    @rx.event
    async def narrow(self, show: str) -> Effect:
        self.show = show if show in rows.SORTS else ""
        return await self._read_again()

    @rx.event
    async def find(self, search: str) -> Effect:
        self.search = search[:200]
        return await self._read_again()

    @rx.event
    async def choose_attempt(self, number: int) -> Effect:
        """Show the lines of one attempt, or of all again."""
        self.attempt = 0 if self.attempt == number else number
        return await self._read_again()

    @rx.event
    def set_following(self, follow: bool) -> None:
        self.follow = follow

    @rx.event
    async def copy(self) -> Effect:
        """Put the lines on the clipboard, with those that came since they were read."""
        failure = await self._read_again()
        if failure is not None:
            return failure
        lines = shown_lines(self)
        text = "\n".join(f"{line['at']}\t{_source(line)}\t{line['text']}" for line in lines)
        return copy(text, f"{counted(len(lines), 'line')} copied.")

    @rx.event
    def replay_to(self, at_s: float) -> None:
        """Show the job as it was so many seconds after its (chosen, else last) attempt began."""
        self.replaying, self.playing = True, False
        self._show_moment(min(max(at_s, 0.0), self.span_s))

    @rx.event
    def pause(self) -> None:
        self.playing = False

    @rx.event
    def end_replay(self) -> None:
        self.replaying = self.playing = False

    @rx.event(background=True, supersedes=True)
    async def play(self) -> None:
        """Replay from where the scrubber is, or from the start."""
        async with self:
            begin = 0.0 if not self.replaying or self.replay_s >= self.span_s else self.replay_s
            self.replaying = self.playing = True
            pace = max(self.span_s / REPLAY_S, 1.0)
            end = self.span_s
        at = begin
        while at < end:
            await asyncio.sleep(FRAME_S)
            at = min(at + FRAME_S * pace, end)
            async with self:
                if not self.playing:
                    return
                self._show_moment(at)
        async with self:
            self.playing = False

    def _show_moment(self, at: float) -> None:
        self.replay_s = round(at, 2)
        past = [step for step in self._steps if step[0] <= at]
        _, self.replay_progress, self.replay_step = past[-1] if past else (0.0, 0, "")

    async def _read_again(self) -> Effect:
        if self._job_id:
            try:
                await self.read(await runtime.current().reader.get(UUID(self._job_id)))
            except JobsError as error:
                return await notify(self, "error", error.message)
        return None

    async def _read_lines(self, job_id: UUID, status_events: list[JobEvent]) -> None:
        narrowed = self.show or self.search or self.attempt
        limit = MAX_LINES if narrowed else self._line_limit
        events = await runtime.current().reader.events(job_id, limit=limit, newest=True)
        began = rows.starts(status_events)
        all_lines = rows.lines(events, began)
        self.earlier = bool(events) and events[0].version > 1
        self.at_limit = self.earlier and limit == MAX_LINES
        self.loaded_version = events[-1].version if events else 0
        shown = [line for line in all_lines if self._matches(line)]
        self.blocks = [shown[first : first + BLOCK] for first in range(0, len(shown), BLOCK)]
        last = self.attempt or max(began, default=0)
        self._steps = [
            (line["from_s"], round(event.progress), event.message)
            for line, event in zip(all_lines, events, strict=True)
            if line["attempt"] == last and line["from_s"] >= 0 and event.type in (EventType.PROGRESS, EventType.STATUS)
        ]

    def _matches(self, line: Line) -> bool:
        return (
            self.show in ("", *line["sorts"])
            and self.search.lower() in line["text"].lower()
            and self.attempt in (0, line["attempt"])
        )


def _source(line: Line) -> str:
    return " ".join(filter(None, (line["level"] or line["type"], line["logger"])))


def shown_lines(timeline: Timeline) -> list[Line]:
    """The lines that a tab shows, oldest first."""
    return [line for block in timeline.blocks for line in block]
