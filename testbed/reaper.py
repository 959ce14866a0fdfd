"""The last one to leave a run: ends every process of the run and removes its folder, however the run ended.

A run that is cut off cannot clean up after itself. So this process holds the read end of a pipe whose write end only
the run's first process has; end of file means that the run is over. What belongs to the run is known by a variable in
the environment, which every process inherits from the one that started it, or by the folder it works in: Redis writes
its title over its environment.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from testbed import RUN_VARIABLE
from testbed.postgres_server import GivenServer, given_url

# What is sent, and how long it may take; twice the last, for what was just being started. PostgreSQL frees its shared
# memory at the second at the latest.
POLITENESS = ((signal.SIGTERM, 3.0), (signal.SIGQUIT, 3.0), (signal.SIGKILL, 3.0), (signal.SIGKILL, 3.0))


class Reaper:
    """The process that cleans up when this one has ended, or sends ``dismiss``."""

    def __init__(self, folder: Path) -> None:
        os.environ.pop(RUN_VARIABLE, None)  # or it would belong to the run itself
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(folder)], stdin=subprocess.PIPE, start_new_session=True
        )
        os.environ[RUN_VARIABLE] = str(folder)

    def dismiss(self) -> None:
        """Return when nothing of the run is left."""
        os.environ.pop(RUN_VARIABLE, None)
        self._process.communicate()


def processes_of(run: str) -> list[psutil.Process]:
    """The processes that live and belong to a run."""
    return [process for process in psutil.process_iter() if _belongs(process, run)]


def _belongs(process: psutil.Process, run: str) -> bool:
    try:
        marked = process.environ().get(RUN_VARIABLE) == run or Path(process.cwd()).is_relative_to(run)
        return marked and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):
        return False


def end_processes(run: str) -> None:
    """Ask every process of a run to end, and make those that do not."""
    for signum, patience_s in POLITENESS:
        left = processes_of(run)
        for process in left:
            with contextlib.suppress(psutil.Error):
                process.send_signal(signum)
        psutil.wait_procs(left, timeout=patience_s)


def main() -> None:
    folder = Path(sys.argv[1])
    sys.stdin.buffer.read()
    end_processes(str(folder))
    shutil.rmtree(folder, ignore_errors=True)
    if given := given_url():
        GivenServer(given).drop_scratch(str(folder))


if __name__ == "__main__":
    main()
