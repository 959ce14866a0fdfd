"""The errors people see. Each message says what happened, about which thing, and what to do next.

JobsError                  a sentence for people, and an HTTP status
├── InvalidInput     422   a request's fields are wrong; carries one message a field
├── JobNotFound      404
├── KindNotFound     404
├── WorkerNotFound   404
├── ScheduleNotFound 404
├── OperationNotFound 404
├── RuleNotFound     404
├── NotHere          409   this set-up has no such thing
├── WrongStatus      409   the job's status does not allow what was asked
├── NameTaken        409   another schedule or rule has this name
├── ChangedMeanwhile 409   someone else changed the same thing
├── TooLarge         413   a body beyond the limit
├── Unavailable      503   Redis or the database does not answer
└── StartRefused     -     a process may not start; printed, exit code 2
"""

from dataclasses import dataclass
from uuid import UUID


class JobsError(Exception):
    """Base of the family. ``message`` is one or two plain sentences."""

    status_code = 500
    title = "Something went wrong"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field. ``field`` is a dotted path such as ``params.steps``."""

    field: str
    message: str


class InvalidInput(JobsError):
    """A request that cannot be accepted as it is; nothing was stored."""

    status_code = 422
    title = "The request is not valid"

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__("; ".join(f"{e.field}: {e.message}" for e in errors[:5]))
        self.errors = errors

    @classmethod
    def of(cls, field: str, message: str) -> "InvalidInput":
        return cls([FieldError(field, message)])


class JobNotFound(JobsError):
    """No such job, or it was deleted."""

    status_code = 404
    title = "No such job"

    def __init__(self, job_id: UUID | str) -> None:
        super().__init__(f"There is no job {job_id}. It may have been deleted.")


class KindNotFound(JobsError):
    """No kind has this name."""

    status_code = 404
    title = "No such kind"

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no kind {name[:200]!r}. GET /api/kinds lists them.")


class WorkerNotFound(JobsError):
    """No such worker, or nobody has heard of it for a while."""

    status_code = 404
    title = "No such worker"

    def __init__(self, worker_id: str) -> None:
        super().__init__(f"There is no living worker {worker_id}. GET /api/workers lists them.")


class ScheduleNotFound(JobsError):
    """No such schedule, or it was deleted."""

    status_code = 404
    title = "No such schedule"

    def __init__(self, schedule_id: UUID | str) -> None:
        super().__init__(f"There is no schedule {schedule_id}. It may have been deleted.")


class RuleNotFound(JobsError):
    """No such alert rule, or it was deleted."""

    status_code = 404
    title = "No such rule"

    def __init__(self, rule_id: UUID | str) -> None:
        super().__init__(f"There is no alert rule {rule_id}. It may have been deleted.")


class NameTaken(JobsError):
    """Another schedule or rule has this name."""

    status_code = 409
    title = "This name is taken"

    def __init__(self, name: str, what: str = "schedule") -> None:
        super().__init__(f"There is a {what} named {name!r} already; choose another name, or change that one.")


class ChangedMeanwhile(JobsError):
    """Two people changed the same thing; the second sees what the first did."""

    status_code = 409
    title = "Someone else changed this"


class OperationNotFound(JobsError):
    """No such operation."""

    status_code = 404
    title = "No such operation"

    def __init__(self, operation_id: UUID | str) -> None:
        super().__init__(f"There is no operation {operation_id}. GET /api/operations lists the last ones.")


class NotHere(JobsError):
    """Something that this set-up does not have."""

    status_code = 409
    title = "Not with this set-up"


class WrongStatus(JobsError):
    """The job's status does not allow the action."""

    status_code = 409
    title = "The job's status does not allow this"


class TooLarge(JobsError):
    """A request body beyond the limit."""

    status_code = 413
    title = "The request is too large"


class Unavailable(JobsError):
    """A store the product depends on does not answer; trying again later may work."""

    status_code = 503
    title = "Not available right now"


class StartRefused(JobsError):
    """A process that may not start: the message says what is wrong and what to change."""
