"""What parameters are made of: the base of their models, and texts that are secret."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

SECRET_FORMAT = "password"
# A parameter that forms accept without showing it, and that pages show masked.
Secret = Annotated[str, Field(json_schema_extra={"format": SECRET_FORMAT, "writeOnly": True})]


class Params(BaseModel):
    """Base of the parameters of jobs: unknown fields are refused, values are not changed after validation.

    Errors do not repeat the wrong value, since it may be a secret.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)
