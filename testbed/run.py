"""One run of tests: a folder for all that it writes, which goes when the run ends, however it ends."""

import os
import shutil
import tempfile
from pathlib import Path

from testbed.errors import CannotRun
from testbed.reaper import Reaper

# What a whole run takes at most is a third of that: products, databases, servers' files, browsers' profiles.
NEEDED_BYTES = 2_000_000_000
# With less than that left, what fails fails for lack of space.
SPARE_BYTES = 50_000_000


class Run:
    """The run that this process began."""

    def __init__(self) -> None:
        """Make the run's folder, and have temporary files of all its processes made there.

        Raises:
            CannotRun: there is no room.
        """
        home = Path(tempfile.gettempdir())
        check_space(home, NEEDED_BYTES)
        self.folder = Path(tempfile.mkdtemp(prefix="runlane-tests-", dir=home))
        self.folder.chmod(0o711)  # PostgreSQL runs as another user, and has its folder in here
        self._reaper = Reaper(self.folder)
        self._before = os.environ.get("TMPDIR")
        self._use(str(self.folder))

    def check_space(self) -> None:
        """Raises ``CannotRun`` when the disk has filled up."""
        check_space(self.folder, SPARE_BYTES)

    def end(self) -> None:
        """Return when no process and no file of it is left."""
        self._use(self._before)
        self._reaper.dismiss()

    def _use(self, folder: str | None) -> None:
        os.environ.pop("TMPDIR", None)
        if folder is not None:
            os.environ["TMPDIR"] = folder
        tempfile.tempdir = None


def check_space(folder: Path, needed_bytes: int) -> None:
    """Nothing, if the disk of this folder has that much room.

    Raises:
        CannotRun: it has not.
    """
    free_bytes = shutil.disk_usage(folder).free
    if free_bytes < needed_bytes:
        raise CannotRun(
            f"The disk that holds {folder} has {free_bytes // 1_000_000} MB left and the tests need "
            f"{needed_bytes // 1_000_000} MB. Make room, or name a folder elsewhere in TMPDIR."
        )
