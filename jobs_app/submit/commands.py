"""What the command palette does with the form that starts a job."""

from collections.abc import Sequence

from jobs_app import routes
from jobs_app.keys import registry
from jobs_app.keys.registry import ARRIVES_WITHIN_S, Place
from jobs_app.keys.rows import Command
from jobs_app.live.effects import Effect, go_to, literal, trigger
from jobs_app.submit.state import StartForm
from runlane.kinds.catalogue import catalogue


def register() -> None:
    """Have the palette know the form."""
    registry.on_command("start", _begin)


async def kinds(place: Place) -> Sequence[Command]:
    """The form for each kind."""
    return [Command(label=f"Start: {kind.title}", hint="form", does=f"start:{kind.name}") for kind in catalogue()]


def _begin(kind: str) -> Effect:
    return [go_to(routes.DASHBOARD), trigger(StartForm.choose, literal(kind)), registry.focus("kind", ARRIVES_WITHIN_S)]
