"""A kind's parameter model as form fields, and form values back as parameters. No I/O, no Reflex."""

from typing import Any, TypedDict

from jobs import plain_json
from jobs.errors import InvalidInput
from jobs.kinds import Kind


class FormField(TypedDict):
    """One input. ``input`` is ``text``, ``number``, ``switch``, ``choice`` or ``json``."""

    name: str
    label: str
    help: str
    input: str
    default: str
    minimum: str
    maximum: str
    step: str
    choices: list[str]
    required: bool


def form_fields(kind: Kind) -> list[FormField]:
    """The inputs that a form for this kind needs, in the order of the model."""
    schema = kind.params_schema
    required = set(schema.get("required", []))
    return [
        _field(name, _resolved(part, schema), kind.defaults.get(name), name in required)
        for name, part in schema.get("properties", {}).items()
    ]


def form_params(fields: list[FormField], values: dict[str, Any]) -> dict[str, Any]:
    """Parameters from what a form sent; text stays text and is made a number by the kind's model.

    Raises:
        InvalidInput: a field that takes JSON holds none.
    """
    params: dict[str, Any] = {}
    for field in fields:
        name, value = field["name"], values.get(field["name"])
        if field["input"] == "switch":
            params[name] = value in (True, "on", "true")
        elif field["input"] == "json":
            params |= _json_value(name, value)
        elif value not in (None, "") or field["input"] == "text":
            params[name] = value or ""
        elif field["required"]:
            raise InvalidInput.of(f"params.{name}", "is required")
    return params


def _json_value(name: str, text: Any) -> dict[str, Any]:
    if not text:
        return {}
    try:
        return {name: plain_json.loads(str(text))}
    except InvalidInput as exc:
        raise InvalidInput.of(f"params.{name}", exc.errors[0].message) from exc


def _field(name: str, part: dict[str, Any], default: Any, required: bool) -> FormField:
    kind_of_input = _input(part)
    return {
        "name": name,
        "label": name.replace("_", " ").capitalize(),
        "help": part.get("description", ""),
        "input": kind_of_input,
        "default": _default(default, kind_of_input),
        "minimum": _limit(part, "minimum", "exclusiveMinimum"),
        "maximum": _limit(part, "maximum", "exclusiveMaximum"),
        "step": "1" if part.get("type") == "integer" else "any",
        "choices": [str(choice) for choice in part.get("enum", [])],
        "required": required,
    }


def _resolved(part: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The part with its reference, if it has one, followed."""
    reference = part.get("$ref", "")
    if not reference:
        return part
    return {**schema["$defs"][reference.rsplit("/", 1)[-1]], **part}


def _input(part: dict[str, Any]) -> str:
    if part.get("enum"):
        return "choice"
    return {"string": "text", "integer": "number", "number": "number", "boolean": "switch"}.get(
        part.get("type", ""), "json"
    )


def _default(default: Any, kind_of_input: str) -> str:
    if default is None:
        return ""
    if kind_of_input == "json":
        return plain_json.dumps(default)
    if isinstance(default, bool):
        return "true" if default else ""
    return str(default)


def _limit(part: dict[str, Any], *keys: str) -> str:
    return next((str(part[key]) for key in keys if key in part), "")
