"""The admin page of schedules: they are listed, made, changed, paused, run now and deleted."""

from collections.abc import Mapping, Sequence
from typing import Any

import reflex as rx
from pydantic import ValidationError

from jobs_app import runtime
from jobs_app.admin.editor.editing import Editing, parse_id
from jobs_app.admin.inputs import whole
from jobs_app.admin.schedules.rows import ScheduleRow, schedule_row
from jobs_app.live.effects import Effect
from jobs_app.live.kind_rows import first_kind
from jobs_app.live.notify import notify
from jobs_app.ui.formats import iso
from runlane import plain_json
from runlane.define.problems import field_errors
from runlane.errors import FieldError, InvalidInput, JobsError, ScheduleNotFound
from runlane.kinds.catalogue import catalogue
from runlane.kinds.masking import unmasked
from runlane.kinds.validation import validated
from runlane.schedules.service import ScheduleDraft, SchedulePatch, ScheduleService, Timing

# what the form of a new schedule begins with
BLANK = {
    "name": "",
    "kind": "",
    "timing": "0 9 * * *",
    "timezone": "UTC",
    "params": "{}",
    "priority": "0",
    "max_attempts": "",
    "catch_up": "skip",
}


class AdminSchedules(Editing, rx.State):
    """One tab's schedules, and the form that makes or changes one."""

    schedules: list[ScheduleRow] = []
    next: list[str] = []
    """The next times of the schedule that is being typed."""
    _typed: dict[str, str] = {}
    """What the fields of the form hold now."""
    _params: dict[str, dict[str, Any]] = {}
    """The parameters of each schedule, secrets included."""

    @rx.event
    async def refresh(self) -> Effect:
        if not self.errors:
            self._preview()
        return await self._read()

    @rx.event
    def type_in(self, name: str, value: str) -> None:
        """Keep what a field holds, and show when such a schedule would run."""
        if name in BLANK:
            self._typed = {**self._typed, name: value[:2000]}
            self._preview()

    @rx.event
    async def pause(self, schedule_id: str, paused: bool) -> Effect:
        return await self._do(_pause(schedule_id, paused))

    @rx.event
    async def run_now(self, schedule_id: str) -> Effect:
        return await self._do(_run_now(schedule_id))

    def _blank(self) -> Mapping[str, str]:
        return BLANK | {"kind": first_kind(catalogue())}

    def _rows(self) -> list[ScheduleRow]:
        return self.schedules

    async def _save(self, form: Mapping[str, str]) -> str:
        typed = {**self._typed, **{name: form[name] for name in BLANK if name in form}}
        values = _values(typed, self._params.get(self.editing, {}))
        if self.editing:
            patch = SchedulePatch.model_validate(values | {"version": self._version})
            await _service().change(parse_id(self.editing, ScheduleNotFound), patch)
        else:
            await _service().create(ScheduleDraft.model_validate(values))
        return f"Schedule {values['name']!r} is {'changed' if self.editing else 'made'}."

    async def _delete(self, id: str) -> str:
        await _service().delete(parse_id(id, ScheduleNotFound))
        return "The schedule is deleted; its jobs stay."

    def _by_field(self, errors: Sequence[FieldError]) -> dict[str, str]:
        return _by_field(errors)

    async def _read(self) -> Effect:
        try:
            found = await _service().with_outcomes()
            self.schedules = [schedule_row(schedule, made) for schedule, made in found]
            self._params = {str(schedule.id): schedule.params for schedule, _ in found}
        except JobsError as error:
            return await notify(self, "error", error.message)
        return None

    def _fill(self, values: Mapping[str, str], id: str) -> None:
        self._typed = dict(values)
        super()._fill(values, id)
        self._preview()

    def _preview(self) -> None:
        """When it would run, or what is wrong with the timing."""
        try:
            timing = Timing.model_validate({**_timing(self._typed["timing"]), "timezone": self._typed["timezone"]})
            self.next = [iso(at) for at in _service().preview(timing)]
            self.errors = {name: text for name, text in self.errors.items() if name not in ("timing", "timezone")}
        except ValidationError as exc:
            self.next, self.errors = [], _by_field(field_errors(exc))
        except InvalidInput as error:
            self.next, self.errors = [], _by_field(error.errors)


def _service() -> ScheduleService:
    return runtime.current().schedules


async def _pause(schedule_id: str, paused: bool) -> str:
    await _service().change(parse_id(schedule_id, ScheduleNotFound), SchedulePatch(paused=paused))
    return "The schedule is paused." if paused else "The schedule runs again."


async def _run_now(schedule_id: str) -> str:
    await _service().run_now(parse_id(schedule_id, ScheduleNotFound))
    return "A job was made."


def _values(form: Mapping[str, str], stored: Mapping[str, Any]) -> dict[str, Any]:
    """The form as a draft of a schedule; a mask stands for the secret that is ``stored`` there.

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
        "params": validated(kind, unmasked(params, stored)),
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
