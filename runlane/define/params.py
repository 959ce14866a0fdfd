"""What parameters are made of: the base of their models, and texts that are secret."""

from collections.abc import Mapping
from typing import Annotated, Any

import pydantic
from pydantic import BaseModel, ConfigDict, Field, SecretBytes, SecretStr
from pydantic_core import to_jsonable_python

SECRET_FORMAT = "password"
# A parameter that forms accept without showing it, and that pages show masked.
Secret = Annotated[str, Field(json_schema_extra={"format": SECRET_FORMAT, "writeOnly": True})]


class Params(BaseModel):
    """Base of the parameters of jobs: unknown fields are refused, values are not changed after validation.

    Errors do not repeat the wrong value, since it may be a secret.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


def stored(params: BaseModel) -> dict[str, Any]:
    """Parameters as they are sent and stored: JSON, with what ``SecretStr`` and its like would write as asterisks."""
    whole: dict[str, Any] = _revealed(params.model_dump(mode="json", by_alias=True), params.model_dump(by_alias=True))
    return whole


def holds_secret(value: Any) -> bool:
    """Whether there is one of pydantic's own secrets in this, which hide what they hold."""
    if isinstance(value, BaseModel):
        return any(holds_secret(part) for _, part in value)
    if isinstance(value, Mapping):
        return any(map(holds_secret, value.values()))
    return _is_secret(value) or (isinstance(value, list | tuple) and any(map(holds_secret, value)))


def _is_secret(value: Any) -> bool:
    return isinstance(value, SecretStr | SecretBytes | pydantic.Secret)


def _revealed(written: Any, held: Any) -> Any:
    """``written``, in which every secret of ``held`` is shown, as far as the two have the same shape."""
    if _is_secret(held):
        return to_jsonable_python(held.get_secret_value())
    if isinstance(written, dict) and isinstance(held, Mapping) and len(written) == len(held):
        pairs = zip(written.items(), held.values(), strict=True)
        return {name: _revealed(part, inner) for (name, part), inner in pairs}
    if isinstance(written, list) and isinstance(held, list | tuple) and len(written) == len(held):
        return [_revealed(part, inner) for part, inner in zip(written, held, strict=True)]
    return written
