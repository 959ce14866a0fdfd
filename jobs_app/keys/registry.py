"""What keys and the command palette can do: features register it, and ``jobs_app.keys.state`` does it.

Owns the tables. Knows no feature: each registers what ``c`` or "Retry …" does with its states.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import reflex as rx
from reflex_base.event import EventSpec

from jobs_app import routes
from jobs_app.keys.rows import Command
from jobs_app.live.effects import Effect, call

# How long to wait for an element on another page that is to have the focus.
ARRIVES_WITHIN_S = 5
_FOCUS = """(id, within_ms) => {
  const ends = performance.now() + within_ms;
  (function attempt() {
    const found = document.getElementById(id);
    if (found) found.focus(); else if (performance.now() < ends) requestAnimationFrame(attempt);
  })();
}"""


@dataclass(frozen=True)
class Place:
    """Where a person is. ``tab``: any state of theirs; ``job_id``: the job that is open or has the focus, or empty."""

    tab: rx.State
    job_id: str = ""
    open_job: str = ""
    """The job whose own page is open; empty on every other page."""

    @property
    def is_dashboard(self) -> bool:
        return bool(self.tab.router.url.path == routes.DASHBOARD)


# The event that a key stands for; ``None``: nothing here.
Press = Callable[[Place], Awaitable[Effect]]
# The event that does a command; the text is its argument.
Perform = Callable[[str], Effect]
# The commands that there are.
Offer = Callable[[Place], Awaitable[Sequence[Command]]]

_presses: dict[str, list[Press]] = {}
_performs: dict[str, Perform] = {}
_offers: list[Offer] = []


def on_key(key: str, press: Press) -> None:
    """Give a key a meaning; the first of its meanings counts that has an effect where the person is."""
    _presses.setdefault(key, []).append(press)


def on_command(what: str, perform: Perform) -> None:
    """Let commands of the palette that begin with ``what:`` do something."""
    _performs[what] = perform


def offer(offered: Offer) -> None:
    """List commands in the palette, after those that were offered before."""
    _offers.append(offered)


async def press(key: str, place: Place) -> Effect:
    """What a key does where the person is."""
    for each in _presses.get(key, ()):
        if (effect := await each(place)) is not None:
            return effect
    return None


def perform(does: str) -> Effect:
    """What a command does: ``<what>:<with what>``. Anything can come from a browser."""
    what, _, argument = does.partition(":")
    return _performs[what](argument) if what in _performs else None


async def offers(place: Place) -> list[Command]:
    """Every command that needs no search, in the order of their registration."""
    return [command for each in _offers for command in await each(place)]


def focus(element_id: str, within_s: float = 0) -> EventSpec:
    """Give an element the focus as soon as it is there, if that is soon enough."""
    return call(_FOCUS, element_id, within_s * 1000)
