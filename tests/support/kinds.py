"""Kinds as workers bring them, for tests of those who follow."""

from typing import Any

from pydantic import create_model

from runlane.define.kind import Kind, Params


def brought(name: str, *, title: str = "", group: str = "main", description: str = "", **params: Any) -> Kind:
    """A kind with these parameters, each given by its type, or by type and default."""
    fields: dict[str, Any] = {n: given if isinstance(given, tuple) else (given, ...) for n, given in params.items()}
    model = create_model("Given", __base__=Params, **fields)
    return Kind(name=name, title=title or name.capitalize(), description=description, params=model, group=group)
