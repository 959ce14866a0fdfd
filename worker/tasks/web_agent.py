"""Walks through a page one action a step, as a browser agent would; no page is fetched."""

import asyncio
from datetime import timedelta
from itertools import cycle, islice
from typing import Annotated
from xml.sax.saxutils import escape

from pydantic import Field

from runlane import Context, job

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


def _screenshot(url: str, step: int) -> bytes:
    """A drawing in place of what a real agent would see."""
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 320 200" font-family="sans-serif">
<rect width="320" height="200" fill="#f8fafc"/>
<rect width="320" height="24" fill="#e2e8f0"/>
<circle cx="12" cy="12" r="4" fill="#f87171"/>
<circle cx="26" cy="12" r="4" fill="#fbbf24"/>
<circle cx="40" cy="12" r="4" fill="#4ade80"/>
<rect x="56" y="5" width="256" height="14" rx="7" fill="#fff"/>
<text x="64" y="15" font-size="8" fill="#475569">{escape(url[:50])}</text>
<text x="20" y="56" font-size="14" fill="#0f172a">Simulated page</text>
<rect x="20" y="70" width="280" height="8" rx="4" fill="#cbd5e1"/>
<rect x="20" y="86" width="220" height="8" rx="4" fill="#cbd5e1"/>
<rect x="20" y="112" width="86" height="26" rx="6" fill="#4f46e5"/>
<text x="34" y="129" font-size="11" fill="#fff">Step {step}</text>
</svg>""".encode()


@job(title="Web agent", timeout=timedelta(hours=2), summary="{goal} · {start_url}")
async def web_agent(
    ctx: Context,
    start_url: Annotated[
        str, Field(max_length=2000, description="The page the agent begins on.")
    ] = "https://example.com",
    goal: Annotated[str, Field(max_length=2000, description="What the agent should achieve, in your own words.")] = "",
    steps: Annotated[int, Field(ge=1, le=100, description="How many actions the agent takes.")] = 10,
    step_seconds: Annotated[float, Field(ge=0, le=60, description="How long each action takes.")] = 1.0,
) -> dict[str, object]:
    """Walks through a web page one action at a time. A simulation: nothing is fetched."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number, action in enumerate(islice(cycle(ACTIONS), steps), start=1):
        await ctx.step(action, number - 1, steps)
        if action == "Taking screenshot":
            await ctx.picture(_screenshot(start_url, number), f"screenshot-{number}.svg")
        # the next step begins on its beat, whatever the last one cost
        await asyncio.sleep(began + number * step_seconds - loop.time())
    return {
        "start_url": start_url,
        "goal": goal,
        "steps": steps,
        "seconds": round(loop.time() - began, 2),
        "simulated": True,
    }
