"""What somebody with code of their own waits for: a submission's first line, an edit to be seen, an import.

python -m bench.own_code

Each figure is the median of its rounds; times between processes are taken from one machine's clock.
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import httpx

from bench.jobs import bench_begin, bench_plain
from bench.stack import Stage
from runlane import Client
from testbed import ROOT
from testbed.ports import free_port

SUBMISSIONS, EDITS, IMPORTS = 200, 7, 9
POLL_EVERY_S = 0.01
CODE = "from runlane import job\n\n\n@job\nasync def hello(name: str = 'you'{more}) -> str:\n    return name\n"


async def first_lines() -> Iterable[tuple[str, float]]:
    """From ``client.submit`` to the function's first line, and to a plain function's."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(Path(folder))
        stage.start()
        try:
            async with stage.ours() as ours, ours.worker(5), ours.app() as app, Client(str(app.base_url)) as client:
                for name, job in (("async def", bench_begin), ("plain def", bench_plain)):
                    await (await client.submit(job)).result(timeout=60)
                    took = []
                    for _ in range(SUBMISSIONS):
                        submitted_at = time.time()
                        run = await client.submit(job)
                        took.append(await run.result(timeout=60) - submitted_at)
                    found.append((f"submit to first line of {name}, ms", 1000 * statistics.median(took)))
        finally:
            stage.redis.stop()
    return found


def edits() -> Iterable[tuple[str, float]]:
    """From a saved file to the changed form, with ``runlane run my_jobs`` in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        code, port = Path(folder) / "my_jobs.py", free_port()
        code.write_text(CODE.format(more=""))
        environ = {k: v for k, v in os.environ.items() if k not in ("REDIS_URL", "DATABASE_URL")}
        environ |= {"PORT": str(port), "PYTHONPATH": str(ROOT)}
        with (Path(folder) / "log").open("wb") as log:
            began = time.monotonic()
            command = [sys.executable, "-m", "runlane", "run", "my_jobs"]
            launcher = subprocess.Popen(command, cwd=folder, env=environ, stdout=log, stderr=log)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10) as api:
                _until(lambda: _properties(api) is not None)
                yield "runlane run my_jobs, until its job can be submitted, s", time.monotonic() - began
                took = []
                for number in range(EDITS):
                    time.sleep(2)  # the worker before has gone
                    saved = time.monotonic()
                    code.write_text(CODE.format(more=f", n{number}: int = 1"))
                    _until(lambda name=f"n{number}": name in (_properties(api) or ()))
                    took.append(time.monotonic() - saved)
                yield "edit of a file until the form has it, s", statistics.median(took)
        finally:
            launcher.terminate()
            launcher.wait(30)


def imports() -> Iterable[tuple[str, float]]:
    """What a program pays that submits jobs, over one that does nothing."""
    programs = {
        "import runlane, ms": "import runlane",
        "import of Client and job, ms": "from runlane import Client, job",
    }
    nothing = _median_of_runs("pass")
    return [(name, 1000 * (_median_of_runs(program) - nothing)) for name, program in programs.items()]


def _median_of_runs(program: str) -> float:
    took = []
    for _ in range(IMPORTS):
        began = time.monotonic()
        subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)
        took.append(time.monotonic() - began)
    return statistics.median(took)


def _properties(api: httpx.Client) -> list[str] | None:
    try:
        kinds = {kind["name"]: kind for kind in api.get("/api/kinds").json()}
    except httpx.TransportError:
        return None
    return list(kinds["hello"]["params_schema"]["properties"]) if kinds.get("hello", {}).get("workers") else None


def _until(is_so: Callable[[], object], within_s: float = 120.0) -> None:
    ends_at = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > ends_at:
            raise TimeoutError(f"not so after {within_s} s")
        time.sleep(POLL_EVERY_S)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--only", default="imports,first_lines,edits")
    chosen = options.parse_args().only.split(",")
    measured = {"imports": imports, "first_lines": lambda: asyncio.run(first_lines()), "edits": edits}
    for name in chosen:
        for figure, value in measured[name]():
            print(f"{figure:55} {value:8.2f}", flush=True)


if __name__ == "__main__":
    main()
