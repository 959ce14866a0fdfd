"""Jobs that tests steer while they run; workers bring them with ``RUNLANE_JOBS``.

``record`` and those like it write down when their code runs. ``steered`` does what a test writes into a file.
"""

import asyncio
import itertools
import os
import time
from pathlib import Path

from arq import Retry

from runlane import Context, Params, Rate, job

POLL_EVERY_S = 0.02


class RecordParams(Params):
    """``until`` is a file: the job runs until it is there, and a ``stubborn`` one swallows every cancel until then."""

    path: str = ""
    until: str = ""
    seconds: float = 0.0
    stubborn: bool = False
    block_s: float = 0.0
    fails: bool = False
    talks: bool = False
    ends_housekeeping: bool = False
    wants_retry: bool = False
    in_thread: bool = False


def write(path: str, what: str, ctx: Context) -> None:
    if path:
        line = f"{what} {ctx.id} {ctx.attempt} {os.getpid()} {time.time()}\n"
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, line.encode())
        os.close(descriptor)


def run_in_thread(params: RecordParams, ctx: Context) -> None:
    write(params.path, "begin", ctx)
    while params.until and not Path(params.until).exists():
        time.sleep(0.01)
    write(params.path, "end", ctx)


@job(title="Record", max_attempts=5)
async def record(ctx: Context, params: RecordParams) -> dict[str, int]:
    """Appends a line when it begins and one when its code has ended, and does what a test asks of it."""
    if params.in_thread:
        await asyncio.to_thread(run_in_thread, params, ctx)
        return {"attempt": ctx.attempt}
    write(params.path, "begin", ctx)
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
                await ctx.log(f"line {number}")
            try:
                await asyncio.sleep(0.01)
            except asyncio.CancelledError:
                if not params.stubborn:
                    raise
                write(params.path, "swallowed", ctx)
        if params.fails:
            raise RuntimeError("as asked")
        if params.wants_retry:
            raise Retry(defer=0.1)
    finally:
        write(params.path, "end", ctx)
    return {"attempt": ctx.attempt}


@job(title="Record", max_running=2)
async def limited(ctx: Context, params: RecordParams) -> dict[str, int]:
    """As ``record``, with a limit of its own."""
    return await record(ctx, params)


@job(title="Record", rate=Rate(3, 3.0))
async def rated(ctx: Context, params: RecordParams) -> dict[str, int]:
    """As ``record``, with a rate."""
    return await record(ctx, params)


@job(title="Record", max_attempts=2, timeout=1.0)
async def brief(ctx: Context, params: RecordParams) -> dict[str, int]:
    """As ``record``, with little time."""
    return await record(ctx, params)


@job(title="Paged", max_attempts=5)
async def paged(ctx: Context, path: str, pages: int = 10) -> dict[str, int]:
    """Adds up its pages, a step each; a page waits until a file ``<path>.<page>`` is there."""
    total = ctx.saved("total", 0)
    async for page in ctx.steps(range(1, pages + 1), "Page {}"):
        write(path, f"page-{page}", ctx)
        while not Path(f"{path}.{page}").exists():
            await asyncio.sleep(0.01)
        total += page
        await ctx.save(total=total)
    made = await ctx.once("made", _made, path, ctx)
    return {"total": total, "made": made}


async def _made(path: str, ctx: Context) -> int:
    write(path, "made", ctx)
    return ctx.attempt


@job(title="Steered")
async def steered(ctx: Context, path: str) -> dict[str, int]:
    """Reads the file at ``path`` again and again, and does what each new line says: ``step``, ``fail`` and ``end``."""
    done = 0
    while True:
        lines = Path(path).read_text().split("\n")[:-1]
        for line in lines[done:]:
            done += 1
            command, _, text = line.partition(" ")
            if command == "end":
                return {"lines": done}
            if command == "fail":
                raise RuntimeError(text)
            await ctx.step(text)
        await asyncio.sleep(POLL_EVERY_S)
