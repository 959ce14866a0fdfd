"""A kind's parameter model as form fields, and form values back as parameters. No I/O, no Reflex.

A nested object becomes fields with dotted names under a heading, a list of plain values a text with one a line; what
else there may be is typed as JSON.
"""

from collections.abc import Iterator, Mapping
from typing import Any, TypedDict

from jobs import plain_json
from jobs.errors import InvalidInput
from jobs.kinds import SECRET_FORMAT, Kind

DEEPEST_GROUP = 3
PLAIN = {"string": "text", "integer": "number", "number": "number", "boolean": "switch"}


class FormField(TypedDict):
    """One input. ``input``: ``text``, ``secret``, ``number``, ``switch``, ``choice``, ``lines`` or ``json``.

    ``name`` is a dotted path; ``group`` is the heading above the first field of a nested object, else empty.
    """

    name: str
    label: str
    group: str
    help: str
    input: str
    default: str
    minimum: str
    maximum: str
    step: str
    choices: list[str]
    required: bool


def form_fields(kind: Kind, given: Mapping[str, Any] | None = None) -> list[FormField]:
    """The inputs that a form for this kind needs, in the order of the model; filled with ``given`` or the defaults."""
    return list(_fields(kind.params_schema, kind.params_schema, kind.defaults if given is None else given, "", ""))


def form_params(fields: list[FormField], values: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters from what a form holds; text stays text and is made a number by the kind's model.

    Raises:
        InvalidInput: a field that takes JSON holds none, or a required one nothing.
    """
    params: dict[str, Any] = {}
    for field in fields:
        value = values.get(field["name"])
        if field["input"] == "switch":
            _put(params, field["name"], value in (True, "on", "true"))
        elif field["input"] == "lines":
            _put(params, field["name"], [line.strip() for line in str(value or "").splitlines() if line.strip()])
        elif field["input"] == "json":
            if value:
                _put(params, field["name"], _json_value(field["name"], value))
        elif value not in (None, "") or field["input"] in ("text", "secret"):
            _put(params, field["name"], value or "")
        elif field["required"]:
            raise InvalidInput.of(f"params.{field['name']}", "is required")
    return params


def defaults(fields: list[FormField]) -> dict[str, Any]:
    """What a form holds before anybody types."""
    return {field["name"]: field["default"] for field in fields}


def _fields(
    schema: dict[str, Any], whole: dict[str, Any], given: Mapping[str, Any], path: str, group: str
) -> Iterator[FormField]:
    required = set(schema.get("required", []))
    for name, part in schema.get("properties", {}).items():
        part = _resolved(part, whole)
        value = given.get(name)
        if part.get("type") == "object" and part.get("properties") and path.count(".") < DEEPEST_GROUP:
            inner = value if isinstance(value, Mapping) else part.get("default") or {}
            yield from _fields(part, whole, inner, f"{path}{name}.", _label(name))
            continue
        filled = value if name in given else part.get("default")
        if part.get("format") == SECRET_FORMAT:
            filled = ""  # never sent to a browser; one that is not typed anew stays empty
        yield _field(path + name, _label(name), group, part, filled, name in required)
        group = ""  # stands above the first one only


def _field(name: str, label: str, group: str, part: dict[str, Any], value: Any, required: bool) -> FormField:
    kind_of_input = _input(part)
    return {
        "name": name,
        "label": label,
        "group": group,
        "help": part.get("description", ""),
        "input": kind_of_input,
        "default": _default(value, kind_of_input),
        "minimum": _limit(part, "minimum", "exclusiveMinimum"),
        "maximum": _limit(part, "maximum", "exclusiveMaximum"),
        "step": "1" if part.get("type") == "integer" else "any",
        "choices": [str(choice) for choice in part.get("enum", [])],
        "required": required,
    }


def _label(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _resolved(part: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The part with its reference, if it has one, followed."""
    reference = part.get("$ref", "")
    if not reference:
        return part
    return {**schema["$defs"][reference.rsplit("/", 1)[-1]], **part}


def _input(part: dict[str, Any]) -> str:
    if part.get("enum"):
        return "choice"
    if part.get("format") == SECRET_FORMAT:
        return "secret"
    if part.get("type") == "array" and part.get("items", {}).get("type") in ("string", "integer", "number"):
        return "lines"
    return PLAIN.get(part.get("type", ""), "json")


def _default(value: Any, kind_of_input: str) -> str:
    if value is None:
        return ""
    if kind_of_input == "lines" and isinstance(value, list):
        return "\n".join(str(entry) for entry in value)
    if kind_of_input in ("json", "lines"):
        return plain_json.dumps(value)
    if isinstance(value, bool):
        return "true" if value else ""
    return str(value)


def _limit(part: dict[str, Any], *keys: str) -> str:
    return next((str(part[key]) for key in keys if key in part), "")


def _json_value(name: str, text: Any) -> Any:
    try:
        return plain_json.loads(str(text))
    except InvalidInput as exc:
        raise InvalidInput.of(f"params.{name}", exc.errors[0].message) from exc


def _put(params: dict[str, Any], path: str, value: Any) -> None:
    *groups, name = path.split(".")
    for group in groups:
        params = params.setdefault(group, {})
    params[name] = value
