"""Returns a text of the size it was given."""

from jobs.kinds.big_result import BigResultParams
from worker.progress import Progress


async def run(params: BigResultParams, job: Progress) -> dict[str, str]:
    await job.step(f"Making {params.bytes} bytes")
    return {"text": "x" * params.bytes}
