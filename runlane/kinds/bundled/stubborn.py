"""Swallows the first cancel, to show a job that has to be cancelled twice."""

from pydantic import Field

from runlane.define.kind import Kind, Params


class StubbornParams(Params):
    seconds: float = Field(30.0, ge=0, le=86_400, description="How long it runs unless it is cancelled.")


KIND = Kind(
    name="stubborn",
    title="Stubborn",
    description="Ignores the first cancel and stops at the second.",
    params=StubbornParams,
    group="demo",
    timeout_s=2 * 86_400,
)
