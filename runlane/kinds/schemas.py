"""Reading the JSON Schema of a kind: what applies to which part of the parameters.

References go to ``$defs`` of the same schema alone, as pydantic makes them, and never in a circle without going deeper
into the value; ``runlane.kinds.validation.refusal`` holds registered kinds to that.
"""

from collections.abc import Iterable, Iterator
from typing import Any

Schema = dict[str, Any]

DEFS = "#/$defs/"
WAYS = ("anyOf", "oneOf", "allOf")


def target(ref: Any, whole: Schema) -> Any:
    """What a reference refers to; ``None`` if that is not in ``$defs`` of the whole."""
    if not isinstance(ref, str) or not ref.startswith(DEFS):
        return None
    name = ref.removeprefix(DEFS).replace("~1", "/").replace("~0", "~")
    return whole.get("$defs", {}).get(name)


def alternatives(schema: Any, whole: Schema, visited: set[int] | None = None) -> Iterator[Schema]:
    """The schema and all of its alternatives, each once, with references followed: any may apply to the same value."""
    visited = set() if visited is None else visited
    if not isinstance(schema, dict) or id(schema) in visited:
        return
    visited.add(id(schema))
    yield from alternatives(target(schema.get("$ref"), whole), whole, visited)
    for key in WAYS:
        for way in schema.get(key, ()):
            yield from alternatives(way, whole, visited)
    yield schema


def of_property(schemas: Iterable[Schema], name: str) -> Iterator[Any]:
    """The schemas of a property, of an object to which one of these applies."""
    for schema in schemas:
        if name in schema.get("properties", {}):
            yield schema["properties"][name]
        else:
            yield schema.get("additionalProperties")
        yield from schema.get("patternProperties", {}).values()


def of_element(schemas: Iterable[Schema], index: int) -> Iterator[Any]:
    """The schemas of an element, of a list to which one of these applies."""
    for schema in schemas:
        first = schema.get("prefixItems", ())
        yield first[index] if index < len(first) else schema.get("items")
