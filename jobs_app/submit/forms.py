"""A kind's parameter model as form fields, and form values back as parameters. No I/O, no Reflex.

A nested object becomes fields with dotted names under a heading, a list of plain values a text with one a line; what
may be null is null while its field is empty; any other type is typed as JSON. Secrets are never sent to a browser: a
form is filled with ``MASK`` in their places, which stands for the stored value.
"""

from collections.abc import Iterator, Mapping
from typing import Any, TypedDict

from runlane import plain_json
from runlane.define.params import SECRET_FORMAT
from runlane.errors import InvalidInput
from runlane.kinds.masking import MASK, masked
from runlane.model.kind import Kind, Schema

MAX_GROUP_DEPTH = 3
# How the choice of null is shown.
NO_CHOICE = "none"
PLAIN = {"string": "text", "integer": "number", "number": "number", "boolean": "switch"}


class FormField(TypedDict):
    """One input. ``input``: ``text``, ``secret``, ``number``, ``switch``, ``choice``, ``lines`` or ``json``.

    ``name`` is a dotted path; ``group`` is the heading above the first field of a nested object, else empty.
    ``chosen``: what the choices stand for, as a JSON list. ``kept``: a secret that stays as it is if nothing is typed.
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
    chosen: str
    required: bool
    nullable: bool
    kept: bool
    revision: int
    """Counts how often the input began again while the form was open."""


def form_fields(kind: Kind, given: Mapping[str, Any] | None = None) -> list[FormField]:
    """The inputs that a form for this kind needs, in the order of the model; filled with ``given`` or the defaults."""
    shown = masked(kind, kind.defaults if given is None else given)
    return list(_fields(kind.params_schema, kind.params_schema, shown, "", ""))


def form_params(fields: list[FormField], values: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters from what a form holds; text stays text and is made a number by the kind's model.

    Raises:
        InvalidInput: a field that takes JSON holds none, or a required one nothing.
    """
    params: dict[str, Any] = {}
    for field in fields:
        value = values.get(field["name"])
        is_empty = value in (None, "")
        if field["input"] == "switch":
            _put(params, field["name"], value in (True, "on", "true"))
        elif is_empty and field["kept"]:
            _put(params, field["name"], MASK)
        elif is_empty and field["nullable"]:
            _put(params, field["name"], None)
        elif field["input"] == "lines":
            _put(params, field["name"], [line.strip() for line in str(value or "").splitlines() if line.strip()])
        elif field["input"] in ("text", "secret"):
            _put(params, field["name"], value or "")
        elif not is_empty:
            _put(params, field["name"], _typed(field, value))
        elif field["required"]:
            raise InvalidInput.of(f"params.{field['name']}", "is required")
    return params


def defaults(fields: list[FormField]) -> dict[str, Any]:
    """What a form holds before anything is typed."""
    return {field["name"]: field["default"] for field in fields}


def _fields(schema: Schema, whole: Schema, given: Mapping[str, Any], path: str, group: str) -> Iterator[FormField]:
    required = set(schema.get("required", []))
    for name, part in schema.get("properties", {}).items():
        part, nullable = _resolved(part, whole)
        value = given.get(name)
        is_group = part.get("type") == "object" and part.get("properties") and not nullable
        if is_group and path.count(".") < MAX_GROUP_DEPTH:
            inner = value if isinstance(value, Mapping) else part.get("default") or {}
            yield from _fields(part, whole, inner, f"{path}{name}.", _label(name))
            continue
        filled = value if name in given else part.get("default")
        yield _field(path + name, group, part, filled, required=name in required, nullable=nullable)
        group = ""  # stands above the first one only


def _field(name: str, group: str, part: Schema, value: Any, *, required: bool, nullable: bool) -> FormField:
    kind_of_input = _input(part, nullable)
    choices = _choices(part, nullable)
    return {
        "name": name,
        "label": _label(name.rsplit(".", 1)[-1]),
        "group": group,
        "help": part.get("description", ""),
        "input": kind_of_input,
        "default": ""
        if kind_of_input == "secret" or (value is None and not nullable)
        else _default(value, kind_of_input),
        "minimum": _limit(part, "minimum", "exclusiveMinimum"),
        "maximum": _limit(part, "maximum", "exclusiveMaximum"),
        "step": "1" if part.get("type") == "integer" else "any",
        "choices": [_choice(value) for value in choices],
        "chosen": plain_json.dumps(choices),
        "required": required,
        "nullable": nullable,
        "kept": kind_of_input == "secret" and value == MASK,
        "revision": 0,
    }


def _label(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _resolved(part: Schema, whole: Schema) -> tuple[Schema, bool]:
    """The part with its reference followed, and whether it may also be null."""
    if not isinstance(part, Mapping):  # ``true`` allows anything
        return {}, False
    if "$ref" in part:
        part = {**whole.get("$defs", {}).get(part["$ref"].rsplit("/", 1)[-1], {}), **part}
    others = [way for way in part.get("anyOf", ()) if way.get("type") != "null"]
    if len(others) != 1 or len(part["anyOf"]) != 2:
        return part, False
    only, _ = _resolved(others[0], whole)
    return {**only, **{name: value for name, value in part.items() if name != "anyOf"}}, True


def _choices(part: Schema, nullable: bool) -> list[Any]:
    """What may be chosen; none where it is not a choice."""
    if "const" in part:
        choices = [part["const"]]
    elif nullable and part.get("type") == "boolean":
        choices = [True, False]
    else:
        choices = list(part.get("enum", ()))
    return [*choices, None] if choices and nullable else choices


def _input(part: Schema, nullable: bool) -> str:
    if _choices(part, nullable):
        return "choice"
    if part.get("format") == SECRET_FORMAT:
        return "secret"
    if part.get("type") == "array" and part.get("items", {}).get("type") in ("string", "integer", "number"):
        return "json" if part["items"].get("format") == SECRET_FORMAT else "lines"
    return PLAIN.get(str(part.get("type", "")), "json")


def _default(value: Any, kind_of_input: str) -> str:
    if kind_of_input == "choice":
        return _choice(value)
    if value is None:
        return ""
    if kind_of_input == "lines" and isinstance(value, list):
        return "\n".join(str(entry) for entry in value)
    if kind_of_input in ("json", "lines"):
        return plain_json.dumps(value)
    if isinstance(value, bool):
        return "true" if value else ""
    return str(value)


def _choice(value: Any) -> str:
    """A choice as text, as the API has it."""
    return NO_CHOICE if value is None else value if isinstance(value, str) else plain_json.dumps(value)


def _limit(part: Schema, *keys: str) -> str:
    return next((str(part[key]) for key in keys if key in part), "")


def _typed(field: FormField, value: Any) -> Any:
    """What was typed or chosen, as a value; numbers stay text."""
    if field["input"] == "choice" and value in field["choices"]:
        return plain_json.loads(field["chosen"])[field["choices"].index(value)]
    return _json_value(field["name"], value) if field["input"] == "json" else value


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
