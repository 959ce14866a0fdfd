"""Tasks end when they are told to, also those that swallow what they are told."""

import asyncio
import subprocess
import sys

import pytest

from runlane.background import end_tasks, run_together


async def test_a_task_that_swallows_a_cancel_is_cancelled_until_it_ends():
    swallowed = 0

    async def deaf():
        nonlocal swallowed
        while swallowed < 3:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                swallowed += 1

    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)

    await end_tasks(task)

    assert task.done()
    assert swallowed == 3


async def test_when_one_of_many_fails_the_others_are_ended_and_the_failure_is_raised():
    ended = asyncio.Event()

    async def steady():
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async def failing():
        await asyncio.sleep(0)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await run_together(steady(), failing())

    assert ended.is_set()


def test_a_sigterm_ends_a_program_quietly_even_where_an_exception_would_be_wrapped():
    program = """
import os, signal
from runlane.background import end_on_sigterm

class Field:
    def __set_name__(self, owner, name):
        os.kill(os.getpid(), signal.SIGTERM)

end_on_sigterm()
class Made:
    field = Field()
"""

    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30)

    assert (ended.returncode, ended.stderr) == (0, "")
