"""How a worker that is to take another's place reports that it can: by a pipe that its launcher listens to."""

import os

# The descriptor to write to. A worker that has it takes the place as a whole or not at all.
READY_FD = "RUNLANE_READY_FD"


def ready_fd() -> int | None:
    """The descriptor, once: what this process starts does not inherit its name."""
    given = os.environ.pop(READY_FD, None)
    return None if given is None else int(given)


def notify(fd: int) -> None:
    """Report that this worker is ready."""
    os.write(fd, b"ready")
    os.close(fd)
