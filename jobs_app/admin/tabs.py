"""How each admin page but the overview refreshes what it shows; registered with the page."""

from collections.abc import Callable
from typing import Any

from jobs_app.live.effects import Effect

# handlers of states, which mypy takes for their decorator; hence ``Any`` where one is registered
_refreshes: dict[str, Callable[[], Effect]] = {}


def register(address: str, refresh: Any) -> None:
    """Have the page at ``address`` handle the event ``refresh`` whenever something has changed."""
    _refreshes[address] = refresh


def refresh_of(address: str) -> Effect:
    """The event that has the page at ``address`` read again; ``None`` if it shows nothing of its own."""
    refresh = _refreshes.get(address.rstrip("/"))
    return None if refresh is None else refresh()
