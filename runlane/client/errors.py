"""What can go wrong between a program and a Runlane. The text of each is a sentence for people.

RunlaneError        base of all; by itself: settings of the client that cannot be used
├── Refused         the server refused the request (4xx), or it was refused before it was sent: ``status``, ``errors``
│   ├── NotFound        404: no such job, file, … (any more)
│   └── Unauthorized    401, 403: no token, a wrong one, or one that may not do this
├── Unreachable     no answer in time, or the server is not able to answer (502, 503, 504)
├── ServerFailed    the server failed at this request (500); it has logged why
├── NotRunlane      something else answers at this address
├── Incompatible    the server is of a version that this client cannot talk to
├── JobFailed       ``result`` of a job that failed: ``type``, ``message``, ``traceback``
├── JobCancelled    ``result`` of a job that was cancelled
└── WrongResult     ``result`` of a job that returned something else than its function says

Waiting longer than a timeout raises Python's own ``TimeoutError``; arguments that a job does not have, ``TypeError``.
"""

from collections.abc import Sequence

from runlane.errors import FieldError, InvalidInput
from runlane.model.snapshot import JobSnapshot


class RunlaneError(Exception):
    """Base of the family."""


class Refused(RunlaneError):
    """A request that cannot be done as it is. ``errors``: which fields are wrong, and why."""

    def __init__(
        self, sentence: str, *, status: int, errors: Sequence[FieldError] = (), repeated: bool = False
    ) -> None:
        super().__init__(sentence)
        self.status = status
        """The HTTP status; 422 also for what was not even sent."""
        self.errors = list(errors)
        self.repeated = repeated
        """The request was sent more than once, and an earlier time may have been done."""

    @classmethod
    def of(cls, exc: InvalidInput) -> "Refused":
        return cls(f"Nothing was sent: {exc.message}", status=exc.status_code, errors=exc.errors)


class NotFound(Refused):
    """There is no such thing (any more)."""


class Unauthorized(Refused):
    """The token is missing or wrong (401), or may not do this (403)."""


class Unreachable(RunlaneError):
    """No answer in time. What was asked has not been done, unless the sentence says that it is not known."""


class ServerFailed(RunlaneError):
    """The server failed; the sentence names where its log has the reason."""


class NotRunlane(RunlaneError):
    """Something answers at this address, and it is no Runlane."""


class Incompatible(RunlaneError):
    """The server's version and this one's are too far apart."""


class JobFailed(RunlaneError):
    """The job has failed, with no attempt left."""

    def __init__(self, job: JobSnapshot) -> None:
        self.job = job
        self.type = job.error.type if job.error else ""
        self.message = job.error.message if job.error else job.message
        self.traceback = job.error.traceback if job.error else ""
        named = f"{self.type}: {self.message}" if self.type else self.message
        super().__init__(f"Job {job.short_id} ({job.kind}) failed in attempt {job.attempt}: {named}")


class JobCancelled(RunlaneError):
    """The job was cancelled."""

    def __init__(self, job: JobSnapshot) -> None:
        self.job = job
        super().__init__(f"Job {job.short_id} ({job.kind}) was cancelled.")


class WrongResult(RunlaneError):
    """The job has completed, and its result is not of the type that its function says; ``job.result`` has it."""

    def __init__(self, job: JobSnapshot, why: str) -> None:
        self.job = job
        super().__init__(f"Job {job.short_id} ({job.kind}) returned something else than its function says: {why}")
