"""Jobs that benches run; workers bring them with ``RUNLANE_JOBS``."""

import asyncio
import time
from pathlib import Path

from runlane import Context, job

# What a worker under a bench brings.
MODULES = ("worker.tasks", "bench.jobs")


@job(title="Bench: begin")
async def bench_begin() -> float:
    """Returns when its first line ran, as a unix time."""
    return time.time()


@job(title="Bench: steps")
async def bench_steps(ctx: Context, steps: int = 5) -> None:
    """Reports steps, which are never merged: each is a row of the timeline and an announcement."""
    for number in range(steps):
        await ctx.step(f"Step {number + 1}", number + 1, steps)


def _append(path: Path, line: str) -> None:
    with path.open("a") as file:
        file.write(line)


@job(title="Bench: wait")
async def bench_wait(ctx: Context, seconds: float = 60.0, cancelled_path: str = "") -> None:
    """Waits; the moment it is cancelled is appended to the file it was given."""
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        cancelled_at = time.time()
        if cancelled_path:
            await asyncio.to_thread(_append, Path(cancelled_path), f"{ctx.id} {cancelled_at:.6f}\n")
        raise


@job(title="Bench: plain")
def bench_plain() -> float:
    """Returns when its first line ran in a process of its own, as a unix time."""
    return time.time()
