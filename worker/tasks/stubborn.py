"""Swallows the first cancel, to show a job that has to be cancelled twice."""

import asyncio
from datetime import timedelta
from typing import Annotated

from pydantic import Field

from runlane import Context, job


@job(title="Stubborn", group="demo", timeout=timedelta(days=2))
async def stubborn(
    ctx: Context,
    seconds: Annotated[float, Field(ge=0, le=86_400, description="How long it runs unless it is cancelled.")] = 30.0,
) -> dict[str, float]:
    """Ignores the first cancel and stops at the second."""
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + seconds
    try:
        await ctx.step("Working, and not listening")
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        await ctx.log("Swallowed the first cancel.", level="warning")
        await asyncio.sleep(max(0.0, ends_at - loop.time()))
    return {"seconds": seconds}
