"""Ending tasks that run in the background.

In Python 3.11 ``asyncio.wait_for``, which libraries use too, may swallow a cancel that comes just as its call returns;
a loop around it would then run forever. So a task is cancelled until it is done.
"""

import asyncio
import os
import signal
from collections.abc import Coroutine
from typing import Any

AGAIN_S = 0.1


async def end_tasks(*tasks: asyncio.Task[Any]) -> None:
    """Cancel these tasks, and return when all have ended, however they did."""
    left = {task for task in tasks if not task.done()}
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=AGAIN_S)


async def run_together(*coroutines: Coroutine[Any, Any, Any]) -> None:
    """Run all of these until one fails, which is raised, or until this call is cancelled; then end the others."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        await asyncio.gather(*tasks)
    finally:
        await end_tasks(*tasks)


def end_on_sigterm() -> None:
    """Exit with 0 on SIGTERM, until another handler is set; the first process of a container would ignore it."""
    # not by an exception: what is being imported may make another of it, with a traceback
    signal.signal(signal.SIGTERM, lambda _signum, _frame: os._exit(0))
