"""Goes on after the first cancel and stops at the second."""

import asyncio

from runlane.engine.progress import Progress
from runlane.kinds.bundled.stubborn import StubbornParams


async def run(params: StubbornParams, job: Progress) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + params.seconds
    try:
        await job.step("Working, and not listening")
        await asyncio.sleep(params.seconds)
    except asyncio.CancelledError:
        await job.log("Swallowed the first cancel.", level="warning")
        await asyncio.sleep(max(0.0, ends_at - loop.time()))
    return {"seconds": params.seconds}
