"""The catalogue of kinds: which jobs can be submitted, with which parameters.

A kind is declared in one file of ``runlane/kinds/bundled``, which ends with ``KIND = Kind(...)``, and run by the
handler of the same name in ``worker/tasks``. A file is found by being there: adding a kind changes no list. This
package does not import handlers, so that the web app can validate parameters without them.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

from runlane.define.kind import Kind
from runlane.errors import InvalidInput
from runlane.kinds import bundled
from runlane.text import suggestion


class Catalogue:
    """Kinds by name, in the order they are shown: main kinds first, then groups, each by title."""

    def __init__(self, kinds: Iterable[Kind] = ()) -> None:
        self._listeners: list[Callable[[], None]] = []
        self.replace(kinds)

    def replace(self, kinds: Iterable[Kind]) -> None:
        """Have these kinds instead of those that there were."""
        ordered = sorted(kinds, key=lambda kind: (kind.group != "main", kind.group, kind.title))
        self._kinds = {kind.name: kind for kind in ordered}
        for notify in self._listeners:
            notify()

    def on_change(self, notify: Callable[[], None]) -> None:
        """Have ``notify`` called after each replacement."""
        self._listeners.append(notify)

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._kinds.values())

    def find(self, name: str) -> Kind | None:
        """The kind of that name, if there is one."""
        return self._kinds.get(name)

    def get(self, name: str) -> Kind:
        """The kind of that name.

        Raises:
            InvalidInput: no such kind; the message has the closest name, if any, and where to find all.
        """
        if kind := self._kinds.get(name):
            return kind
        hint = suggestion(name, self._kinds)
        raise InvalidInput.of("kind", f"there is no kind {name!r}.{hint} GET /api/kinds lists them.")


@lru_cache(maxsize=1)
def catalogue() -> Catalogue:
    """Every kind declared in ``runlane/kinds/bundled``, read on first use."""
    modules = [importlib.import_module(f"{bundled.__name__}.{m.name}") for m in pkgutil.iter_modules(bundled.__path__)]
    return Catalogue([module.KIND for module in modules])
