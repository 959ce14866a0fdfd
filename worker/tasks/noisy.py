"""Writes many log lines as fast as they are taken, and attaches them as a file."""

from typing import Annotated

from pydantic import Field

from runlane import Context, job
from runlane.define.context import LogLevel

LEVELS: tuple[LogLevel, ...] = ("debug", "info", "info", "info", "warning", "error")


@job(title="Noisy", group="demo")
async def noisy(
    ctx: Context, lines: Annotated[int, Field(ge=0, le=100_000, description="How many log lines it writes.")] = 1000
) -> dict[str, int]:
    """Writes many log lines."""
    await ctx.step("Writing lines")
    for number in range(1, lines + 1):
        await ctx.log(f"Line {number} of {lines}", level=LEVELS[number % len(LEVELS)])
        if number % 100 == 0:
            await ctx.progress(number, lines)
    written = "".join(f"Line {number} of {lines}\n" for number in range(1, lines + 1))
    await ctx.artifact("lines.txt", written.encode(), "text/plain")
    return {"lines": lines}
