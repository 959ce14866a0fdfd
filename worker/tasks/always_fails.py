"""Fails for good on its first attempt, to show the failed state."""

from typing import Annotated

from pydantic import Field

from runlane import Context, job


@job(title="Always fails", group="demo", max_attempts=1)
async def always_fails(
    ctx: Context,
    message: Annotated[str, Field(max_length=2000, description="The error it raises.")] = "This job always fails.",
) -> None:
    """Raises an error with your message."""
    await ctx.step("About to fail")
    raise RuntimeError(message)
