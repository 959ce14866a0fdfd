"""The last one to leave: ends every child of the launcher when the launcher has ended, however it did.

A process that is killed with -9 cannot clean up, and servers do not watch who started them. So this one holds the
read end of a pipe whose write end only the launcher has; end of file means that the launcher has ended. It is sent each
child's process group as ``+1234`` and ``-1234`` lines. It also holds the lock of the data folder for as long as it
lives, so that a next run cannot start a second Redis on the same files while the first still writes.
"""

import contextlib
import os
import signal
import sys
import time

POLITE_S = 2.0


def main() -> None:
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line)
        if group > 0:
            groups.add(group)
        else:
            groups.discard(-group)
    end_groups(groups, POLITE_S)


def end_groups(groups: set[int], polite_s: float) -> None:
    """Ask these process groups to end, and kill those that have not after ``polite_s`` seconds."""
    for group in groups:
        _signal(group, signal.SIGTERM)
    ends_at = time.monotonic() + polite_s
    while any(map(_is_alive, groups)) and time.monotonic() < ends_at:
        time.sleep(0.02)
    for group in groups:
        _signal(group, signal.SIGKILL)


def _is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _signal(group: int, signum: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signum)


if __name__ == "__main__":
    main()
