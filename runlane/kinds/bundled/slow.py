"""Runs for long and reports little, to show a long running state."""

from pydantic import Field

from runlane.define.kind import Kind, Params


class SlowParams(Params):
    seconds: float = Field(30.0, ge=0, le=86_400, description="How long it runs.")


KIND = Kind(
    name="slow",
    title="Slow",
    description="Runs for the given time.",
    params=SlowParams,
    group="demo",
    timeout_s=2 * 86_400,
)
