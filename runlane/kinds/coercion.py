"""Text as a form sends it, as the values that a schema asks for: numbers, truths and nothing."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from runlane.kinds.schemas import Schema, alternatives, of_element, of_property

_WHOLE = re.compile(r"\s*[+-]?\d{1,4000}\s*")
_TRUTHS = {**dict.fromkeys(("true", "on", "yes", "1"), True), **dict.fromkeys(("false", "off", "no", "0"), False)}


def coerced(params: Any, schema: Schema) -> Any:
    """The parameters, in which a text is a number, a truth or null where the schema wants that and takes no text."""
    return _coerced(params, [schema], schema)


def _coerced(value: Any, schemas: Iterable[Any], whole: Schema) -> Any:
    possible = [each for schema in schemas for each in alternatives(schema, whole)]
    if isinstance(value, Mapping):
        return {name: _coerced(part, of_property(possible, name), whole) for name, part in value.items()}
    if isinstance(value, list):
        return [_coerced(part, of_element(possible, index), whole) for index, part in enumerate(value)]
    return _typed(value, _types(possible)) if isinstance(value, str) else value


def _types(schemas: Iterable[Schema]) -> set[str]:
    types: set[str] = set()
    for schema in schemas:
        kinds = schema.get("type", ())
        types |= {kinds} if isinstance(kinds, str) else set(kinds)
    return types


def _typed(text: str, types: set[str]) -> Any:
    if not types or "string" in types:
        return text
    if types & {"integer", "number"} and _WHOLE.fullmatch(text):
        return int(text)
    if "number" in types:
        try:
            return float(text)
        except ValueError:
            pass
    word = text.strip().lower()
    if "boolean" in types and word in _TRUTHS:
        return _TRUTHS[word]
    return None if "null" in types and word in ("", "null", "none") else text
