"""Waits; the moment it is cancelled is appended to the file it was given."""

import asyncio
import time
from pathlib import Path

from runlane.kinds.bundled.bench_wait import BenchWaitParams

from runlane.engine.progress import Progress


def _append(path: Path, line: str) -> None:
    with path.open("a") as file:
        file.write(line)


async def run(params: BenchWaitParams, job: Progress) -> None:
    try:
        await asyncio.sleep(params.seconds)
    except asyncio.CancelledError:
        cancelled_at = time.time()
        if params.cancelled_path:
            await asyncio.to_thread(_append, Path(params.cancelled_path), f"{job.id} {cancelled_at:.6f}\n")
        raise
