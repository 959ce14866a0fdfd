"""The state of a page on which things are listed, and made, changed, paused and deleted with one form.

Owns the form, which thing it changes and at which version, what is wrong with it, and the question before a deletion.
What is listed, and how it is read, saved and deleted, is the feature's own: its state mixes ``Editing`` in and brings
``blank``, ``_rows``, ``_read``, ``_save`` and ``_delete``.
"""

from abc import abstractmethod
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any
from uuid import UUID

import reflex as rx
from pydantic import ValidationError

from jobs_app.admin.editor.rows import NOTHING, Named
from jobs_app.live.effects import Effect
from jobs_app.live.notify import notify
from runlane.define.problems import field_errors
from runlane.errors import Conflict, FieldError, InvalidInput, JobsError, NotFound


class Editing(rx.State, mixin=True):
    """One tab's form, and what it is about."""

    form: dict[str, str] = {}
    """What the form begins with."""
    filled: int = 0
    editing: str = ""
    """What the form changes; empty: it makes a new one."""
    errors: dict[str, str] = {}
    pending_delete: Named = NOTHING
    _version: int | None = None
    """Of what is edited, as the page shows it."""

    @rx.event
    async def load(self) -> Effect:
        self._fill(self._blank(), "")
        return await self._read()

    @rx.event
    async def submit(self, form: dict[str, str]) -> Effect:
        """Make what the form describes, or change what is edited."""
        try:
            message = await self._save(form)
        except ValidationError as exc:
            self.errors = self._by_field(field_errors(exc))
            return None
        except InvalidInput as error:
            self.errors = self._by_field(error.errors)
            return None
        except Conflict as error:
            await self._read()
            self._remember_version()
            return await notify(self, "error", error.message)
        except JobsError as error:
            return await notify(self, "error", error.message)
        self._fill(self._blank(), "")
        return await self._done(message)

    @rx.event
    def edit(self, id: str) -> None:
        """Put one in the form."""
        row = self._row(id)
        if row is not None:
            self._fill({name: row[name] for name in self._blank()}, id)

    @rx.event
    def leave(self) -> None:
        """Let the form make a new one again."""
        self._fill(self._blank(), "")

    @rx.event
    def ask_delete(self, id: str) -> None:
        row = self._row(id)
        self.pending_delete = Named(id=row["id"], name=row["name"]) if row else NOTHING

    @rx.event
    def forget_question(self, is_open: bool) -> None:
        if not is_open:
            self.pending_delete = NOTHING

    @rx.event
    async def delete(self) -> Effect:
        id, self.pending_delete = self.pending_delete["id"], NOTHING
        if self.editing == id:
            self._fill(self._blank(), "")
        return await self._do(self._delete(id))

    @abstractmethod
    def _blank(self) -> Mapping[str, str]:
        """What the form of a new one begins with; its names are those of the fields."""

    @abstractmethod
    def _rows(self) -> Sequence[Mapping[str, Any]]:
        """What is listed, each with ``id``, ``name``, ``version`` and the fields of the form."""

    @abstractmethod
    async def _read(self) -> Effect:
        """Read the list again; the event that reports why it cannot be read."""

    @abstractmethod
    async def _save(self, form: Mapping[str, str]) -> str:
        """Make what the form describes, or change what is edited; the message about it."""

    @abstractmethod
    async def _delete(self, id: str) -> str:
        """Delete it; the message about it."""

    def _by_field(self, errors: Sequence[FieldError]) -> dict[str, str]:
        """The messages by the fields of the form."""
        return {error.field: error.message for error in errors}

    async def _do(self, act: Awaitable[str]) -> Effect:
        """Await ``act`` and show its message; or the one about why it cannot be done."""
        try:
            message = await act
        except JobsError as error:
            return await notify(self, "error", error.message)
        return await self._done(message)

    async def _done(self, message: str) -> Effect:
        await self._read()
        return await notify(self, "success", message)

    def _row(self, id: str) -> Mapping[str, Any] | None:
        return next((row for row in self._rows() if row["id"] == id), None)

    def _fill(self, values: Mapping[str, str], id: str) -> None:
        self.form, self.editing, self.errors = dict(values), id, {}
        self.filled += 1
        self._remember_version()

    def _remember_version(self) -> None:
        """Base the change on the version that the list shows now."""
        row = self._row(self.editing)
        self._version = row["version"] if row else None


def parse_id(text: str, missing: type[NotFound]) -> UUID:
    """The id that a page sent. Raises ``missing`` if it is none."""
    try:
        return UUID(text)
    except ValueError as exc:
        raise missing(text[:40]) from exc
