"""Cancel, retry and delete from any page: ask the service, and notify the person of the outcome."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import TypeVar
from uuid import UUID

import reflex as rx

from jobs_app import routes, runtime
from jobs_app.job.saved import in_words
from jobs_app.live.broadcaster import show_limits
from jobs_app.live.effects import Effect, go_to, literal, trigger
from jobs_app.live.notify import notify
from runlane.core.deletion import UNDO_WITHIN
from runlane.errors import JobsError
from runlane.model.requests import QueueChange
from runlane.model.snapshot import JobSnapshot, short_id
from runlane.model.status import RETRYABLE

Outcome = TypeVar("Outcome")
UNDO_MS = UNDO_WITHIN // timedelta(milliseconds=1)


class Actions(rx.State):
    """What a person may do with one job, and the job they are asked to confirm deleting."""

    pending_delete: str = ""
    """The job whose deletion waits to be confirmed; empty when none does."""
    pending_retry: str = ""
    """The job of which it is asked where the retry begins; empty when none is."""
    kept: str = ""
    """What that one has kept, in words."""

    @rx.event
    async def cancel(self, job_id: str) -> Effect:
        return await _act_and_notify(self, job_id, runtime.jobs().cancel, _cancelled)

    @rx.event
    async def retry(self, job_id: str) -> Effect:
        """Retry a job; of one that has kept what it did, ask first where to begin."""
        try:
            job = await runtime.current().reader.get(routes.parse_job_id(job_id))
            kept = in_words(await runtime.current().reader.saved(job.id)) if job.status in RETRYABLE else ""
        except JobsError as error:
            return await notify(self, "error", error.message)
        if not kept:
            return await self._retry(job_id, from_start=False)
        self.pending_retry, self.kept = job_id, kept
        return None

    @rx.event
    async def retry_from(self, start: bool) -> Effect:
        """Retry the job that was asked about, where it stopped or from the start."""
        job_id, self.pending_retry = self.pending_retry, ""
        return await self._retry(job_id, from_start=start) if job_id else None

    @rx.event
    def forget_retry(self, is_open: bool) -> None:
        if not is_open:
            self.pending_retry = ""

    @rx.event
    def ask_nothing(self) -> None:
        """Close what is asked about a job: the tab has gone to another page."""
        self.pending_delete = self.pending_retry = ""

    @rx.event
    async def promote(self, job_id: str) -> Effect:
        return await _act_and_notify(
            self, job_id, runtime.jobs().promote, lambda job: f"Job {job.short_id} starts as soon as a slot is free."
        )

    @rx.event
    async def move_to_front(self, job_id: str) -> Effect:
        return await _act_and_notify(
            self,
            job_id,
            runtime.jobs().move_to_front,
            lambda job: f"Job {job.short_id} is next; its priority is {job.priority}.",
        )

    @rx.event
    async def pause(self) -> Effect:
        return await self._change_queue(paused=True)

    @rx.event
    async def resume(self) -> Effect:
        return await self._change_queue(paused=False)

    @rx.event
    def ask_delete(self, job_id: str) -> None:
        self.pending_delete = job_id

    @rx.event
    def keep(self) -> None:
        self.pending_delete = ""

    @rx.event
    async def delete(self) -> Effect:
        job_id, self.pending_delete = self.pending_delete, ""
        undo = {"label": "Undo", "on_click": trigger(Actions.restore, literal(job_id))}
        toast = await _act_and_notify(
            self,
            job_id,
            runtime.jobs().delete,
            lambda _: f"Job {short_id(job_id)} is deleted.",
            action=undo,
            duration=UNDO_MS,
        )
        if self.router.url.path == routes.job(job_id):
            return [go_to(routes.DASHBOARD), toast]
        return toast

    @rx.event
    async def restore(self, job_id: str) -> Effect:
        """Undo a deletion."""
        return await _act_and_notify(self, job_id, runtime.jobs().restore, lambda job: f"Job {job.short_id} is back.")

    @rx.event
    def forget_dialog(self, is_open: bool) -> None:
        if not is_open:
            self.pending_delete = ""

    async def _retry(self, job_id: str, *, from_start: bool) -> Effect:
        return await _act_and_notify(
            self,
            job_id,
            partial(runtime.jobs().retry, from_start=from_start),
            lambda job: f"Job {job.short_id} is queued again{', from the start' if from_start else ''}.",
        )

    async def _change_queue(self, *, paused: bool) -> Effect:
        try:
            await runtime.current().limits.change_queue(QueueChange(paused=paused))
        except JobsError as error:
            return await notify(self, "error", error.message)
        await show_limits()
        message = "The queue is paused: nothing new starts, what runs goes on." if paused else "The queue runs again."
        return await notify(self, "success", message)


def _cancelled(job: JobSnapshot) -> str:
    if job.status.is_terminal:
        return f"Job {job.short_id} is cancelled."
    return f"Job {job.short_id} has been told to stop."


async def _act_and_notify(
    state: rx.State,
    job_id: str,
    act: Callable[[UUID], Awaitable[Outcome]],
    success: Callable[[Outcome], str],
    **toast: object,
) -> Effect:
    try:
        outcome = await act(routes.parse_job_id(job_id))
        return await notify(state, "success", success(outcome), **toast)
    except JobsError as error:
        return await notify(state, "error", error.message)
