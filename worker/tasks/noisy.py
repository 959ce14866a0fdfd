"""Writes its lines as fast as they are taken."""

from runlane.engine.progress import LogLevel, Progress
from runlane.kinds.bundled.noisy import NoisyParams

LEVELS: tuple[LogLevel, ...] = ("debug", "info", "info", "info", "warning", "error")


async def run(params: NoisyParams, job: Progress) -> dict[str, int]:
    await job.step("Writing lines")
    for number in range(1, params.lines + 1):
        await job.log(f"Line {number} of {params.lines}", level=LEVELS[number % len(LEVELS)])
        if number % 100 == 0:
            await job.progress(number, params.lines)
    lines = "".join(f"Line {number} of {params.lines}\n" for number in range(1, params.lines + 1))
    await job.artifact("lines.txt", lines.encode(), "text/plain")
    return {"lines": params.lines}
