"""The catalogue of kinds: which jobs can be submitted, with which parameters.

Workers register what they can run (``runlane.kinds.store``); ``runlane.kinds.live`` keeps a catalogue up to date. It
is replaced in place, so that whoever holds it reads what is there now. Reading it does no I/O.
"""

from collections.abc import Callable, Iterable, Iterator

from runlane.errors import InvalidInput
from runlane.model.kind import Kind
from runlane.text import suggestion


class Catalogue:
    """Kinds by name, in the order they are shown: main kinds first, then groups, each by title."""

    def __init__(self, kinds: Iterable[Kind] = ()) -> None:
        self._kinds: dict[str, Kind] = {}
        self._listeners: list[Callable[[], None]] = []
        self.version = 0
        """Counts changes: while it stays the same, what was made of the kinds is still true."""
        self.replace(kinds)

    def __iter__(self) -> Iterator[Kind]:
        return iter(list(self._kinds.values()))

    def __len__(self) -> int:
        return len(self._kinds)

    def __contains__(self, name: object) -> bool:
        return name in self._kinds

    def get(self, name: str) -> Kind:
        """The kind of that name.

        Raises:
            InvalidInput: no such kind; the message has the closest name, if any, and where to find all.
        """
        if kind := self._kinds.get(name):
            return kind
        hint = suggestion(name, self._kinds)
        raise InvalidInput.of("kind", f"there is no kind {name!r}.{hint} GET /api/kinds lists them.")

    def find(self, name: str) -> Kind | None:
        """The kind of that name; ``None`` if there is none (any more), as of a job of long ago."""
        return self._kinds.get(name)

    def replace(self, kinds: Iterable[Kind]) -> None:
        """From now on there are these kinds; of two with one name the later. Listeners are called if that is new."""
        ordered = sorted(
            {kind.name: kind for kind in kinds}.values(),
            key=lambda kind: (kind.group != "main", kind.group, kind.title),
        )
        before = {name: kind.digest for name, kind in self._kinds.items()}
        self._kinds = {kind.name: kind for kind in ordered}
        if before == {name: kind.digest for name, kind in self._kinds.items()}:
            return
        self.version += 1
        for listener in list(self._listeners):
            listener()

    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Have ``listener`` called after each change, in the event loop; what this returns ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)


_catalogue = Catalogue()


def catalogue() -> Catalogue:
    """The one catalogue of this process; empty until it is read from SQL."""
    return _catalogue
