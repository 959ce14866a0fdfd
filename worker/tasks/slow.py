"""Runs for long and reports little, to show a long running state."""

import asyncio
from datetime import timedelta
from typing import Annotated

from pydantic import Field

from runlane import Context, job

TICK_S = 1.0


@job(title="Slow", group="demo", timeout=timedelta(days=2))
async def slow(
    ctx: Context, seconds: Annotated[float, Field(ge=0, le=86_400, description="How long it runs.")] = 30.0
) -> dict[str, float]:
    """Runs for the given time."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    await ctx.step("Taking its time")
    while (left_s := began + seconds - loop.time()) > 0:
        await asyncio.sleep(min(TICK_S, left_s))
        await ctx.progress(min(loop.time() - began, seconds), seconds)
    return {"seconds": seconds}
