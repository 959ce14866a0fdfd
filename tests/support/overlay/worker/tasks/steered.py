"""Reads the file of its job again and again, and does what each new line says."""

import asyncio
from pathlib import Path

from runlane.kinds.bundled.steered import SteeredParams

from runlane.engine.progress import Progress

POLL_EVERY_S = 0.02


async def run(params: SteeredParams, job: Progress) -> dict[str, int]:
    done = 0
    while True:
        lines = Path(params.path).read_text().split("\n")[:-1]
        for line in lines[done:]:
            done += 1
            command, _, text = line.partition(" ")
            if command == "end":
                return {"lines": done}
            if command == "fail":
                raise RuntimeError(text)
            await job.step(text)
        await asyncio.sleep(POLL_EVERY_S)
