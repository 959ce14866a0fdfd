"""What a JSON Schema finds wrong with parameters, in plain words. No message repeats a value: it may be a secret."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from jsonschema_rs import Draft202012Validator, ValidationError, ValidationErrorKind

from runlane import plain_json
from runlane.errors import FieldError

MAX_ERRORS = 100
MAX_OPTIONS = 12
MAX_PATTERN_LENGTH = 200

_TYPES = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "null",
    "array": "a list",
    "object": "an object",
}
_FORMATS = {
    "date": "a date such as 2026-01-31",
    "date-time": "a time such as 2026-01-31T12:00:00Z",
    "time": "a time of day such as 12:00:00",
    "uri": "an address such as https://example.com",
    "uuid": "a UUID",
    "email": "an e-mail address",
}
_WORDS = {
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be more than {}",
    "exclusiveMaximum": "must be less than {}",
    "multipleOf": "must be a multiple of {}",
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "minItems": "must have at least {} entries",
    "maxItems": "must have at most {} entries",
    "minProperties": "must have at least {} fields",
    "maxProperties": "must have at most {} fields",
    "uniqueItems": "has the same entry twice",
    "additionalItems": "has too many entries",
    "contains": "lacks an entry that it must have",
    "falseSchema": "is not allowed here",
    "not": "is a value that is not allowed",
    "propertyNames": "has a field whose name is not allowed",
    "dependentRequired": "lacks a field that another one asks for",
}
_UNKNOWN = ("additionalProperties", "unevaluatedProperties")
# What shows that an alternative is not the one that was meant.
_MARKS = ("const", "enum")
# The pattern takes too many steps on this text; the worker, which has the last word, matches it.
_GIVEN_UP = (ValidationErrorKind.BacktrackLimitExceeded, ValidationErrorKind.RegexEngineFailure)


def field_errors(validator: Draft202012Validator, params: Any) -> list[FieldError]:
    """One error a problem, each field named ``params.<path>``; the first ``MAX_ERRORS``.

    None, if only a pattern that takes too many steps is not known to fit.
    """
    errors = islice(validator.iter_errors(params), MAX_ERRORS)
    found = [FieldError(_field(path), message) for error in errors for path, message in _problems(error)]
    return list(dict.fromkeys(found))[:MAX_ERRORS]


def _field(path: Sequence[str | int]) -> str:
    return ".".join(("params", *map(str, path)))


def _problems(error: ValidationError) -> Iterator[tuple[tuple[str | int, ...], str]]:
    path, kind = tuple(error.instance_path), error.kind
    if kind.name == "required":
        yield (*path, kind.value), "is required"
    elif kind.name in _UNKNOWN:
        for name in kind.value:
            yield (*path, name), "is not a known field; remove it"
    elif kind.name in ("anyOf", "oneOf"):
        context = getattr(kind, "context", None)
        yield from _of_alternatives(path, [branch for branch in context or () if branch])
    elif not isinstance(kind, _GIVEN_UP):
        yield path, _message(kind.name, kind.value)


def _of_alternatives(
    path: tuple[str | int, ...], branches: list[list[ValidationError]]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What is wrong by the alternative that was most likely meant."""
    if not branches:
        yield path, "fits more than one of its alternatives"
        return
    of_type = [[e for e in branch if e.kind.name == "type" and tuple(e.instance_path) == path] for branch in branches]
    if all(of_type):
        types = [name for errors in of_type for error in errors for name in error.kind.value]
        yield path, f"must be {_either(_TYPES.get(name, name) for name in dict.fromkeys(types))}"
        return
    marks = [_marks(branch) for branch, errors in zip(branches, of_type, strict=True) if not errors]
    if at := min((at for at in marks[0] if all(at in others for others in marks)), key=len, default=None):
        yield at, _one_of([option for each in marks for option in each[at]])
        return

    def is_unlike(branch: list[ValidationError]) -> tuple[int, int, int]:
        near = [e for e in branch if len(e.instance_path) <= len(path) + 1]
        other_type = sum(e.kind.name == "type" and tuple(e.instance_path) == path for e in branch)
        return other_type, sum(e.kind.name in _MARKS for e in near), len(branch)

    for error in min(branches, key=is_unlike):
        yield from _problems(error)


def _marks(branch: list[ValidationError]) -> dict[tuple[str | int, ...], list[Any]]:
    """By where they are, the values that show which alternative is meant, and that this one lacks."""
    return {
        tuple(error.instance_path): error.kind.value if error.kind.name == "enum" else [error.kind.value]
        for error in branch
        if error.kind.name in _MARKS
    }


def _message(keyword: str, value: Any) -> str:
    match keyword:
        case "type":
            return f"must be {_either(_TYPES.get(name, name) for name in value)}"
        case "enum":
            return _one_of(value)
        case "const":
            return _one_of([value])
        case "pattern":
            shown = value if len(value) <= MAX_PATTERN_LENGTH else f"{value[: MAX_PATTERN_LENGTH - 1]}…"
            return f"does not match the pattern {shown}"
        case "format":
            return f"must be {_FORMATS[value]}" if value in _FORMATS else f"is not of the format {value}"
        case "minLength" | "minItems" if value == 1:
            return "must not be empty"
    words = _WORDS.get(keyword, f"does not fit ({keyword})")
    return words.format(value) if value != 1 else words.format(value).removesuffix("s")


def _one_of(options: Sequence[Any]) -> str:
    shown = [option if isinstance(option, str) else plain_json.dumps(option) for option in options[:MAX_OPTIONS]]
    if len(options) > MAX_OPTIONS:
        return f"must be one of {', '.join(shown)} and {len(options) - MAX_OPTIONS} more"
    return f"must be {_either(shown)}"


def _either(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last
