"""The description of the API, made true where FastAPI cannot know: what is refused and how, and what a kind takes.

Every refusal is a problem document. Which ones a request can meet is described here for the whole API: what is not
found has its name in the path, what is too large has a body, and the guard may refuse anything. Conflicts are named at
each endpoint.
"""

import copy
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any
from zoneinfo import available_timezones

from fastapi import FastAPI

from jobs_app.api.problems import PROBLEM
from runlane.kinds.catalogue import Catalogue
from runlane.model.kind import Kind

Schema = dict[str, Any]

# For endpoints that the state of a thing may refuse; see ``runlane.errors``.
CONFLICT: dict[int | str, Schema] = {409: {"description": "It is in a state that does not allow this."}}


def sends(*media_types: str) -> dict[int | str, Schema]:
    """For endpoints that answer with something else than JSON."""
    content = {media_type: {"schema": {"type": "string"}} for media_type in media_types}
    return {200: {"description": "The file.", "content": content}}


def streams(description: str, **events: tuple[str, str]) -> dict[int | str, Schema]:
    """For endpoints that send events: for each its shape, the name of a schema or one in JSON, and when it comes."""
    shapes = {name: _shape(shape) for name, (shape, _) in events.items()}
    lines = [f"- `event: {name}`: {when}" for name, (_, when) in events.items()]
    text = "\n".join([description, "", *lines, "", "A comment `: ping` comes after 15 quiet seconds."])
    each = [_message(name, shape) for name, shape in shapes.items()]
    return {200: {"description": text, "content": {"text/event-stream": {"itemSchema": {"oneOf": each}}}}}


def _shape(shape: str) -> Schema:
    return json.loads(shape) if shape.startswith("{") else {"$ref": f"#/components/schemas/{shape}"}


def _message(name: str, shape: Schema) -> Schema:
    """One message of a stream; its data is JSON, as text."""
    data = {"type": "string", "contentMediaType": "application/json", "contentSchema": shape}
    more = {"id": {"type": "string"}, "retry": {"type": "integer", "minimum": 0}}
    return {
        "title": name,
        "type": "object",
        "required": ["event", "data"],
        "properties": {"event": {"const": name}, "data": data, **more},
    }


_REFUSALS = {
    403: "A page of another site asks.",
    404: "There is no such thing (any more).",
    408: "The body does not arrive.",
    413: "The body is too large.",
    421: "The server does not know the name in `Host`.",
    422: "The request is not valid; `errors` names the fields.",
    429: "This address has too much open.",
    503: "The database or Redis does not answer.",
}
_ALWAYS = (421, 429, 503)
_WITH_BODY = (403, 408, 413)
_PROBLEM: Schema = {
    "title": "Problem",
    "description": "Why a request was refused, as of RFC 9457.",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "what happened, about which thing, and what to do"},
        "errors": {
            "type": "array",
            "description": "the fields that are wrong, with 422",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
_WITH_KIND = ("Submission", "ScheduleDraft")
_PLAIN, _NOT_PLAIN = re.compile(r"[A-Za-z0-9._-]+"), re.compile(r"[^A-Za-z0-9._-]")
_FASTAPIS = ("HTTPValidationError", "ValidationError")


def describe(api: FastAPI, kinds: Catalogue) -> None:
    """Have ``api`` describe itself as it is, with the kinds that there are when it is asked."""
    make = api.openapi
    described: dict[int, Schema] = {}
    """By the version of the kinds, the last one only."""

    def openapi() -> Schema:
        if kinds.version not in described:
            if api.openapi_schema is None:
                _amend(make())
            whole = copy.deepcopy(api.openapi_schema)
            assert whole is not None
            _add_kinds(whole["components"]["schemas"], list(kinds))
            described.clear()
            described[kinds.version] = whole
        return described[kinds.version]

    api.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's documentation does it


def _amend(schema: Schema) -> None:
    """Say what is so whatever kinds there are."""
    models = schema["components"]["schemas"]
    for name in _FASTAPIS:
        models.pop(name, None)
    models["Problem"] = _PROBLEM
    for path, method, operation in _operations(schema):
        answers = operation["responses"]
        for status in {*_refusals_of(path, method), *(int(each) for each in answers if each[0] in "45")}:
            described = answers.get(str(status), {})
            if status == 422 or "content" not in described:
                answers[str(status)] = _refusal(status, described.get("description"))
    for part in (*schema["paths"].values(), *models.values()):
        _bound_texts(part)
    for name in ("Timing", "ScheduleDraft", "SchedulePatch"):
        models[name]["properties"]["timezone"]["enum"] = sorted(available_timezones())


def _add_kinds(models: Schema, kinds: Sequence[Kind]) -> None:
    """Say which kinds there are, and what each takes."""
    for name in ("RuleDraft", "RulePatch"):
        models[name]["properties"]["kind"]["enum"] = ["", *(kind.name for kind in kinds)]
    if not kinds:  # an empty enum is none
        return
    for kind in kinds:
        models[f"{_key(kind)}-params"] = _params(kind, models)
    for name in _WITH_KIND:
        models[name]["oneOf"] = [_one_kind(kind) for kind in kinds]
    for model in (*(models[name] for name in _WITH_KIND), models["SchedulePatch"]):
        model["properties"]["kind"]["enum"] = [kind.name for kind in kinds]


def _key(kind: Kind) -> str:
    """The kind's name as OpenAPI allows it in the name of a model, and unlike any other's."""
    return kind.name if _PLAIN.fullmatch(kind.name) else f"{_NOT_PLAIN.sub('_', kind.name)}-{kind.digest}"


def _bound_texts(part: Any) -> None:
    """State for every text that it holds no NUL, which no database keeps."""
    if isinstance(part, list):
        for each in part:
            _bound_texts(each)
    elif isinstance(part, dict):
        if part.get("type") == "string" and not {"enum", "const", "format", "pattern"} & part.keys():
            part["pattern"] = r"^[^\x00]*$"
        for each in part.values():
            _bound_texts(each)


def _operations(schema: Schema) -> Iterator[tuple[str, str, Schema]]:
    for path, item in schema["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def _refusals_of(path: str, method: str) -> Iterator[int]:
    yield from _ALWAYS
    if "{" in path:
        yield 404
    if method != "get":
        yield from _WITH_BODY


def _refusal(status: int, description: str | None) -> Schema:
    """``description``: the endpoint's own, if it has one."""
    content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {"description": _REFUSALS.get(status) or description, "content": content}


def _params(kind: Kind, models: Schema) -> Schema:
    """The kind's parameters; what they are made of gets a name of its own among all that the API describes."""
    key = _key(kind)
    schema: Schema = json.loads(json.dumps(kind.params_schema).replace('"#/$defs/', f'"#/components/schemas/{key}-'))
    models.update({f"{key}-{name}": model for name, model in schema.pop("$defs", {}).items()})
    return schema


def _one_kind(kind: Kind) -> Schema:
    """What a body of this kind is; its parameters may be left out if all of them have defaults."""
    params = {"$ref": f"#/components/schemas/{_key(kind)}-params"}
    must = {"required": ["kind", "params"]} if kind.params_schema.get("required") else {}
    return {"properties": {"kind": {"const": kind.name}, "params": params}, **must}
