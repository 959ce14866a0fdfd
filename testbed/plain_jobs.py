"""Plain functions as jobs, for processes of their own: each does one thing that such a process must bear."""

import asyncio
import ctypes
import itertools
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pydantic import BaseModel

import runlane
from runlane import GiveUp, ProcessFailed, Resource, SyncContext

ON_FILE = Path(os.environ.get("PLAIN_JOBS_RESOURCES", os.devnull))
seen: list[int] = []


def job(fn: Any = None, /, **options: Any) -> Any:
    """As ``@job``, with a name that no job of another test has."""

    def define(fn: Any) -> Any:
        return runlane.job(name=f"plain_jobs.{fn.__name__}", **options)(fn)

    return define if fn is None else define(fn)


class Size(BaseModel):
    width: int
    tags: list[str] = []


def note(path: str, *pids: int) -> None:
    with open(path, "a") as file:
        file.write("".join(f"{pid}\n" for pid in (os.getpid(), *pids)))


@job
def double(size: Size) -> Size:
    return Size(width=size.width * 2, tags=[*size.tags, "doubled"])


@job
def echo(value: Any) -> Any:
    return value


@job
def where() -> int:
    return os.getpid()


@job
def remember(number: int) -> list[int]:
    seen.append(number)
    return seen


@job
def report(ctx: SyncContext) -> dict[str, Any]:
    ctx.step("Begun", 1, 4)
    ctx.progress(2, 4, "Half")
    ctx.log("by hand", "error")
    ctx.artifact("a.bin", b"\x00\xff", "application/x-test")
    ctx.picture(b"\x89PNG\r\n\x1a\n")
    ctx.save(total=3)
    done = list(ctx.steps(["a", "b"], "Part {}"))
    once = ctx.once("first", len, "four")
    finished = ctx.process("sh", "-c", "echo out; echo err >&2; exit 3", check=False)
    threaded = ctx.thread(max, 1, 2)
    return {
        "id": str(ctx.id),
        "attempt": ctx.attempt,
        "total": ctx.saved("total"),
        "done": done,
        "once": once,
        "code": finished.code,
        "threaded": threaded,
    }


@job
def refused(ctx: SyncContext) -> list[str]:
    found = []
    for call in (
        lambda: ctx.log("x", "loud"),  # type: ignore[arg-type]
        lambda: ctx.progress(3, 2),
        lambda: ctx.artifact("a", "text"),  # type: ignore[arg-type]
        lambda: ctx.process("no-such-program"),
        lambda: ctx.process("sh", "-c", "echo why >&2; exit 4"),
    ):
        try:
            call()
        except (ValueError, TypeError, OSError, ProcessFailed) as error:
            found.append(f"{type(error).__name__}: {error}")
    return found


@job
def talk() -> None:
    print("printed")
    print("to stderr", file=sys.stderr)
    logging.getLogger("shop.cart").error("logged %d", 1)
    thread = threading.Thread(target=print, args=("from a thread",))
    thread.start()
    thread.join()
    subprocess.run(["sh", "-c", "echo from a program"], check=True)
    print("no end", end="")


@job
def talk_much(lines: int) -> None:
    for number in range(lines):
        print(number)


@job(retry_on=(OSError,))  # type: ignore[untyped-decorator]
def fail(how: str) -> None:
    try:
        _fail(how)
    except KeyError as error:
        raise ValueError("not found") from error


def _fail(how: str) -> None:
    match how:
        case "error":
            raise OSError("the disk is full")
        case "other":
            raise RuntimeError("no luck")
        case "cause":
            {}["missing"]  # type: ignore[index]
        case "give up":
            raise GiveUp("it is closed")
        case "exit":
            sys.exit(3)
        case "no json":
            raise LookupError(f"odd \x00 text {chr(0xD800)}")


@job
def returns_no_json() -> Any:
    return object()


