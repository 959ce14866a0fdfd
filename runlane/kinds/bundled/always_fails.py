"""Fails for good on its first attempt, to show the failed state."""

from pydantic import Field

from runlane.define.kind import Kind, Params


class AlwaysFailsParams(Params):
    message: str = Field("This job always fails.", max_length=2000, description="The error it raises.")


KIND = Kind(
    name="always_fails",
    title="Always fails",
    description="Raises an error with your message.",
    params=AlwaysFailsParams,
    group="demo",
    max_attempts=1,
)
