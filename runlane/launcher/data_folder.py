"""The data folder belongs to one run at a time: a lock that the system itself releases when its holders have ended."""

import contextlib
import fcntl
import os
import time
from pathlib import Path

from runlane.errors import StartRefused
from runlane.private_files import make_folder

# How long to wait for the children of a run that was killed; its guard ends them sooner.
LEFTOVERS_END_WITHIN_S = 8.0


class DataFolder:
    """A data folder in use by this process; nobody else may use it."""

    def __init__(self, path: Path) -> None:
        """Take the folder, making it if need be.

        Raises:
            StartRefused: it cannot be written, or another run has it.
        """
        self.path = path.resolve()
        self._lock_path = self.path / "lock"
        try:
            make_folder(self.path)
            self.lock_fd = self._take()
        except OSError as exc:
            raise StartRefused(
                f"The data folder {path} cannot be used: {exc.strerror}. Name another one in RUNLANE_DATA_DIR."
            ) from exc
        os.ftruncate(self.lock_fd, 0)
        os.write(self.lock_fd, str(os.getpid()).encode())

    def release(self) -> None:
        """Give the folder up and leave no lock file."""
        self._lock_path.unlink(missing_ok=True)
        os.close(self.lock_fd)

    def _take(self) -> int:
        ends_at = time.monotonic() + LEFTOVERS_END_WITHIN_S
        while True:
            fd = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if self._is_locked(fd):
                return fd
            holder = os.read(fd, 20).decode()
            os.close(fd)
            if _is_alive(holder) or time.monotonic() > ends_at:
                raise StartRefused(
                    f"The data folder {self.path} is in use by another run (process {holder}). "
                    "Stop that one, or name another folder in RUNLANE_DATA_DIR."
                )
            time.sleep(0.05)

    def _is_locked(self, fd: int) -> bool:
        """Whether the lock is ours now, and on the file that others will open."""
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with contextlib.suppress(FileNotFoundError):
                return os.fstat(fd).st_ino == self._lock_path.stat().st_ino
        return False


def _is_alive(pid: str) -> bool:
    if not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
