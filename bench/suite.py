"""How long the commands of people who change a line take, and how much memory at most.

``python -m bench.suite [--rounds 3] ["make test" "make test-all" …]``. Runs each command in every round, on a machine
that should do nothing else, and prints medians. Memory is what all processes of a command hold together (PSS: shared
pages are counted once), sampled every two seconds. A command that fails is named, and ends the bench.
"""

import argparse
import shlex
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import suppress

import psutil

from testbed import ROOT

POLL_EVERY_S = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.suite", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("commands", nargs="*", default=["make test"])
    given = parser.parse_args()
    taken_s, peak_bytes = defaultdict[str, list[float]](list), defaultdict[str, list[int]](list)
    for _ in range(given.rounds):
        for command in given.commands:
            seconds, held = run(command)
            taken_s[command].append(seconds)
            peak_bytes[command].append(held)
    for command in given.commands:
        times = ", ".join(f"{seconds:.0f}" for seconds in sorted(taken_s[command]))
        peak = max(peak_bytes[command]) / 1e9
        print(f"{command}: median {statistics.median(taken_s[command]):.0f} s of {times}; at most {peak:.1f} GB")


def run(command: str) -> tuple[float, int]:
    """Seconds and bytes of one run of a command."""
    began_at, peak = time.monotonic(), 0
    running = psutil.Popen(shlex.split(command), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    output: list[str] = []
    while True:
        try:
            output.append(running.communicate(timeout=POLL_EVERY_S)[0])
            break
        except subprocess.TimeoutExpired:
            peak = max(peak, held_bytes(running))
    if running.returncode:
        sys.exit(f"{command} failed:\n{output[-1][-4000:]}")
    return time.monotonic() - began_at, peak


def held_bytes(root: psutil.Process) -> int:
    held = 0
    for process in (root, *root.children(recursive=True)):
        with suppress(psutil.Error):
            held += process.memory_full_info().pss
    return held


if __name__ == "__main__":
    main()
