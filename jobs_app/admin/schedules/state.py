"""The admin page of schedules: jobs that are made again and again; listed, made, changed, paused, run now, deleted."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import reflex as rx
from pydantic import ValidationError

from jobs_app import rows, runtime
from jobs_app.admin.inputs import whole
from jobs_app.live.notify import notify
from jobs_app.rows import ScheduleRow
from runlane import plain_json
from runlane.clock import utc_now
from runlane.errors import ChangedMeanwhile, FieldError, InvalidInput, JobsError, ScheduleNotFound
from runlane.kinds.catalogue import catalogue, field_errors, unmasked
from runlane.model.snapshot import short_id
from runlane.model.status import JobStatus
from runlane.schedules.service import ScheduleDraft, SchedulePatch, ScheduleService, Timing, next_times
from runlane.schedules.store import Schedule

BLANK = {
    "name": "",
    "kind": "web_agent",
    "timing": "0 9 * * *",
    "timezone": "UTC",
    "params": "{}",
    "priority": "0",
    "max_attempts": "",
    "catch_up": "skip",
}
"""What the form of a new schedule begins with."""


class AdminSchedules(rx.State):
    """One tab's schedules, and the form that makes or changes one."""

    schedules: list[ScheduleRow] = []
    form: dict[str, str] = dict(BLANK)
    """What the form begins with; what is typed since is in ``_typed``."""
    filled: int = 0
    editing: str = ""
    """The schedule that the form changes; empty: it makes a new one."""
    doomed: ScheduleRow = rows.NO_SCHEDULE
    errors: dict[str, str] = {}
    next: list[str] = []
    """The next times of what is typed."""
    _typed: dict[str, str] = {}
    _params: dict[str, dict[str, Any]] = {}
    """Those of each schedule, secrets included."""
    _version: int | None = None
    """Of the schedule that is edited, as a person has seen it."""

    @rx.event
    async def load(self):
        self._fill(BLANK, "")
        return await self._read()

    @rx.event
    async def refresh(self):
        if not self.errors:
            self._preview()
        return await self._read()

    @rx.event
    def type_in(self, name: str, value: str):
        """Take note of what a field holds, and show when such a schedule would run."""
        if name in BLANK:
            self._typed = {**self._typed, name: value[:2000]}
            self._preview()

    @rx.event
    async def submit(self, form: dict[str, str]):
        """Make the schedule, or change the one that is edited."""
        try:
            typed = {**self._typed, **{name: form[name] for name in BLANK if name in form}}
            values = _values(typed, self._params.get(self.editing, {}))
            if self.editing:
                patch = SchedulePatch.model_validate(values | {"version": self._version})
                await _service().change(UUID(self.editing), patch)
            else:
                await _service().create(ScheduleDraft.model_validate(values))
        except ValidationError as exc:
            self.errors = _by_field(field_errors(exc))
            return None
        except InvalidInput as error:
            self.errors = _by_field(error.errors)
            return None
        except ChangedMeanwhile as error:
            await self._read()
            self._note_version()
            return await notify(self, "error", error.message)
        except JobsError as error:
            return await notify(self, "error", error.message)
        said = f"Schedule {values['name']!r} is {'changed' if self.editing else 'made'}."
        self._fill(BLANK, "")
        await self._read()
        return await notify(self, "success", said)

    @rx.event
    def edit(self, schedule_id: str):
        """Put a schedule in the form."""
        row = self._row(schedule_id)
        if row is not None:
            self._fill({name: row[name] for name in BLANK}, schedule_id)  # type: ignore[literal-required]

    @rx.event
    def leave(self):
        """Let the form make a new schedule again."""
        self._fill(BLANK, "")

    @rx.event
    async def pause(self, schedule_id: str, paused: bool):
        said = "is paused" if paused else "runs again"
        return await self._do(
            schedule_id, lambda id: _service().change(id, SchedulePatch(paused=paused)), f"The schedule {said}."
        )

    @rx.event
    async def run_now(self, schedule_id: str):
        return await self._do(schedule_id, lambda id: _service().run_now(id), "A job was made.")

    @rx.event
    def ask_delete(self, schedule_id: str):
        self.doomed = self._row(schedule_id) or rows.NO_SCHEDULE

    @rx.event
    def forget_question(self, is_open: bool):
        if not is_open:
            self.doomed = rows.NO_SCHEDULE

    @rx.event
    async def delete(self):
        doomed, self.doomed = self.doomed["id"], rows.NO_SCHEDULE
        if self.editing == doomed:
            self._fill(BLANK, "")
        return await self._do(doomed, lambda id: _service().delete(id), "The schedule is deleted; its jobs stay.")

    async def _do(self, schedule_id: str, act: Any, said: str) -> Any:
        try:
            await act(_parse_id(schedule_id))
        except JobsError as error:
            return await notify(self, "error", error.message)
        await self._read()
        return await notify(self, "success", said)

    async def _read(self) -> Any:
        store = _service().store
        try:
            found = await store.all()
            made = await store.outcomes([schedule.id for schedule in found])
            self.schedules = [_row(schedule, made[schedule.id]) for schedule in found]
            self._params = {str(schedule.id): schedule.params for schedule in found}
        except JobsError as error:
            return await notify(self, "error", error.message)
        return None

    def _row(self, schedule_id: str) -> ScheduleRow | None:
        return next((row for row in self.schedules if row["id"] == schedule_id), None)

    def _fill(self, values: Mapping[str, str], schedule_id: str) -> None:
        self.form, self._typed, self.editing = dict(values), dict(values), schedule_id
        self.filled, self.errors = self.filled + 1, {}
        self._note_version()
        self._preview()

    def _note_version(self) -> None:
        """The list shows how the edited schedule is now; what is changed is changed from there on."""
        row = self._row(self.editing)
        self._version = row["version"] if row else None

    def _preview(self) -> None:
        """When it would run, or what is wrong with the timing."""
        try:
            timing = Timing.model_validate({**_timing(self._typed["timing"]), "timezone": self._typed["timezone"]})
            self.next = [rows.iso(at) for at in _service().preview(timing)]
            self.errors = {name: text for name, text in self.errors.items() if name not in ("timing", "timezone")}
        except ValidationError as exc:
            self.next, self.errors = [], _by_field(field_errors(exc))
        except InvalidInput as error:
            self.next, self.errors = [], _by_field(error.errors)


