"""The form that starts a job: which kind, which fields, and what is wrong with them."""

from typing import Any, TypedDict

import reflex as rx

from jobs.errors import InvalidInput, JobsError
from jobs.kinds import catalogue
from jobs.service import Submission
from jobs_app import routes, runtime
from jobs_app.forms import FormField, form_fields, form_params

FIRST_KIND = "web_agent"


class KindChoice(TypedDict):
    name: str
    title: str


class StartForm(rx.State):
    """One tab's form."""

    kind: str = FIRST_KIND
    description: str = ""
    fields: list[FormField] = []
    errors: dict[str, str] = {}
    trouble: str = ""
    last_id: str = ""

    @rx.event
    def load(self):
        """Show the fields of the chosen kind."""
        self._show(self.kind)

    @rx.event
    def choose(self, kind: str):
        self._show(kind)

    @rx.event
    async def submit(self, form: dict[str, Any]):
        """Start a job from the form, or say what is wrong with which field."""
        self.errors, self.trouble = {}, ""
        try:
            params = form_params(self.fields, form)
            job, _ = await runtime.jobs().submit(Submission(kind=self.kind, params=params), lax=True)
        except InvalidInput as error:
            known = {field["name"] for field in self.fields}
            named = {e.field.removeprefix("params.").split(".")[0]: e.message for e in error.errors}
            self.errors = {name: message for name, message in named.items() if name in known}
            self.trouble = "" if len(self.errors) == len(named) else error.message
            return None
        except JobsError as error:
            self.trouble = error.message
            return None
        self.last_id = str(job.id)
        return rx.toast.success(
            f"Job {job.short_id} is {job.status}.",
            action={"label": "Watch", "on_click": rx.redirect(routes.job(job.id))},
            id="submitted",
        )

    def _show(self, kind: str) -> None:
        try:
            chosen = catalogue().get(kind)
        except InvalidInput as error:
            self.trouble = error.message
            return
        self.kind, self.description = chosen.name, chosen.description
        self.fields = form_fields(chosen)
        self.errors, self.trouble = {}, ""
