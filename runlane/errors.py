"""The errors people see. Each message says what happened, about which thing, and what to do next.

JobsError                  a sentence for people, and an HTTP status
├── InvalidInput     422   a request's fields are wrong; has one message a field
├── NotFound         404   Job-, Kind-, (Lost)Worker-, Schedule-, Operation-, RuleNotFound: there is none (any more)
├── NotHere          409   this set-up does not have it
├── WrongStatus      409   the job's status does not allow the action
├── NameTaken        409   another schedule or rule has this name
├── Conflict         409   someone else changed the same thing
├── KindInUse        409   workers still bring the kind that is to be removed
├── TooLarge         413   a body beyond the limit
├── TooSlow          408   a body that does not arrive
├── Unavailable      503   Redis or the database does not answer
└── StartRefused     -     a process must not start; printed, exit code 2
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


class NotFound(JobsError):
    """There is no such thing (any more). ``what`` and ``hint`` are parts of the message."""

    status_code = 404
    what = "thing"
    hint = ""

    def __init__(self, name: UUID | str) -> None:
        super().__init__(f"There is no {self.what} {str(name)[:200]}. {self.hint}")

    def __init_subclass__(cls) -> None:
        cls.title = f"No such {cls.what.split()[-1]}"


class JobNotFound(NotFound):
    """No such job, or it was deleted."""

    what = "job"
    hint = "It may have been deleted."


class KindNotFound(NotFound):
    """No kind has this name."""

    what = "kind"
    hint = "GET /api/kinds lists them."


class WorkerNotFound(NotFound):
    """No such worker, or it is lost."""

    what = "living worker"
    hint = "GET /api/workers lists them."


class LostWorkerNotFound(NotFound):
    """No such worker, or it is not lost."""

    what = "lost worker"
    hint = "GET /api/workers lists them."


class ScheduleNotFound(NotFound):
    """No such schedule, or it was deleted."""

    what = "schedule"
    hint = "It may have been deleted."


class OperationNotFound(NotFound):
    """No such operation."""

    what = "operation"
    hint = "GET /api/operations lists the last ones."


class RuleNotFound(NotFound):
    """No such alert rule, or it was deleted."""

    what = "alert rule"
    hint = "It may have been deleted."


class NameTaken(JobsError):
    """Another schedule or rule has this name."""

    status_code = 409
    title = "This name is taken"

    def __init__(self, name: str, what: str = "schedule") -> None:
        super().__init__(f"There is a {what} named {name!r} already; choose another name, or change that one.")


class Conflict(JobsError):
    """Two people changed the same thing at once; the second is refused."""

    status_code = 409
    title = "Someone else changed this"


class KindInUse(JobsError):
    """A kind that workers still bring."""

    status_code = 409
    title = "This kind is still in use"


class NotHere(JobsError):
    """Something that this set-up does not have."""

    status_code = 409
    title = "Not with this set-up"


class WrongStatus(JobsError):
    """The job's status does not allow the action."""

    status_code = 409
    title = "The job's status does not allow this"


class NothingToDo(JobsError):
    """The request is valid, but would change nothing now."""

    status_code = 409
    title = "There is nothing to do"


class TooLarge(JobsError):
    """A request body beyond the limit."""

    status_code = 413
    title = "The request is too large"


class TooSlow(JobsError):
    """A request body that takes too long to arrive."""

    status_code = 408
    title = "The request took too long"


class Unavailable(JobsError):
    """A store the product depends on does not answer; trying again later may work."""

    status_code = 503
    title = "Not available right now"


class StartRefused(JobsError):
    """A process that must not start: the message says what is wrong and what to change."""
