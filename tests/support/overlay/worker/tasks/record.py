"""Appends a line when it begins and one when its code has ended."""

import asyncio
import itertools
import os
import time
from pathlib import Path

from arq import Retry
from runlane.kinds.bundled.record import RecordParams

from runlane.engine.progress import Progress


def write(path: str, what: str, job: Progress) -> None:
    if path:
        line = f"{what} {job.id} {job.attempt} {os.getpid()} {time.time()}\n"
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, line.encode())
        os.close(descriptor)


def run_in_thread(params: RecordParams, job: Progress) -> None:
    write(params.path, "begin", job)
    while params.until and not Path(params.until).exists():
        time.sleep(0.01)
    write(params.path, "end", job)


async def run(params: RecordParams, job: Progress) -> dict[str, int]:
    if params.in_thread:
        await asyncio.to_thread(run_in_thread, params, job)
        return {"attempt": job.attempt}
    write(params.path, "begin", job)
    try:
        if params.ends_housekeeping:
            for task in asyncio.all_tasks():
                if "Housekeeping" in task.get_coro().__qualname__:
                    task.cancel()
        if params.block_s:
            time.sleep(params.block_s)  # noqa: ASYNC251 - it blocks the loop on purpose
        ends_at = time.time() + params.seconds
        for number in itertools.count():
            if time.time() >= ends_at and (not params.until or Path(params.until).exists()):
                break
            if params.talks:
                await job.log(f"line {number}")
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                if not params.stubborn:
                    raise
                write(params.path, "swallowed", job)
        if params.fails:
            raise RuntimeError("as asked")
        if params.wants_retry:
            raise Retry(defer=0.1)
    finally:
        write(params.path, "end", job)
    return {"attempt": job.attempt}
