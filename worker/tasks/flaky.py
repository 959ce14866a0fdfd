"""Fails until it has failed often enough."""

from runlane.engine.progress import Progress
from runlane.kinds.bundled.flaky import FlakyParams


async def run(params: FlakyParams, job: Progress) -> dict[str, int]:
    await job.step(f"Attempt {job.attempt}")
    if job.attempt <= params.failures:
        raise ConnectionError(f"Failure {job.attempt} of {params.failures}, as asked.")
    return {"failures": params.failures, "attempts": job.attempt}
