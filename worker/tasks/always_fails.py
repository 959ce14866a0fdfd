"""Raises an error with the message it was given."""

from jobs.kinds.always_fails import AlwaysFailsParams
from worker.progress import Progress


async def run(params: AlwaysFailsParams, job: Progress) -> None:
    await job.step("About to fail")
    raise RuntimeError(params.message)
