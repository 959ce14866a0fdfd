"""Walks through a page one action a step, as a browser agent would; no page is fetched."""

import asyncio
from itertools import cycle, islice

from jobs.kinds.web_agent import WebAgentParams
from worker.progress import Progress

ACTIONS = (
    "Navigating to page",
    "Waiting for page to load",
    "Reading page content",
    "Clicking button",
    "Typing text",
    "Scrolling",
    "Taking screenshot",
    "Selecting option",
    "Extracting data",
    "Checking result",
)


async def run(params: WebAgentParams, job: Progress) -> dict[str, object]:
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number, action in enumerate(islice(cycle(ACTIONS), params.steps), start=1):
        await job.step(action, number - 1, params.steps)
        # the next step begins on its beat, whatever the last one cost
        await asyncio.sleep(began + number * params.step_seconds - loop.time())
    return {
        "start_url": params.start_url,
        "goal": params.goal,
        "steps": params.steps,
        "seconds": round(loop.time() - began, 2),
        "simulated": True,
    }
