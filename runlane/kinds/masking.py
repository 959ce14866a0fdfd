"""Parameters as people see them: secrets are masked, and a mask that comes back stands for what is stored."""

from collections.abc import Iterable, Mapping
from itertools import zip_longest
from typing import Any

from runlane.define.params import SECRET_FORMAT
from runlane.errors import InvalidInput
from runlane.kinds.schemas import Schema, alternatives, of_element, of_property
from runlane.model.kind import Kind

MASK = "••••••"


def masked(kind: Kind, params: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with every ``Secret`` that is set replaced by ``MASK``: for people, not for handlers."""
    shown: dict[str, Any] = _masked([kind.params_schema], kind.params_schema, params)
    return shown


def title_of(kind: Kind, params: Mapping[str, Any]) -> str:
    """The title of a job of this kind with these parameters, without secrets; empty if it has none."""
    return kind.title_of(masked(kind, params)) if kind.summary else ""


def unmasked(params: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters with every ``MASK`` replaced by what is ``stored`` in its place.

    Raises:
        InvalidInput: nothing is stored there; the message has its path.
    """
    whole: dict[str, Any] = _unmasked(params, stored, "params")
    return whole


def _masked(schemas: Iterable[Any], whole: Schema, value: Any) -> Any:
    """``schemas``: all that may apply to the value."""
    possible = [each for schema in schemas for each in alternatives(schema, whole)]
    if isinstance(value, Mapping):
        return {name: _masked(of_property(possible, name), whole, part) for name, part in value.items()}
    if isinstance(value, list):
        return [_masked(of_element(possible, index), whole, part) for index, part in enumerate(value)]
    return MASK if value and any(each.get("format") == SECRET_FORMAT for each in possible) else value


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
