"""Fails until it has failed often enough."""

from jobs.kinds.flaky import FlakyParams
from worker.progress import Progress


async def run(params: FlakyParams, job: Progress) -> dict[str, int]:
    await job.step(f"Attempt {job.attempt}")
    if job.attempt <= params.failures:
        raise ConnectionError(f"Failure {job.attempt} of {params.failures}, as asked.")
    return {"failures": params.failures, "attempts": job.attempt}
