"""Programs that jobs of a test start are real, so their time is, too."""

import sys

from runlane import Context, job
from runlane.testing import run_job

CLOSES_ITS_OUTPUT_AND_GOES_ON = "import os, time; os.close(1); os.close(2); time.sleep(0.3)"


async def test_a_program_that_ends_after_its_output_is_awaited_though_sleeps_are_skipped():
    @job(name="quiet_program", timeout=60)
    async def quiet_program(ctx: Context) -> int:
        return (await ctx.process(sys.executable, "-c", CLOSES_ITS_OUTPUT_AND_GOES_ON)).code

    outcome = await run_job(quiet_program, attempts=1)

    assert (outcome.error, outcome.result) == (None, 0)
