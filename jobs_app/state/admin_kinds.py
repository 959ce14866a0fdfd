"""The admin page of kinds: what can be submitted, what holds for it, and how long it usually takes."""

import reflex as rx

from jobs.errors import JobsError
from jobs.kinds import Kind, catalogue
from jobs_app import runtime
from jobs_app.estimates import Estimates, Usual
from jobs_app.forms import form_fields
from jobs_app.rows import KindRow, seconds_text
from jobs_app.state.notices import tell


class AdminKinds(rx.State):
    """One tab's list of kinds."""

    kinds: list[KindRow] = []

    @rx.event
    async def load(self):
        estimates = Estimates(runtime.jobs().store)
        try:
            await estimates.read({kind.name for kind in catalogue()})
        except JobsError as error:
            self.kinds = [_row(kind, None) for kind in catalogue()]
            return await tell(self, "error", error.message)
        self.kinds = [_row(kind, estimates.get(kind.name)) for kind in catalogue()]
        return None


def _row(kind: Kind, known: Usual | None) -> KindRow:
    return {
        "name": kind.name,
        "title": kind.title,
        "description": kind.description,
        "limits": "; ".join(_limits(kind)),
        "usually": seconds_text(known.median_s) if known else "",
        "params": [
            f"{field['name']} ({field['input']})"
            + (" required" if field["required"] else f" = {field['default'] or '–'}")
            for field in form_fields(kind)
        ],
    }


def _limits(kind: Kind) -> list[str]:
    attempts = "1 attempt" if kind.max_attempts == 1 else f"{kind.max_attempts} attempts"
    said = [attempts, f"at most {seconds_text(kind.timeout_s)} each"]
    if kind.max_running is not None:
        said.append(f"{kind.max_running} at once")
    if kind.rate is not None:
        said.append(f"{kind.rate.count} in {seconds_text(kind.rate.seconds)}")
    return said
