"""What pydantic finds wrong with values, in plain words."""

from typing import Any

from pydantic import ValidationError

from runlane.errors import FieldError


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
    """One of pydantic's problems in plain words."""
    if problem["type"] == "extra_forbidden":
        return "is not a known field; remove it"
    if problem["type"] == "missing":
        return "is required"
    text: str = problem["msg"].removeprefix("Value error, ")
    return text[0].lower() + text[1:]
