"""The shape of a schema: whether its references lead anywhere, and how much there is to check for one value.

A value is checked against every alternative, so alternatives that contain alternatives multiply. Where they contain
themselves, the time would double with each level of the value: ``cut`` leaves what is below the first level open.
"""

import copy
from collections.abc import Callable, Iterator
from typing import Any

from runlane.kinds.schemas import DEFS, WAYS, Schema, target

MAX_CHECKS = 50_000
_SCALARS = ("string", "integer", "number", "boolean", "null")
# Keywords whose value is a schema, a list of schemas, or schemas by name.
_ONE = (
    *("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"),
    *("unevaluatedItems", "unevaluatedProperties", "contentSchema"),
)
_LISTS = (*WAYS, "prefixItems")
_NAMED = ("properties", "patternProperties", "dependentSchemas")
_FOREIGN = ("$dynamicRef", "$recursiveRef", "$id")


def objection(schema: Any) -> str | None:
    """What of a schema is not accepted, as the end of a sentence; ``None`` if all is."""
    if not isinstance(schema, dict) or not isinstance(schema.get("$defs", {}), dict):
        return "their schema is no object"
    for part in _within(schema):
        if found := next((keyword for keyword in _FOREIGN if keyword in part), None):
            return f"their schema has {found}, which is not supported"
        if "$ref" in part and not isinstance(target(part["$ref"], schema), dict | bool):
            return f"their schema refers to {str(part['$ref'])[:200]!r}, and only {DEFS}… of its own is followed"
    for name, part in schema.get("$defs", {}).items():
        if _leads_to_itself(part, part, schema, set()):
            return f"{name[:200]!r} in their schema refers to itself and to nothing else"
    if _Cost(cut(schema)).of(schema) > MAX_CHECKS:
        return f"they are made of so many alternatives that one value takes more than {MAX_CHECKS} checks"
    return None


def cut(schema: Schema) -> Schema:
    """The schema, in which alternatives that contain themselves are open below their first level."""
    defs = schema.get("$defs", {})
    reached = {name: _reached(part, schema) for name, part in defs.items()}
    in_circle = {name for name in defs if name in reached[name]}
    branching = {
        name
        for name in in_circle
        if any(
            name in reached[other] and other in reached[name] and _branches(defs[other], schema) for other in in_circle
        )
    }
    if not branching:
        return schema
    opened = {
        name: _opened(part, {DEFS + each for each in branching}) for name, part in defs.items() if name in branching
    }
    return {**schema, "$defs": {**defs, **opened}}


def without_patterns(schema: Schema, keeps: Callable[[Any], bool]) -> Schema:
    """A copy that accepts more: without the patterns that ``keeps`` refuses, and without what rests on them."""
    copied = copy.deepcopy(schema)
    for part in _within(copied):
        if "pattern" in part and not keeps(part["pattern"]):
            del part["pattern"]
        if isinstance(of_names := part.get("patternProperties"), dict) and not all(map(keeps, of_names)):
            for keyword in ("patternProperties", "additionalProperties"):
                part.pop(keyword, None)
        for keyword in ("not", "if", "then", "else", "unevaluatedProperties"):
            part.pop(keyword, None)  # what accepts more in them would refuse more
        if "oneOf" in part:
            ways = part.pop("oneOf")
            part["allOf"] = [*part.get("allOf", ()), {"anyOf": ways}]
    return copied


def _children(part: Any) -> Iterator[Any]:
    """The schemas right in a schema, without its definitions."""
    if not isinstance(part, dict):
        return
    for keyword in _ONE:
        if isinstance(part.get(keyword), dict):
            yield part[keyword]
    for keyword in _LISTS:
        if isinstance(part.get(keyword), list):
            yield from part[keyword]
    for keyword in _NAMED:
        if isinstance(part.get(keyword), dict):
            yield from part[keyword].values()


def _within(part: Any) -> Iterator[Schema]:
    """Every schema in a schema, itself and its definitions included."""
    if not isinstance(part, dict):
        return
    yield part
    defs = part.get("$defs")
    for child in (*_children(part), *(defs.values() if isinstance(defs, dict) else ())):
        yield from _within(child)


def _leads_to_itself(start: Any, part: Any, whole: Schema, visited: set[int]) -> bool:
    """Whether references and alternatives lead from a schema to itself, without going deeper into the value."""
    if not isinstance(part, dict) or id(part) in visited:
        return False
    visited.add(id(part))
    ways = [target(part.get("$ref"), whole), *(way for keyword in WAYS for way in part.get(keyword, ()))]
    return any(way is start or _leads_to_itself(start, way, whole, visited) for way in ways if way is not None)


def _reached(part: Any, whole: Schema) -> set[str]:
    """The definitions that a schema leads to, at any depth."""
    found: set[str] = set()
    open_parts = [part]
    while open_parts:
        for each in _within(open_parts.pop()):
            ref = each.get("$ref")
            if isinstance(ref, str) and ref.startswith(DEFS) and (name := ref.removeprefix(DEFS)) not in found:
                found.add(name)
                open_parts.append(target(ref, whole))
    return found


def _branches(part: Any, whole: Schema) -> bool:
    """Whether a schema has alternatives of which more than one have parts of their own."""
    for each in _within(part):
        for keyword in WAYS:
            ways = each.get(keyword, ())
            if sum(not _is_scalar(way, whole) for way in ways) > 1:
                return True
    return False


def _is_scalar(way: Any, whole: Schema) -> bool:
    found = target(way["$ref"], whole) if isinstance(way, dict) and "$ref" in way else way
    return not isinstance(found, dict) or found.get("type") in _SCALARS


def _opened(part: Any, refs: set[str]) -> Any:
    """A copy in which these references accept everything."""
    if isinstance(part, list):
        return [_opened(each, refs) for each in part]
    if not isinstance(part, dict):
        return part
    if part.get("$ref") in refs:
        return {}
    opened = {key: _opened(value, refs) for key, value in part.items()}
    if "oneOf" in opened and opened["oneOf"] != part["oneOf"]:
        opened["anyOf"] = opened.pop("oneOf")  # what accepts everything would make each other one too many
    return opened


class _Cost:
    """How many schemas a value may be checked against, with references followed."""

    def __init__(self, whole: Schema) -> None:
        self._whole = whole
        self._known: dict[int, int] = {}

    def of(self, part: Any) -> int:
        if not isinstance(part, dict):
            return 1
        if id(part) not in self._known:
            self._known[id(part)] = 1  # what leads back here is counted once
            children = [*_children(part), *([target(part["$ref"], self._whole)] if "$ref" in part else ())]
            self._known[id(part)] = 1 + sum(map(self.of, children))
        return self._known[id(part)]
