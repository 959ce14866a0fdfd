"""The kinds that tests submit: the bundled ones, and others made of a model of their parameters."""

import importlib
import pkgutil
from typing import Any

from pydantic import BaseModel, create_model
from pydantic_core import to_jsonable_python

from runlane.define.kind import as_data
from runlane.define.params import Params
from runlane.kinds import bundled as bundled_package
from runlane.model.kind import Kind


def bundled() -> list[Kind]:
    """What the worker of this repository brings."""
    names = [module.name for module in pkgutil.iter_modules(bundled_package.__path__)]
    return [as_data(importlib.import_module(f"{bundled_package.__name__}.{name}").KIND) for name in names]


def kind_of(params: type[BaseModel] = Params, name: str = "made", **more: Any) -> Kind:
    """A kind with these parameters."""
    defaults = {
        field: to_jsonable_python(info.get_default(call_default_factory=True))
        for field, info in params.model_fields.items()
        if not info.is_required()
    }
    given: dict[str, Any] = {"title": name.capitalize(), "description": "", "defaults": defaults}
    return Kind(name=name, params_schema=params.model_json_schema(), **given | more)


def brought(name: str, *, title: str = "", group: str = "main", **params: Any) -> Kind:
    """A kind with these parameters, each given by its type, or by type and default."""
    fields: dict[str, Any] = {n: given if isinstance(given, tuple) else (given, ...) for n, given in params.items()}
    model = create_model("Given", __base__=Params, **fields)
    return kind_of(model, name, title=title or name.capitalize(), group=group)
