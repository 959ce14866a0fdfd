"""Declaring a kind of job and its parameters, and masking those that are secret."""

from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_jsonable_python

from runlane import plain_json
from runlane.define.params import Params as Params
from runlane.define.params import Secret as Secret
from runlane.define.problems import field_errors
from runlane.errors import InvalidInput
from runlane.model.kind import Kind as KindData
from runlane.model.limits import Rate


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


def as_data(kind: Kind) -> KindData:
    """What everybody but its worker knows of a kind."""
    return KindData(
        name=kind.name,
        title=kind.title,
        description=kind.description,
        params_schema=kind.params_schema,
        defaults=kind.defaults,
        group=kind.group,
        timeout_s=kind.timeout_s,
        max_attempts=kind.max_attempts,
        max_running=kind.max_running,
        rate=kind.rate,
    )
