"""What the server has a browser do besides showing state: messages in passing, addresses, scripts, events.

Everything of the kind goes through here (a test reads the code for it), for Reflex takes ``<reflex.Var>`` in a plain
string for a mark of its own: with text in it, it loops until the memory is used up; with a number, it raises. Texts
come from jobs, rules and people, so they are handed over as JavaScript in which ``<`` is written as an escape, which
arrives as it was. See ``docs/decisions/0009-texts-are-handed-to-reflex-escaped.md``.
"""

import json
from collections.abc import Iterator
from typing import Any, Literal

import reflex as rx
from reflex.app import App
from reflex.middleware import Middleware
from reflex.state import BaseState, StateUpdate
from reflex_base.constants import REFLEX_VAR_OPENING_TAG
from reflex_base.event import Event, run_script
from reflex_base.vars import FunctionVar
from reflex_components_sonner.toast import ToastProps, toast_ref  # type: ignore[import-untyped]

# what an event handler returns: an event, several, or nothing; Reflex takes any of them
Effect = Any
Level = Literal["success", "error", "info", "warning"]

REFUSED = f"A text with {REFLEX_VAR_OPENING_TAG} in it cannot be used on a page. Leave that out, or use the REST API."


def literal(value: object) -> rx.Var[Any]:
    """A JSON value that Reflex hands over as it is."""
    return rx.Var(_js_expr=_javascript(value))


def toast(level: Level, text: str, *, description: str = "", **options: Any) -> rx.event.EventSpec:
    """Show a message in passing; ``options``: as in ``rx.toast``, with no text of anybody's.

    Put together as ``rx.toast`` does, which would make a title of a text that is a ``Var``: a message that takes the
    place of another, with the same ``id``, loses that.
    """
    if description:
        options["description"] = literal(description)
    show = toast_ref.to(dict)[level].to(FunctionVar)
    more = rx.Var.create(ToastProps(component_name="rx.toast", **options))
    return run_script(show.call(literal(text), more))


def go_to(address: str, *, replace: bool = False) -> rx.event.EventSpec:
    """Show another page of this site; ``replace``: Back does not lead here."""
    return rx.redirect(literal(address), replace=replace)


def trigger(handler: Any, *arguments: object) -> Effect:
    """Run a handler of a state; the same as calling it, which mypy refuses: to it, ``rx.event`` makes no function."""
    return handler(*arguments)


def call(function: str, *arguments: object, callback: Any = None) -> rx.event.EventSpec:
    """Call a JavaScript function, given as its text, with JSON values; ``callback`` is told what it returns."""
    code = f"({function})({', '.join(map(_javascript, arguments))})"
    return rx.call_script(code, callback=callback)


class RefusingMarks(Middleware):
    """Refuses events whose arguments hold Reflex's mark, before anything sees them."""

    async def preprocess(self, app: App, state: BaseState, event: Event) -> StateUpdate | None:
        if any(REFLEX_VAR_OPENING_TAG in text for text in _texts(event.payload)):
            return StateUpdate(events=Event.from_event_type(toast("error", REFUSED, id="refused")))
        return None


def _javascript(value: object) -> str:
    return json.dumps(value).replace("<", "\\u003c")


def _texts(value: object) -> Iterator[str]:
    """Every text in a JSON value, names of members too."""
    left = [value]
    while left:
        each = left.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, dict):
            left += [*each, *each.values()]
        elif isinstance(each, list | tuple):
            left += each
