"""Jobs of a project of one's own, as it is deployed: one with steps, a plain one, one for workers with a browser."""

import asyncio
import os

from pydantic import BaseModel

from runlane import Context, job


class Found(BaseModel):
    pages: int
    total: int


@job(max_attempts=3, summary="{site}, {pages} pages")
async def crawl(ctx: Context, site: str, pages: int = 10, seconds: float = 0.0) -> Found:
    """Crawl a shop.

    Goes on where a lost worker stopped.
    """
    total = ctx.saved("total", 0)
    async for page in ctx.steps(range(1, pages + 1), "Page {}"):
        await asyncio.sleep(seconds)
        total += page
        await ctx.save(total=total)
    return Found(pages=pages, total=total)


@job
def fibonacci(n: int) -> int:
    """Compute a Fibonacci number, in a process of its own."""
    before, current = 0, 1
    for _ in range(n):
        before, current = current, before + current
    return before


@job(tags=("browser",))
async def screenshot(url: str) -> str:
    """Say which worker would take the picture, by its tags."""
    return f"{url} by {os.environ.get('RUNLANE_WORKER_TAGS', '')}"
