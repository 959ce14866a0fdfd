"""Declaring a kind of job and its parameters, and masking those that are secret."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import to_jsonable_python

from runlane import plain_json
from runlane.define.problems import field_errors
from runlane.errors import InvalidInput
from runlane.model.limits import Rate

SECRET_FORMAT = "password"
# A parameter that forms accept without showing it, and that pages show masked.
Secret = Annotated[str, Field(json_schema_extra={"format": SECRET_FORMAT, "writeOnly": True})]


class Params(BaseModel):
    """Base of every kind's parameters: unknown fields are refused, values are not changed after validation.

    Errors do not repeat the wrong value, since it may be a secret.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


@dataclass(frozen=True)
class Kind:
    """A sort of work.

    ``timeout_s`` bounds one attempt. ``max_attempts`` is how often a job of this kind is tried unless its submission
    says otherwise; 1 means a failure is final. ``max_running`` and ``rate`` bound how many run at once and how many
    start in a time, over all workers.
    """

    name: str
    title: str
    description: str
    params: type[Params]
    group: str = "main"
    timeout_s: float = 3600.0
    max_attempts: int = 3
    max_running: int | None = None
    rate: Rate | None = None
    defaults: dict[str, Any] = field(init=False)
    params_schema: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        schema = self.params.model_json_schema()
        defaults = {
            name: to_jsonable_python(info.get_default(call_default_factory=True))
            for name, info in self.params.model_fields.items()
            if not info.is_required()
        }
        object.__setattr__(self, "params_schema", schema)
        object.__setattr__(self, "defaults", defaults)

    def validate(self, params: Any, *, lax: bool = False) -> Params:
        """The parameters as this kind's model; ``lax`` also accepts text for numbers, as a form sends it.

        Raises:
            InvalidInput: one message a field, each field named ``params.<name>``.
        """
        try:
            if lax:
                return self.params.model_validate(params)
            return self.params.model_validate_json(plain_json.dumps(params), strict=True)
        except ValidationError as exc:
            raise InvalidInput(field_errors(exc, "params")) from exc


MASK = "••••••"
Schema = dict[str, Any]


def masked(kind: Kind, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with every ``Secret`` that is set replaced by ``MASK``: for people, not for handlers."""
    shown: dict[str, Any] = _masked([kind.params_schema], kind.params_schema, params)
    return shown


def unmasked(params: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with every ``MASK`` replaced by what is ``stored`` in its place.

    Raises:
        InvalidInput: nothing is stored there; the message has its path.
    """
    whole: dict[str, Any] = _unmasked(params, stored, "params")
    return whole


def _masked(schemas: Iterable[Schema], whole: Schema, value: Any) -> Any:
    """``schemas``: all that may apply to the value."""
    possible = [each for schema in schemas for each in _alternatives(schema, whole)]
    if isinstance(value, Mapping):
        return {
            name: _masked([s for each in possible for s in _of_property(each, name)], whole, v)
            for name, v in value.items()
        }
    if isinstance(value, list):
        return [_masked([s for each in possible for s in _of_element(each, n)], whole, v) for n, v in enumerate(value)]
    return MASK if value and any(each.get("format") == SECRET_FORMAT for each in possible) else value


def _alternatives(schema: Schema, whole: Schema) -> Iterator[Schema]:
    """The schema and all its alternatives, with references followed."""
    if "$ref" in schema:
        yield from _alternatives(whole["$defs"][schema["$ref"].rsplit("/", 1)[-1]], whole)
    for key in ("anyOf", "oneOf", "allOf"):
        for alternative in schema.get(key, ()):
            yield from _alternatives(alternative, whole)
    yield schema


def _of_property(schema: Schema, name: str) -> Iterator[Schema]:
    """The schemas of a property in an object."""
    if name in schema.get("properties", {}):
        yield schema["properties"][name]
    yield from schema.get("patternProperties", {}).values()
    if isinstance(more := schema.get("additionalProperties"), dict):
        yield more


def _of_element(schema: Schema, index: int) -> Iterator[Schema]:
    """The schemas of an element in a list."""
    yield from schema.get("prefixItems", ())[index : index + 1]
    if isinstance(items := schema.get("items"), dict):
        yield items


def _unmasked(value: Any, stored: Any, path: str) -> Any:
    if value == MASK:
        if not stored:
            raise InvalidInput.of(path, "is not known any more; type it again")
        return stored
    if isinstance(value, Mapping):
        there = stored if isinstance(stored, Mapping) else {}
        return {name: _unmasked(part, there.get(name), f"{path}.{name}") for name, part in value.items()}
    if isinstance(value, list):
        # of another length, it is not clear which element was which
        same = isinstance(stored, list) and len(stored) == len(value)
        return [_unmasked(v, s, f"{path}.{n}") for n, (v, s) in enumerate(zip_longest(value, stored if same else ()))]
    return value
