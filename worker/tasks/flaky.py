"""Fails a number of times, then completes, to show attempts with growing pauses between them."""

from typing import Annotated

from pydantic import Field

from runlane import Context, job

MAX_FAILURES = 10


@job(title="Flaky", group="demo", max_attempts=MAX_FAILURES + 1)
async def flaky(
    ctx: Context,
    failures: Annotated[
        int, Field(ge=0, le=MAX_FAILURES, description="How many attempts fail before one completes.")
    ] = 2,
) -> dict[str, int]:
    """Fails the given number of times, then completes."""
    await ctx.step(f"Attempt {ctx.attempt}")
    if ctx.attempt <= failures:
        raise ConnectionError(f"Failure {ctx.attempt} of {failures}, as asked.")
    return {"failures": failures, "attempts": ctx.attempt}
