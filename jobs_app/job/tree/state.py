"""The JSON trees of a job's page: what is unfolded, loaded and searched for in its parameters, result and error."""

from typing import Any

import reflex as rx

from jobs_app.job.tree.json_tree import BEYOND, FIRST_ROWS, TreeRow, at_path, tree_rows
from jobs_app.live.effects import Effect, toast
from jobs_app.ui.clipboard import copy
from runlane import plain_json

TREES = ("params", "result", "error", "saved")


class Trees(rx.State):
    """One tab's trees, each under its name in ``TREES``."""

    rows: dict[str, list[TreeRow]] = {}
    searches: dict[str, str] = {}
    _values: dict[str, Any] = {}
    _toggled: dict[str, list[str]] = {}
    _whole: dict[str, list[str]] = {}
    _max_rows: dict[str, int] = {}
    """How many rows are shown at most, where more than the first were loaded."""

    def put(self, **values: Any) -> None:
        """Show these values; what was unfolded in them stays so."""
        self._values = {**self._values, **values}
        for tree in values:
            self._draw(tree)

    def value(self, tree: str) -> Any:
        """What is shown under this name."""
        return self._values.get(tree)

    def start_again(self) -> None:
        """Forget what was unfolded, loaded and searched for: another job is shown."""
        self.reset()  # type: ignore[no-untyped-call]  # Reflex gives it no type

    @rx.event
    def toggle(self, tree: str, path: str) -> None:
        """Fold or unfold a row."""
        paths = self._toggled.get(tree, [])
        if not self._is_of(tree, path):
            return
        chosen = [p for p in paths if p != path] if path in paths else [*paths, path]
        self._toggled = {**self._toggled, tree: chosen}
        self._draw(tree)

    @rx.event
    def load_rest(self, tree: str, path: str) -> None:
        """Show a row uncut, or as many rows again."""
        if not self._is_of(tree, path):
            return
        if path == BEYOND:
            self._max_rows = {**self._max_rows, tree: self._max_rows.get(tree, FIRST_ROWS) + FIRST_ROWS}
        else:
            self._whole = {**self._whole, tree: [*self._whole.get(tree, []), path]}
        self._draw(tree)

    @rx.event
    def find(self, tree: str, search: str) -> None:
        self.searches = {**self.searches, tree: search[:200]}
        self._draw(tree)

    @rx.event
    def copy(self, tree: str, path: str) -> Effect:
        """Put a row's value, whole and exact, on the clipboard."""
        try:
            text = plain_json.indented(at_path(self._values[tree], path))
        except KeyError:
            return toast("error", "That part is no longer there; reload the page.")
        return copy(text)

    def _is_of(self, tree: str, path: str) -> bool:
        """Whether such a row is shown; a client may ask for anything."""
        return any(row["path"] == path for row in self.rows.get(tree, []))

    def _draw(self, tree: str) -> None:
        if tree not in TREES or self._values.get(tree) is None:
            self.rows = {name: rows for name, rows in self.rows.items() if name != tree}
            return
        drawn = tree_rows(
            self._values[tree],
            toggled=self._toggled.get(tree, []),
            whole=self._whole.get(tree, []),
            search=self.searches.get(tree, ""),
            max_rows=self._max_rows.get(tree, FIRST_ROWS),
        )
        self.rows = {**self.rows, tree: drawn}
