"""The form that starts a job: which kind, which fields, what is wrong with them; also to run a job again.

It follows its kind while it is open: when a worker brings another version, its fields are those of the new one, and
what a person has typed stays where the field is still there.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

import reflex as rx
from pydantic import ValidationError

from jobs_app import routes, runtime
from jobs_app.live.effects import Effect, go_to, toast
from jobs_app.live.kind_rows import MANY_KINDS, first_kind
from jobs_app.live.notify import notify
from jobs_app.submit import as_code
from jobs_app.submit.following import followed, kept_values, what_changed
from jobs_app.submit.forms import FormField, defaults, form_fields, form_params
from jobs_app.ui.clipboard import copy
from runlane.define.problems import field_errors
from runlane.errors import InvalidInput, JobsError
from runlane.kinds.catalogue import catalogue
from runlane.kinds.masking import unmasked
from runlane.kinds.validation import validated
from runlane.model.requests import JobPatch, Submission
from runlane.model.snapshot import JobSnapshot

ADVANCED = ("priority", "delay_s", "scheduled_for", "max_attempts")
MAX_NAME = 200
WAITS_FOR_WORKER = "Nothing can be started of it until a worker brings it again; what you typed is still here."


class StartForm(rx.State):
    """One tab's form."""

    kind: str = ""
    """What was chosen, or typed: a worker need not have brought it."""
    is_known: bool = False
    """Whether one has."""
    description: str = ""
    news: str = ""
    """How the form has changed since it was filled, in a sentence; empty if it has not."""
    fields: list[FormField] = []
    errors: dict[str, str] = {}
    trouble: str = ""
    last_id: str = ""
    repeatable: bool = False
    rerun_of: str = ""
    """The job that is run again in the dialog; empty when it is closed."""
    editing: str = ""
    """The waiting job that is edited in the dialog; empty when none is."""
    advanced: dict[str, str] = dict.fromkeys(ADVANCED, "")
    """The first values of the inputs that every kind has."""
    filled: int = 0
    """Counts how often the form was filled again, so that its inputs start with the new values."""
    _values: dict[str, Any] = {}
    _stored: dict[str, Any] | None = None
    """What the form was filled with, secrets included; ``None``: the defaults of its kind."""
    _last: Submission | None = None
    _version: int = 0
    """The version of the edited job when the form was filled."""

    @rx.event
    def load(self) -> None:
        """Show the fields of the chosen kind."""
        self.rerun_of = self.editing = ""
        self._show(self.kind if self.kind and catalogue().find(self.kind) else first_kind(catalogue()))

    @rx.event
    def choose(self, kind: str) -> None:
        """Show the form of another kind."""
        if kind or len(catalogue()) > MANY_KINDS:  # a menu reports no choice while its options change
            self._show(kind)

    @rx.event
    def follow(self) -> None:
        """Workers have brought other kinds: have the fields that the kind has now, without losing what was typed."""
        kind = catalogue().find(self.kind)
        if kind is None:
            self._lose_kind()
            return
        if not self.is_known and not self.fields:
            self._show(self.kind)
            return
        if not self.is_known:
            self.is_known, self.news = True, ""
        new = followed(self.fields, form_fields(kind, self._stored), self._values)
        self.description = kind.description
        if new != self.fields:
            self.news = what_changed(self.fields, new, self._values)
            self._values, self.fields = kept_values(self.fields, new, self._values), new
            self.errors = {name: text for name, text in self.errors.items() if name in self._values}

    @rx.event
    def type_in(self, name: str, value: str | bool) -> None:
        """Keep what a field holds now, and show at once what is wrong with it."""
        if name not in {*defaults(self.fields), *(f"advanced.{each}" for each in ADVANCED)}:
            return
        self._values = {**self._values, name: value}
        try:
            self._submission(self._values)
            wrong = {}
        except InvalidInput as error:
            wrong = self._by_field(error)
        others = {field: message for field, message in self.errors.items() if field != name and field in wrong}
        self.errors = {**others, name: wrong[name]} if name in wrong else others

    @rx.event
    async def submit(self, form: dict[str, Any]) -> Effect:
        """Start a job from the form, or show what is wrong with which field."""
        self.errors, self.trouble = {}, ""
        try:
            submission = self._submission(form)
            return await (self._edit(submission, form) if self.editing else self._start(submission))
        except InvalidInput as error:
            self.errors = self._by_field(error)
            self.trouble = "" if len(self.errors) == len(error.errors) else error.message
        except JobsError as error:
            self.trouble = error.message
        return None

    @rx.event
    async def repeat(self) -> Effect:
        """Start again what was started last."""
        if self._last is None:
            return None
        if catalogue().find(self._last.kind) is None:
            return await notify(self, "error", _not_there(self._last.kind, "nothing can be started of it again"))
        try:
            return await self._start(self._last)
        except JobsError as error:
            return await notify(self, "error", error.message)

    @rx.event
    async def again(self, job_id: str) -> Effect:
        """Open the form with what a job was started with."""
        job = await self._fill_with(job_id, "be run again")
        if isinstance(job, JobSnapshot):
            self.rerun_of = str(job.id)
            return None
        return job

    @rx.event
    async def edit(self, job_id: str) -> Effect:
        """Open the form with what a waiting job has, to change it."""
        job = await self._fill_with(job_id, "be edited")
        if not isinstance(job, JobSnapshot):
            return job
        self.editing, self._version = str(job.id), job.version
        due = f"{job.scheduled_for:%Y-%m-%dT%H:%M:%S}" if job.scheduled_for else ""
        self.advanced = {
            **self.advanced,
            "priority": str(job.priority),
            "max_attempts": str(job.max_attempts),
            "scheduled_for": due,
        }
        self._values |= {f"advanced.{name}": value for name, value in self.advanced.items()}
        return None

    @rx.event
    def close(self, is_open: bool) -> None:
        if not is_open:
            self.rerun_of = self.editing = ""

    @rx.event
    def copy_curl(self) -> Effect:
        """Put a request that starts this job on the clipboard."""
        return self._copy(as_code.curl)

    @rx.event
    def copy_python(self) -> Effect:
        """Put Python that starts this job on the clipboard."""
        return self._copy(as_code.python)

    @rx.event
    def copy_command(self) -> Effect:
        """Put a command that starts this job on the clipboard."""
        chosen = catalogue().find(self.kind)
        return self._copy(partial(as_code.command, schema=chosen.params_schema if chosen else {}))

    def _copy(self, render: Callable[[str, dict[str, Any]], str]) -> Effect:
        try:
            submission = self._submission(self._values, with_secrets=False)
        except InvalidInput as error:
            return toast("error", error.message)
        body = submission.model_dump(mode="json", exclude_unset=True, exclude_none=True)
        return copy(render(str(self.router.url.origin), body))

    async def _edit(self, submission: Submission, form: Mapping[str, Any]) -> Effect:
        patch: dict[str, Any] = {"params": submission.params, "version": self._version}
        # compared as times where they are times: browsers leave out seconds that are zero
        typed = [
            name for name, begun in self.advanced.items() if _as_utc(form.get(f"advanced.{name}", "")) != _as_utc(begun)
        ]
        patch |= {name: getattr(submission, name) for name in typed if getattr(submission, name) is not None}
        job = await runtime.jobs().edit(routes.parse_job_id(self.editing), JobPatch(**patch))
        self.editing = ""
        return await notify(self, "success", f"Job {job.short_id} is changed.")

    async def _start(self, submission: Submission) -> Effect:
        job, _ = await runtime.jobs().submit(submission, lax=True)
        self.news = ""
        self._last, self.repeatable, self.last_id = submission, True, str(job.id)
        if self.rerun_of:
            self.rerun_of = ""
            return [
                go_to(routes.job(job.id)),
                await notify(self, "success", f"Job {job.short_id} is {job.status}."),
            ]
        return await notify(
            self,
            "success",
            f"Job {job.short_id} is {job.status}.",
            action={"label": "Watch", "on_click": go_to(routes.job(job.id))},
            id="submitted",
        )

    def _submission(self, values: Mapping[str, Any], *, with_secrets: bool = True) -> Submission:
        """What the form submits, checked as a whole; ``with_secrets``: those that were not typed again, too.

        Raises:
            InvalidInput: names each wrong field, ``params.<name>`` or ``<name>``.
        """
        kind = catalogue().get(self.kind)
        given = form_params(self.fields, values)
        if with_secrets:
            given = unmasked(given, kind.defaults if self._stored is None else self._stored)
        params = validated(kind, given, lax=True)
        fields: dict[str, Any] = {"kind": self.kind, "params": params}
        fields |= {name: values[f"advanced.{name}"] for name in ADVANCED if values.get(f"advanced.{name}")}
        if "scheduled_for" in fields:
            fields["scheduled_for"] = _as_utc(fields["scheduled_for"])
        if self.rerun_of:
            fields["rerun_of"] = self.rerun_of
        try:
            return Submission.model_validate(fields, strict=False)
        except ValidationError as exc:
            raise InvalidInput(field_errors(exc)) from exc

    def _by_field(self, error: InvalidInput) -> dict[str, str]:
        """The messages of an error by the fields of this form."""
        known = {field["name"] for field in self.fields}
        named: dict[str, str] = {}
        for wrong in error.errors:
            path = wrong.field.removeprefix("params.")
            field = next((name for name in known if path == name or path.startswith(f"{name}.")), None)
            if field is None and wrong.field in ADVANCED:
                field = f"advanced.{wrong.field}"
            if field is not None:
                part = path.removeprefix(field).lstrip(".") if field in known else ""
                named.setdefault(field, f"{part}: {wrong.message}" if part else wrong.message)
        return named

    def _show(self, kind: str, job: JobSnapshot | None = None) -> None:
        """Fill the form for a kind; without fields if there is none of this name."""
        self.kind, self.errors, self.trouble, self.news = kind[:MAX_NAME], {}, "", ""
        self.rerun_of, self.editing, self.advanced = "", "", dict.fromkeys(ADVANCED, "")
        self._stored, self.filled = job.params if job else None, self.filled + 1
        chosen = catalogue().find(kind)
        self.is_known = chosen is not None
        self.description = chosen.description if chosen else ""
        self.fields = form_fields(chosen, self._stored) if chosen else []
        self._values = defaults(self.fields)
        if kind and chosen is None:
            self.trouble = _not_there(self.kind, "check its name, or start a worker that has it")

    async def _fill_with(self, job_id: str, what: str) -> JobSnapshot | Effect:
        """Fill the form with what a job has; the job, or the event that reports why it cannot ``what``."""
        try:
            job = await runtime.current().reader.get(routes.parse_job_id(job_id))
        except JobsError as error:
            return await notify(self, "error", error.message)
        if catalogue().find(job.kind) is None:
            return await notify(
                self, "error", _not_there(job.kind, f"job {job.short_id} cannot {what} before one does")
            )
        self._show(job.kind, job)
        return job

    def _lose_kind(self) -> None:
        """The kind of the form is not there any more, or never was."""
        if self.is_known:
            self.is_known, self.news = False, f"The kind {self.kind} was removed. {WAITS_FOR_WORKER}"
        elif not self.fields:
            self._show(first_kind(catalogue()))


def _not_there(kind: str, so: str) -> str:
    return f"No worker has brought the kind {kind}; {so}."


def _as_utc(text: str) -> str:
    """A time as ``datetime-local`` inputs give it, which name no zone: here it is UTC, as their label says."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text  # the model reports what is wrong with it
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).isoformat()
