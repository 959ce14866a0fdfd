"""The catalogue of kinds: what may be asked for, with which parameters.

A kind is declared in one file of ``runlane/kinds/bundled``, which ends with ``KIND = Kind(...)``, and done by the
handler of the same name in ``worker/tasks``. Files are found by being here: adding a kind touches no list. Handlers are
not known to this package, so that the web app can validate parameters without importing them.
"""

import importlib
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import zip_longest
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import to_jsonable_python

from runlane import plain_json
from runlane.errors import FieldError, InvalidInput
from runlane.kinds import bundled
from runlane.model.limits import Rate
from runlane.text import suggestion

SECRET_FORMAT = "password"
# A parameter that forms take without showing it, and pages show masked.
Secret = Annotated[str, Field(json_schema_extra={"format": SECRET_FORMAT, "writeOnly": True})]


class Params(BaseModel):
    """Base of every kind's parameters: unknown fields are refused, values are not changed after validation.

    What pydantic says of a wrong value does not repeat it, for it may be a secret.
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
        """The parameters as this kind's model; ``lax`` also takes text for numbers, as a form sends it.

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
    """The parameters with every ``Secret`` that is set replaced by ``MASK``: for whoever looks, not for handlers."""
    shown: dict[str, Any] = _masked([kind.params_schema], kind.params_schema, params)
    return shown


def unmasked(params: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with every ``MASK`` replaced by what is ``stored`` in its place.

    Raises:
        InvalidInput: nothing is stored there; names the place.
    """
    whole: dict[str, Any] = _unmasked(params, stored, "params")
    return whole


def _masked(schemas: Iterable[Schema], whole: Schema, value: Any) -> Any:
    """``schemas``: all that the value may follow."""
    ways = [way for schema in schemas for way in _ways(schema, whole)]
    if isinstance(value, Mapping):
        return {name: _masked([s for way in ways for s in _of_name(way, name)], whole, v) for name, v in value.items()}
    if isinstance(value, list):
        return [_masked([s for way in ways for s in _of_place(way, n)], whole, v) for n, v in enumerate(value)]
    return MASK if value and any(way.get("format") == SECRET_FORMAT for way in ways) else value


def _ways(schema: Schema, whole: Schema) -> Iterator[Schema]:
    """The schema and all its alternatives, with references followed."""
    if "$ref" in schema:
        yield from _ways(whole["$defs"][schema["$ref"].rsplit("/", 1)[-1]], whole)
    for key in ("anyOf", "oneOf", "allOf"):
        for alternative in schema.get(key, ()):
            yield from _ways(alternative, whole)
    yield schema


def _of_name(way: Schema, name: str) -> Iterator[Schema]:
    """What a schema says of the value of that name."""
    if name in way.get("properties", {}):
        yield way["properties"][name]
    yield from way.get("patternProperties", {}).values()
    if isinstance(more := way.get("additionalProperties"), dict):
        yield more


def _of_place(way: Schema, place: int) -> Iterator[Schema]:
    """What a schema says of the value at that place of a list."""
    yield from way.get("prefixItems", ())[place : place + 1]
    if isinstance(items := way.get("items"), dict):
        yield items


def _unmasked(value: Any, stored: Any, path: str) -> Any:
    if value == MASK:
        if not stored:
            raise InvalidInput.of(path, "is not known any more; type it anew")
        return stored
    if isinstance(value, Mapping):
        there = stored if isinstance(stored, Mapping) else {}
        return {name: _unmasked(part, there.get(name), f"{path}.{name}") for name, part in value.items()}
    if isinstance(value, list):
        same = isinstance(stored, list) and len(stored) == len(value)  # or nobody knows which entry was which
        return [_unmasked(v, s, f"{path}.{n}") for n, (v, s) in enumerate(zip_longest(value, stored if same else ()))]
    return value


class Catalogue:
    """Kinds by name, in the order they are shown: main kinds first, then groups, each by title."""

    def __init__(self, kinds: list[Kind]) -> None:
        ordered = sorted(kinds, key=lambda kind: (kind.group != "main", kind.group, kind.title))
        self._kinds = {kind.name: kind for kind in ordered}

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._kinds.values())

    def get(self, name: str) -> Kind:
        """The kind of that name.

        Raises:
            InvalidInput: no such kind; the message lists the closest name, if any, and where to look.
        """
        if kind := self._kinds.get(name):
            return kind
        hint = suggestion(name, self._kinds)
        raise InvalidInput.of("kind", f"there is no kind {name!r}.{hint} GET /api/kinds lists them.")


def field_errors(exc: ValidationError, prefix: str = "") -> list[FieldError]:
    """One ``FieldError`` a problem that pydantic found, with dotted field paths under ``prefix``."""
    return [
        FieldError(
            ".".join(part for part in (prefix, *(str(step) for step in problem["loc"])) if part) or "body",
            message_of(problem),
        )
        for problem in exc.errors(include_url=False, include_input=False)
    ]


def message_of(problem: Any) -> str:
    """One of pydantic's problems in our words."""
    if problem["type"] == "extra_forbidden":
        return "is not a known field; remove it"
    if problem["type"] == "missing":
        return "is required"
    text: str = problem["msg"].removeprefix("Value error, ")
    return text[0].lower() + text[1:]


@lru_cache(maxsize=1)
def catalogue() -> Catalogue:
    """Every kind declared in ``runlane/kinds/bundled``, read on first use."""
    modules = [importlib.import_module(f"{bundled.__name__}.{m.name}") for m in pkgutil.iter_modules(bundled.__path__)]
    return Catalogue([module.KIND for module in modules])
