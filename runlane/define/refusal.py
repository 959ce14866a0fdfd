"""Refusing a definition where it stands: every message has the file and the line, and says what to do."""

import inspect
from typing import Any


class DefinitionError(TypeError):
    """A job or a resource that cannot be defined as it is."""


def place(what: Any) -> tuple[str, int]:
    """The file and line where this is defined; line 0 if nobody knows."""
    code = getattr(inspect.unwrap(what) if callable(what) else what, "__code__", None)
    if code is not None:
        return code.co_filename, code.co_firstlineno
    return getattr(what, "__module__", None) or "unknown file", 0


def refused(what: Any, why: str) -> DefinitionError:
    """The error for a definition, with its place: ``file.py:12: name: why``."""
    file, line = place(what)
    name = getattr(what, "__qualname__", None) or repr(what)
    return DefinitionError(f"{file}:{line}: {name}: {why}")
