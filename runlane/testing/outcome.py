"""What became of a job that a test ran."""

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from runlane.define.context import LogLevel, Saved
from runlane.model.status import JobStatus

R = TypeVar("R")


@dataclass(frozen=True)
class LogLine:
    """A line of the job's log. ``logger``: who wrote it, ``stdout`` for ``print``, empty for ``ctx.log``."""

    text: str
    level: LogLevel = "info"
    logger: str = ""


@dataclass(frozen=True)
class Artifact:
    """A file that the job attached."""

    name: str
    content: bytes
    media_type: str


@dataclass
class Outcome(Generic[R]):
    """A job at its end, and all that its attempts reported, in order."""

    status: JobStatus = JobStatus.QUEUED
    """``completed``, ``failed`` or ``cancelled``."""
    error: BaseException | None = None
    """Why the last attempt failed; ``None`` unless the job failed."""
    attempts: int = 0
    """How often it was tried."""
    errors: list[BaseException] = field(default_factory=list)
    """Why attempts failed, of each that did."""
    pauses_s: list[float] = field(default_factory=list)
    """How long it waited before each further attempt, in seconds. No test waits for that."""
    progress: float = 0.0
    """0 to 100."""
    message: str = ""
    """The current step in words."""
    steps: list[str] = field(default_factory=list)
    logs: list[LogLine] = field(default_factory=list)
    artifacts: list[Artifact] = field(default_factory=list)
    saved: Saved = field(default_factory=Saved)
    """What the job kept: ``saved.values``, ``saved.steps``, ``saved.once``. The next ``run_job`` can go on with it."""
    _result: R | None = None

    @property
    def result(self) -> R:
        """What the job returned, as whoever asks a server for it gets it.

        Raises:
            Exception: the error it failed with.
            RuntimeError: it was cancelled.
        """
        if self.error is not None:
            raise self.error
        if self.status is not JobStatus.COMPLETED:
            raise RuntimeError(f"The job was {self.status}, so it has no result.")
        return self._result  # type: ignore[return-value]
