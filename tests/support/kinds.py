"""The kinds that workers of tests bring: the bundled ones, and those that tests steer."""

from typing import Any

from pydantic import BaseModel, create_model
from pydantic_core import to_jsonable_python

from runlane.define.params import Params
from runlane.engine.loading import load
from runlane.kinds.catalogue import Catalogue
from runlane.model.kind import Kind

STEERED = "tests.support.steered_jobs"
# For RUNLANE_JOBS of a worker.
WITH_STEERED = f"worker.tasks,{STEERED}"
WITH_PLAIN = "worker.tasks,tests.support.plain_steered"


def bundled() -> list[Kind]:
    """The kinds of ``worker/tasks``."""
    return [job.kind for job in load(["worker.tasks"]).jobs.values()]


def with_steered() -> Catalogue:
    """Those, and the kinds of ``steered_jobs``."""
    return Catalogue([job.kind for job in load(["worker.tasks", STEERED]).jobs.values()])


def kind_of(params: type[BaseModel] = Params, name: str = "made", **more: Any) -> Kind:
    """A kind with these parameters."""
    defaults = {
        field: to_jsonable_python(info.get_default(call_default_factory=True))
        for field, info in params.model_fields.items()
        if not info.is_required()
    }
    given: dict[str, Any] = {"title": name.capitalize(), "description": "", "params_schema": params.model_json_schema()}
    return Kind(name=name, **given | {"defaults": defaults} | more)


def brought(name: str, *, title: str = "", group: str = "main", **params: Any) -> Kind:
    """A kind with these parameters, each given by its type, or by type and default."""
    fields: dict[str, Any] = {n: given if isinstance(given, tuple) else (given, ...) for n, given in params.items()}
    model = create_model("Given", __base__=Params, **fields)
    return kind_of(model, name, title=title or name.capitalize(), group=group)
