"""Waits for the time it was given, and reports how far it is."""

import asyncio

from runlane.engine.progress import Progress
from runlane.kinds.bundled.slow import SlowParams

TICK_S = 1.0


async def run(params: SlowParams, job: Progress) -> dict[str, float]:
    loop = asyncio.get_running_loop()
    began = loop.time()
    await job.step("Taking its time")
    while (left_s := began + params.seconds - loop.time()) > 0:
        await asyncio.sleep(min(TICK_S, left_s))
        await job.progress(min(loop.time() - began, params.seconds), params.seconds)
    return {"seconds": params.seconds}
