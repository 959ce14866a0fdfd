"""Returns a text of the size it was given."""

from runlane.engine.progress import Progress
from runlane.kinds.bundled.big_result import BigResultParams


async def run(params: BigResultParams, job: Progress) -> dict[str, str]:
    await job.step(f"Making {params.bytes} bytes")
    return {"text": "x" * params.bytes}
