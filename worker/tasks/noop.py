"""Does nothing."""

from jobs.kinds.noop import NoopParams
from worker.progress import Progress


async def run(params: NoopParams, job: Progress) -> None:
    return None
