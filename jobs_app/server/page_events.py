"""What a page's websocket sends, checked before Reflex gets it.

Reflex logs events that it cannot read as a whole, with a form's values, secrets among them. So an event that no page of
ours would send is dropped here, and only what is wrong with it is logged.
"""

import inspect
import logging
from typing import Any

from reflex.app import App
from reflex_base.registry import RegistrationContext

log = logging.getLogger(__name__)


def check_events(app: App) -> None:
    """Check every event of every page of ``app``."""
    namespace = app.event_namespace
    assert namespace is not None
    accept = namespace.on_event

    async def on_event(sid: str, data: Any = None) -> None:
        if wrong := wrong_with(data):
            log.info("An event of the tab %s was dropped: %s.", sid, wrong)
        else:
            await accept(sid, data)

    namespace.on_event = on_event  # type: ignore[method-assign]  # Reflex has no hook before it reads an event


def is_of_dispatch(exception: BaseException) -> bool:
    """Whether Reflex failed to call a handler, rather than the handler itself."""
    trace = exception.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and str(trace.tb_frame.f_globals.get("__name__")).startswith("reflex")


def wrong_with(event: Any) -> str:
    """Why no page of ours would send this; empty if one would. Nothing of its content is in the answer."""
    if not isinstance(event, dict):
        return f"it is a {type(event).__name__}, not an object"
    name, payload = event.get("name"), event.get("payload", {})
    known = RegistrationContext.get().event_handlers.get(name) if isinstance(name, str) else None
    if known is None:
        return "it names no handler there is"
    if not isinstance(payload, dict) or not isinstance(event.get("router_data", {}), dict):
        return f"its arguments, or its page, are no object ({name})"
    _self, *taken = inspect.signature(known.handler.fn).parameters
    if not set(payload) <= set(taken):
        return f"it has arguments that {name} does not take"
    return ""
