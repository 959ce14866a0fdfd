"""Reports steps, which are never merged: each is a row of the timeline and an announcement."""

from runlane.kinds.bundled.bench_steps import BenchStepsParams

from runlane.engine.progress import Progress


async def run(params: BenchStepsParams, job: Progress) -> None:
    for number in range(params.steps):
        await job.step(f"Step {number + 1}", number + 1, params.steps)
