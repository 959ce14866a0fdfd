"""Returns a large result, to show that pages stay fast with one."""

from pydantic import Field

from runlane.define.kind import Kind, Params


class BigResultParams(Params):
    bytes: int = Field(2_000_000, ge=0, le=50_000_000, description="The size of the text it returns.")


KIND = Kind(
    name="big_result",
    title="Big result",
    description="Returns a text of the given size.",
    params=BigResultParams,
    group="demo",
)
