"""Validating what is submitted, by the JSON Schema that a worker registered; and what of a schema is accepted.

The app has no code of a kind, so this is what can be known without it. A validator that is code, and what the schema
leaves open, is checked by the worker before it calls the handler, with the job's own model.

A schema comes from outside of this process. Nothing that it refers to is fetched, its patterns take linear time where
the language of patterns allows that, and what could make validation take a time that doubles with each level of
nesting is left to the worker: alternatives that contain themselves are checked one level deep.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, time
from itertools import islice
from typing import Any
from uuid import UUID

from jsonschema_rs import Draft202012Validator, FancyRegexOptions, RegexOptions, ValidationError

from runlane import plain_json
from runlane.errors import InvalidInput
from runlane.kinds.coercion import coerced
from runlane.kinds.messages import MAX_ERRORS, field_errors
from runlane.kinds.shape import cut, objection, without_patterns
from runlane.model.kind import Kind

MAX_KIND_BYTES = 1_000_000
MAX_NAME_LENGTH = 200
MAX_COMPILED = 5000
# Steps that a pattern may take that looks around, and so is not matched in linear time.
_BACKTRACK_LIMIT = 20_000
# Characters of parameters on which such patterns are matched; the limit above is that of each place in a text, so the
# time grows with the square. The worker matches them on more.
MAX_LOOKED_AROUND = 5_000


@dataclass(frozen=True)
class Compiled:
    """A kind, ready to validate. ``defaults``: those that the schema itself accepts; the worker knows the others.

    ``of_large``: without the patterns that are not matched in linear time; the same if it has none.
    """

    validator: Draft202012Validator
    of_large: Draft202012Validator
    defaults: dict[str, Any]


_compiled: dict[str, Compiled] = {}


def validated(kind: Kind, params: Mapping[str, Any], *, lax: bool = False) -> dict[str, Any]:
    """The parameters with the kind's defaults; ``lax`` also accepts text for numbers and truths, as a form sends it.

    Raises:
        InvalidInput: one message a field, each field named ``params.<name>``.
    """
    compiled = _of(kind)
    given: dict[str, Any] = coerced(params, kind.params_schema) if lax else dict(params)
    validator = compiled.validator
    if compiled.of_large is not validator and len(plain_json.dumps(given)) > MAX_LOOKED_AROUND:
        validator = compiled.of_large
    if not validator.is_valid(given) and (errors := field_errors(validator, given)):
        raise InvalidInput(errors)
    names = [name for name in compiled.defaults if name not in given]
    whole = given | {name: compiled.defaults[name] for name in names}
    order = kind.params_schema.get("properties", {})
    return {name: whole[name] for name in [*(n for n in order if n in whole), *(n for n in whole if n not in order)]}


def refusal(kind: Kind) -> str | None:
    """Why this kind cannot be registered, in a sentence; ``None`` if it can."""
    name = repr(kind.name[:MAX_NAME_LENGTH])
    if not kind.name or len(kind.name) > MAX_NAME_LENGTH or not kind.name.isprintable():
        return f"{name} is no name of a kind: it takes up to {MAX_NAME_LENGTH} printable characters. Rename the job."
    try:
        plain_json.check(asdict(kind), "kind")
        size_bytes = len(plain_json.dumps(asdict(kind)).encode())
    except InvalidInput as exc:
        return f"The kind {name} cannot be kept: {exc.message}. Change its parameters."
    if size_bytes > MAX_KIND_BYTES:
        return (
            f"The kind {name} takes {size_bytes} bytes with the schema of its parameters, more than the "
            f"{MAX_KIND_BYTES} allowed. Give large values as a parameter's value, not as a part of its type."
        )
    try:
        if why := objection(kind.params_schema):
            return f"The parameters of the kind {name} cannot be validated: {why}."
        _of(kind)
        kind.title_of(kind.defaults)
    except InvalidInput as exc:
        return f"The parameters of the kind {name} cannot be validated: {exc.errors[0].message}"
    except ValueError as exc:
        return f"The summary of the kind {name} is no template of its parameters: {exc}. Correct summary=."
    return None


def _of(kind: Kind) -> Compiled:
    """The kind, compiled once. Raises ``InvalidInput`` if its schema is none."""
    found = _compiled.get(kind.digest)
    if found is None:
        if len(_compiled) >= MAX_COMPILED:
            _compiled.clear()
        validator, of_large = _validators(cut(kind.params_schema))
        wrong = {str(path[0]) for error in _errors(validator, kind.defaults) if (path := error.instance_path)}
        defaults = {name: value for name, value in kind.defaults.items() if name not in wrong}
        found = _compiled[kind.digest] = Compiled(validator, of_large, defaults)
    return found


def _validators(schema: Any) -> tuple[Draft202012Validator, Draft202012Validator]:
    """As in ``Compiled``. Raises ``InvalidInput`` if the schema is none."""
    try:
        linear = _validator(schema, RegexOptions())
    except (ValidationError, ValueError):
        pass
    else:
        return linear, linear
    try:
        whole = _validator(schema, FancyRegexOptions(backtrack_limit=_BACKTRACK_LIMIT))
        return whole, _validator(without_patterns(schema, _is_linear), RegexOptions())
    except (ValidationError, ValueError) as exc:
        trouble = " ".join(str(exc).split("\n\n")[0].split())[:300]
    raise InvalidInput.of("params", f"its schema is no JSON Schema: {trouble}. Correct the job, and start its worker.")


def _validator(schema: Any, options: RegexOptions | FancyRegexOptions) -> Draft202012Validator:
    return Draft202012Validator(schema, offline=True, validate_formats=True, formats=_FORMATS, pattern_options=options)


def _is_linear(pattern: Any) -> bool:
    try:
        _validator({"pattern": pattern}, RegexOptions())
    except (ValidationError, ValueError):
        return False
    return True


def _errors(validator: Draft202012Validator, value: Any) -> list[ValidationError]:
    return list(islice(validator.iter_errors(value), MAX_ERRORS))


def _reads(read: Callable[[str], Any]) -> Callable[[str], bool]:
    def is_read(text: str) -> bool:
        try:
            read(text)
        except ValueError:
            return False
        return True

    return is_read


# No stricter than pydantic is, which has the last word.
_FORMATS: dict[str, Callable[[str], bool]] = {
    "date-time": _reads(datetime.fromisoformat),
    "time": _reads(time.fromisoformat),
    "uuid": _reads(UUID),
    "uri": lambda text: ":" in text,
    "duration": lambda _: True,
    "email": lambda text: "@" in text,
}
