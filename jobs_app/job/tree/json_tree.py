"""A JSON value as the rows of a tree that a page can fold, search and load piece by piece. Pure.

A row is named by the path of keys that leads to it, as a JSON pointer (RFC 6901). Numbers are shown as they are
stored, however large. What is long is cut: of a text the first characters, of a list the first entries, with a row
that loads the rest.
"""

from collections.abc import Collection, Iterator
from typing import Any, TypedDict

from runlane import plain_json

FIRST_ROWS = 500
# The path of the row that stands for all rows beyond those that are shown; no part of a value has such a path.
BEYOND = "beyond"
SHOWN_CHARS = 300
SHOWN_ENTRIES = 50
OPEN_DEPTH = 2
OPEN_ENTRIES = 20


class TreeRow(TypedDict):
    """One line. ``kind``: ``object``, ``array``, ``string``, ``number``, ``boolean``, ``null`` or ``more``."""

    path: str
    depth: int
    key: str
    kind: str
    text: str
    branch: bool
    open: bool
    cut: bool
    found: bool


def tree_rows(
    value: Any,
    *,
    toggled: Collection[str] = (),
    whole: Collection[str] = (),
    search: str = "",
    max_rows: int = FIRST_ROWS,
) -> list[TreeRow]:
    """The rows to show, at most ``max_rows`` and one that stands for those beyond.

    ``toggled``: paths whose folding is not the default. ``whole``: paths that are shown uncut. With ``search`` only the
    rows whose key or value has it, and what leads to them.
    """
    matches = _found(value, search.lower()) if search else None
    rows: list[TreeRow] = []
    for row in _rows("", "", value, 0, toggled, whole, matches):
        if len(rows) == max_rows:
            rows.append(_row(BEYOND, 0, "", "more", f"only the first {max_rows:,} rows are shown", cut=True))
            break
        rows.append(row)
    return rows


def at_path(value: Any, path: str) -> Any:
    """The part of a value that a row's path names.

    Raises:
        KeyError: there is none.
    """
    for step in path.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        try:
            value = value[int(key)] if isinstance(value, list) else value[key]
        except (IndexError, TypeError, ValueError) as exc:
            raise KeyError(path) from exc
    return value


def _rows(
    path: str,
    key: str,
    value: Any,
    depth: int,
    toggled: Collection[str],
    whole: Collection[str],
    matches: dict[str, bool] | None,
) -> Iterator[TreeRow]:
    if matches is not None and path not in matches:
        return
    found = matches is not None and matches[path]
    if not isinstance(value, dict | list) or not value:
        text = _text(value)
        cut = len(text) > SHOWN_CHARS and path not in whole
        yield _row(path, depth, key, _kind(value), f"{text[:SHOWN_CHARS]}…" if cut else text, cut=cut, found=found)
        return
    opens = (depth < OPEN_DEPTH and len(value) <= OPEN_ENTRIES) or depth == 0
    is_open = matches is not None or opens is not (path in toggled)
    one, more = ("key", "keys") if isinstance(value, dict) else ("entry", "entries")
    size = f"{len(value)} {one if len(value) == 1 else more}"
    yield _row(path, depth, key, _kind(value), size, branch=True, open=is_open, found=found)
    if not is_open:
        return
    entries = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
    shown = entries if path in whole or matches is not None else entries[:SHOWN_ENTRIES]
    for name, entry in shown:
        yield from _rows(_step(path, name), str(name), entry, depth + 1, toggled, whole, matches)
    if len(shown) < len(entries):
        yield _row(path, depth + 1, "", "more", f"{len(entries) - len(shown)} more", cut=True)


def _found(value: Any, word: str) -> dict[str, bool]:
    """The paths of what has the word (``True``), and of what leads there (``False``)."""
    paths: dict[str, bool] = {}

    def search(path: str, key: str, part: Any) -> bool:
        has = word in key.lower()
        inside = False
        if isinstance(part, dict | list):
            entries = part.items() if isinstance(part, dict) else enumerate(part)
            for name, entry in entries:
                inside = search(_step(path, name), str(name), entry) or inside
        else:
            has = has or word in _text(part).lower()
        if has or inside:
            paths[path] = has
        return has or inside

    search("", "", value)
    return paths


def _step(path: str, key: object) -> str:
    return f"{path}/{str(key).replace('~', '~0').replace('/', '~1')}"


def _text(value: Any) -> str:
    return plain_json.dumps(value)


def _kind(value: Any) -> str:
    kinds = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}
    return kinds.get(type(value), "number")


def _row(
    path: str,
    depth: int,
    key: str,
    kind: str,
    text: str,
    *,
    branch: bool = False,
    open: bool = False,
    cut: bool = False,
    found: bool = False,
) -> TreeRow:
    return {
        "path": path,
        "depth": depth,
        "key": key,
        "kind": kind,
        "text": text,
        "branch": branch,
        "open": open,
        "cut": cut,
        "found": found,
    }
