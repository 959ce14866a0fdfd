"""What the server has a browser do besides showing state: toasts, addresses, scripts, events.

Everything of the kind goes through here (a test reads the code for it), for Reflex takes ``<reflex.Var>`` in a plain
string for a mark of its own: around text, Reflex loops until the memory is used up; around a number, it raises. Texts
come from jobs, rules and people, so they are handed over as JavaScript in which ``<`` is escaped, and arrive unchanged.
See ``docs/decisions/0009-texts-are-handed-to-reflex-escaped.md``.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import reflex as rx
from reflex.app import App
from reflex.middleware.middleware import Middleware
from reflex.state import BaseState, StateUpdate
from reflex_base.constants import REFLEX_VAR_OPENING_TAG
from reflex_base.event import Event, EventSpec, run_script
from reflex_base.vars import FunctionVar
from reflex_components_sonner.toast import ToastProps, toast_ref  # type: ignore[import-untyped]

if TYPE_CHECKING:
    # mypy takes a handler of a state for the class of its decorator, ``rx.event``
    from reflex_base.event import EventNamespace as Handler
else:
    from reflex_base.event import EventHandler as Handler

# What an event handler returns: what the browser does next, one thing or several, or nothing.
Effect: TypeAlias = EventSpec | Handler | Sequence["Effect"] | None
# What a component is given to run with arguments: a handler of a state.
BoundHandler: TypeAlias = Callable[..., Any]

Level = Literal["success", "error", "info", "warning"]

REFUSED = f"A text with {REFLEX_VAR_OPENING_TAG} in it cannot be used on a page. Leave that out, or use the REST API."


def literal(value: object) -> rx.Var[Any]:
    """A JSON value that Reflex hands over as it is."""
    return rx.Var(_js_expr=_javascript(value))


def toast(level: Level, text: str, *, description: str = "", **options: Any) -> EventSpec:
    """Show a toast; ``options``: as in ``rx.toast``, but with no text that a job, a rule or a person wrote.

    Built as ``rx.toast`` does it. That would take a text that is a ``Var`` for the title, which a toast loses when it
    replaces another one with the same ``id``.
    """
    if description:
        options["description"] = literal(description)
    show = toast_ref.to(dict)[level].to(FunctionVar)
    more = rx.Var.create(ToastProps(component_name="rx.toast", **options))
    return run_script(show.call(literal(text), more))


def go_to(address: str, *, replace: bool = False) -> EventSpec:
    """Show another page of this site; ``replace``: Back does not lead here."""
    return rx.redirect(literal(address), replace=replace)


def trigger(handler: Any, *arguments: object) -> EventSpec:
    """Run a handler of a state; the same as calling it, which mypy refuses (see ``Handler``)."""
    event: EventSpec = handler(*arguments)
    return event


def call(function: str, *arguments: object, callback: Any = None) -> EventSpec:
    """Call a JavaScript function, given as its text, with JSON values; ``callback`` gets what it returns."""
    code = f"({function})({', '.join(map(_javascript, arguments))})"
    return rx.call_script(code, callback=callback)


class RefusingMarks(Middleware):
    """Refuses events whose arguments hold Reflex's mark, before any handler gets them."""

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
