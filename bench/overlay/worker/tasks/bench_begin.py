"""Returns when its first line ran, as a unix time."""

import time

from jobs.kinds.bench_begin import BenchBeginParams

from worker.progress import Progress


async def run(_params: BenchBeginParams, _job: Progress) -> float:
    return time.time()
