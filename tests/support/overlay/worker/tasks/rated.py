"""As ``record``."""

from worker.tasks.record import run

__all__ = ["run"]