@job
def returns_much(size: int, ctx: SyncContext) -> str:
    try:
        ctx.step("x" * size)
    except ValueError as exc:
        ctx.log(str(exc))
    return "x" * size


@job(retry_on=(Exception,))  # type: ignore[untyped-decorator]
def end(how: str) -> None:
    match how:
        case "exit":
            os._exit(7)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "segfault":
            ctypes.string_at(0)


@job
def busy(pids: str, ctx: SyncContext) -> None:
    number = 0
    try:
        note(pids)
        ctx.step("Busy")
        while number >= 0:
            number += 1
    finally:
        ctx.log(f"cleaned up, cancelled={ctx.cancelled}")


@job
def deaf(pids: str, ctx: SyncContext) -> None:
    """Never comes back to Python code."""
    note(pids)
    ctx.step("Deaf")
    sum(itertools.repeat(0))


@job
def sleeping(pids: str, ctx: SyncContext) -> None:
    """Waits in C code, which no signal interrupts, without holding up other threads."""
    note(pids)
    ctx.step("Sleeping")
    lock = ctypes.CDLL(None).usleep
    while True:
        lock(200_000)


@job
def stubborn(pids: str, ctx: SyncContext) -> None:
    note(pids)
    ctx.step("Stubborn")
    while True:
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            ctx.log("swallowed")


@job
def unclean(pids: str, ctx: SyncContext) -> None:
    try:
        note(pids)
        ctx.step("Unclean")
        time.sleep(600)
    finally:
        raise RuntimeError("the door is stuck")


@job
def parent(pids: str, ctx: SyncContext) -> None:
    """Has a child, a grandchild in a session of its own whose parent has ended, and a program of the context's."""
    child = subprocess.Popen(["sleep", "600"])
    daemon = f"setsid sleep 600 & echo $! >> {pids}"
    subprocess.run(["sh", "-c", daemon], check=True)
    note(pids, child.pid)
    ctx.process("sh", "-c", f"echo $$ >> {pids}; setsid sleep 600 & echo $! >> {pids}; echo ready; trap '' TERM; wait")


@job
def leaves_a_program(pids: str) -> int:
    note(pids, subprocess.Popen(["setsid", "sleep", "600"]).pid)
    return os.getpid()


@job
def waits(how: str, ctx: SyncContext) -> None:
    try:
        ctx.step("Waiting")
        match how:
            case "loop":
                asyncio.run(asyncio.sleep(600))
            case "program":
                ctx.process("sleep", "600")
            case "threads":
                with ThreadPoolExecutor(2) as threads:
                    list(threads.map(lambda seconds: ctx.process("sleep", seconds), ["600", "601"]))
            case "late":
                time.sleep(600)
    finally:
        if how == "late":
            with ThreadPoolExecutor(1) as threads:
                threads.submit(ctx.process, "sleep", "600")
        print("cleaned up")


def square(number: int) -> int:
    logging.getLogger("fork").warning("logged %d", number)
    return number**2


@job
def forks() -> list[int]:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return pool.map(square, range(3))


@job
def comes_back_twice() -> int:
    if os.fork():
        os.wait()
    return os.getpid()


@job
def compute(stop: str, ctx: SyncContext) -> int:
    """Computes until the file is there."""
    ctx.step(str(os.getpid()))
    while not os.path.exists(stop):
        sum(range(200_000))
        ctx.progress(1, 2)
    return os.getpid()


@Resource
def counter() -> Iterator[list[str]]:
    with ON_FILE.open("a") as file:
        file.write("made\n")
    if Path(f"{ON_FILE}.broken").exists():
        raise ConnectionError("nobody answers")
    yield []
    with ON_FILE.open("a") as file:
        file.write("closed\n")


@job
def counts(count: list[str] = counter) -> int:
    count.append("job")
    return len(count)


@job
def environment() -> None:
    print(repr(os.environ.get("PYTHONPATH")))
