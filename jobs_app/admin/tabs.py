"""What the admin pages beside the overview read again; each is registered with its page."""

from typing import Any

_refreshes: dict[str, Any] = {}


def register(address: str, refresh: Any) -> None:
    """Have the page at ``address`` handle the event ``refresh`` whenever something has changed."""
    _refreshes[address] = refresh


def refresh_of(address: str) -> Any:
    """The event that has the page at ``address`` read again; ``None`` if it shows nothing of its own."""
    refresh = _refreshes.get(address.rstrip("/"))
    return None if refresh is None else refresh()
