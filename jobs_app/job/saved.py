"""What a job keeps over its attempts, as its page shows it, and as the question before a retry puts it.

It is read again while the job runs, apart from the rest of the page: what a handler saves is no change of the job.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import reflex as rx

from jobs_app import routes, runtime
from jobs_app.job.tree.state import Trees
from runlane.define.context import Saved
from runlane.errors import JobsError
from runlane.text import counted

# The last ones; what a page shows of a million steps.
SHOWN_STEPS = 100


class SavedState(rx.State):
    """One tab's saved state."""

    steps: list[str] = []
    """The steps that were finished last, oldest first."""
    steps_done: int = 0
    once: list[str] = []
    """The calls of ``once`` that returned."""
    found: bool = False
    """Whether anything is kept."""
    if TYPE_CHECKING:
        job_id: str  # the part of the address in brackets, which Reflex adds

    @rx.event
    async def refresh(self) -> None:
        """Read what is kept again."""
        try:
            kept = await runtime.current().reader.saved(routes.parse_job_id(self.job_id))
        except JobsError:  # the page itself shows that
            return
        await self.show(kept)

    async def show(self, kept: Mapping[str, Any] | None) -> None:
        """Show what a job keeps."""
        saved, trees = Saved.of(kept), await self.get_state(Trees)
        if (saved.values or None) != trees.value("saved"):
            trees.put(saved=saved.values or None)
        steps, once = saved.steps[-SHOWN_STEPS:], list(saved.once)
        if (self.steps, self.steps_done, self.once) != (steps, len(saved.steps), once):
            self.steps, self.steps_done, self.once = steps, len(saved.steps), once
        if self.found is not bool(kept):
            self.found = bool(kept)


def in_words(kept: Mapping[str, Any] | None) -> str:
    """What is kept, such as ``7 finished steps and 2 saved values``; empty if nothing is."""
    saved = Saved.of(kept)
    parts = {"finished step": saved.steps, "saved value": saved.values, "kept result": saved.once}
    words = [counted(len(part), thing) for thing, part in parts.items() if part]
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
