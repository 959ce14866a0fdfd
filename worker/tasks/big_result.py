"""Returns a large result, to show that pages stay fast with one."""

from typing import Annotated

from pydantic import Field

from runlane import Context, job


@job(title="Big result", group="demo")
async def big_result(
    ctx: Context,
    bytes: Annotated[int, Field(ge=0, le=50_000_000, description="The size of the text it returns.")] = 2_000_000,
) -> dict[str, str]:
    """Returns a text of the given size."""
    await ctx.step(f"Making {bytes} bytes")
    return {"text": "x" * bytes}
