"""Raises an error with the message it was given."""

from runlane.engine.progress import Progress
from runlane.kinds.bundled.always_fails import AlwaysFailsParams


async def run(params: AlwaysFailsParams, job: Progress) -> None:
    await job.step("About to fail")
    raise RuntimeError(params.message)