def _service() -> ScheduleService:
    return runtime.current().schedules


def _values(form: Mapping[str, str], stored: Mapping[str, Any]) -> dict[str, Any]:
    """What the form asks for, as a draft of a schedule; masks stand for what is ``stored`` in their places.

    Raises:
        InvalidInput: the parameters are no JSON object, or their kind refuses them.
    """
    try:
        params = plain_json.loads(form["params"] or "{}")
    except InvalidInput as exc:
        raise InvalidInput.of("params", exc.errors[0].message) from exc
    if not isinstance(params, dict):
        raise InvalidInput.of("params", 'must be a JSON object, such as {"steps": 5}')
    kind, attempts = catalogue().get(form["kind"]), form["max_attempts"].strip()
    return {
        "name": form["name"].strip(),
        "kind": kind.name,
        "params": kind.validate(unmasked(params, stored)).model_dump(mode="json"),
        **_timing(form["timing"]),
        "timezone": form["timezone"].strip() or "UTC",
        "priority": whole(form["priority"].strip() or "0"),
        "max_attempts": whole(attempts) if attempts else None,
        "catch_up": form["catch_up"],
    }


def _timing(text: str) -> dict[str, Any]:
    """``every 90`` is an interval in seconds; everything else a cron expression."""
    words = text.split()
    if len(words) == 2 and words[0] == "every":
        try:
            return {"interval_s": float(words[1])}
        except ValueError:
            raise InvalidInput.of("timing", "names no number of seconds after every") from None
    return {"cron": text.strip()}


def _by_field(errors: Sequence[FieldError]) -> dict[str, str]:
    """The messages by the fields of this form; one about a part of a field names that part."""
    named: dict[str, str] = {}
    for error in errors:
        first, _, part = error.field.partition(".")
        field = "timing" if first in ("cron", "interval_s") else first
        named.setdefault(field, f"{part}: {error.message}" if part else error.message)
    return named


def _row(schedule: Schedule, made: list[tuple[UUID, JobStatus]]) -> ScheduleRow:
    now = utc_now()
    return {
        "id": str(schedule.id),
        "name": schedule.name,
        "kind": schedule.kind,
        "title": rows.kind_title(schedule.kind),
        "timing": schedule.cron or f"every {schedule.interval_s:g}",
        "timezone": schedule.timezone,
        "params": plain_json.dumps(rows.shown_params(schedule.kind, schedule.params)),
        "priority": str(schedule.priority),
        "max_attempts": str(schedule.max_attempts or ""),
        "catch_up": str(schedule.catch_up),
        "paused": schedule.paused,
        "version": schedule.version,
        "next": [rows.iso(at) for at in next_times(schedule, now)],
        "is_due": not schedule.paused and schedule.next_at <= now,
        "last_at": rows.iso(schedule.last_at),
        "last": [{"id": str(job_id), "short_id": short_id(job_id), "status": str(status)} for job_id, status in made],
    }


def _parse_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as exc:
        raise ScheduleNotFound(text[:40]) from exc
