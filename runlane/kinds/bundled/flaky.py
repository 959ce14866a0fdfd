"""Fails a number of times, then completes, to show attempts with growing pauses between them."""

from pydantic import Field

from runlane.define.kind import Kind, Params

MAX_FAILURES = 10


class FlakyParams(Params):
    failures: int = Field(2, ge=0, le=MAX_FAILURES, description="How many attempts fail before one completes.")


KIND = Kind(
    name="flaky",
    title="Flaky",
    description="Fails the given number of times, then completes.",
    params=FlakyParams,
    group="demo",
    max_attempts=MAX_FAILURES + 1,
)
