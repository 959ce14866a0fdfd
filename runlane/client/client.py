"""``Client``: submits jobs to a Runlane and waits for them, from any asyncio program."""

import builtins
import copy
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, ParamSpec, Self, TypeVar, overload

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from runlane import plain_json
from runlane.client.api import JOB, Api, Id, checked_id
from runlane.client.errors import Refused
from runlane.client.link import Ask, Link
from runlane.client.run import Run
from runlane.define.job import Job
from runlane.define.problems import field_errors
from runlane.errors import FieldError, InvalidInput
from runlane.model.requests import Submission
from runlane.model.snapshot import JobSnapshot

P = ParamSpec("P")
R = TypeVar("R")


class _Jobs(BaseModel):
    items: builtins.list[JobSnapshot]


_JOBS = TypeAdapter(_Jobs)


@dataclass(frozen=True)
class Options:
    """How jobs are submitted; see ``Client.with_options``."""

    priority: int | None = None
    delay_s: float | None = None
    scheduled_for: datetime | None = None
    max_attempts: int | None = None
    idempotency_key: str | None = None

    def chosen(self) -> dict[str, Any]:
        return {name: value for name, value in asdict(self).items() if value is not None}


class Client(Api):
    """A Runlane, as programs use it::

        async with Client("http://localhost:8000") as client:
            run = await client.submit(crawl, url="https://example.com", pages=3)
            async for event in run:
                print(event.progress, event.message)
            found = await run.result()

    ``url`` and ``token`` are else taken from ``RUNLANE_URL`` (http://127.0.0.1:8000) and ``RUNLANE_TOKEN``.
    ``timeout``: how long one call may go without an answer in seconds, with all that it tries again; ``patience``: how
    long ``events`` and ``result`` put up with a server that is away. One client is for one event loop, and for many
    tasks in it.

    Raises:
        RunlaneError: an address or a token that cannot be one.
    """

    def __init__(
        self, url: str | None = None, token: str | None = None, *, timeout: float = 30.0, patience: float = 300.0
    ) -> None:
        super().__init__(Link(url, token, timeout, patience))
        self._options = Options()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections; the client opens new ones if it is used again."""
        await self._link.close()

    def with_options(
        self,
        *,
        priority: int | None = None,
        delay_s: float | None = None,
        scheduled_for: datetime | None = None,
        max_attempts: int | None = None,
        idempotency_key: str | None = None,
    ) -> Self:
        """This client, on the same connections, submitting so; what is not given stays as it is::

            await client.with_options(priority=5).submit(crawl, url=…)

        ``priority``: higher first. ``delay_s`` or ``scheduled_for``: not sooner. ``max_attempts``: instead of the
        job's own. ``idempotency_key``: the same key gives the same job again, whoever sends it; without one, each
        submission has its own.
        """
        other = copy.copy(self)
        given = Options(priority, delay_s, scheduled_for, max_attempts, idempotency_key)
        other._options = replace(self._options, **given.chosen())
        return other

    @overload
    async def submit(self, job: Job[..., P, Any, R], /, *args: P.args, **kwargs: P.kwargs) -> Run[R]: ...
    @overload
    async def submit(self, job: str, /, **params: Any) -> Run[Any]: ...
    async def submit(self, job: Job[..., ..., Any, Any] | str, /, *args: Any, **kwargs: Any) -> Run[Any]:
        """Submit a job with these arguments, or one of a kind that is known by its name alone.

        However often the connection breaks, it is made once.

        Raises:
            TypeError: not the arguments of this function.
            Refused: arguments that its types, or the server, do not take; nothing was submitted.
        """
        try:
            body = self._submission(job, _params(job, args, kwargs))
        except InvalidInput as exc:
            raise Refused.of(exc) from exc
        made = await self._link.read(Ask("POST", "/api/jobs", json=body, headers=self._once()), JOB)
        return _run(self, made, job)

    @overload
    async def submit_many(
        self, job: Job[..., ..., Any, R], params: Sequence[Mapping[str, Any] | BaseModel], /
    ) -> builtins.list[Run[R]]: ...
    @overload
    async def submit_many(
        self, job: str, params: Sequence[Mapping[str, Any] | BaseModel], /
    ) -> builtins.list[Run[Any]]: ...
    async def submit_many(
        self, job: Job[..., ..., Any, Any] | str, params: Sequence[Mapping[str, Any] | BaseModel], /
    ) -> builtins.list[Run[Any]]:
        """Submit up to 1000 jobs of one kind, all or none, one for each set of parameters, in order.

        Raises:
            Refused: some are not valid; ``errors`` names them as ``jobs.<index>.params.<name>``. None was submitted.
        """
        bodies, errors = [], builtins.list[FieldError]()
        for index, each in enumerate(params):
            try:
                bodies.append(self._submission(job, _params_of_one(job, each)))
            except InvalidInput as exc:
                errors += [FieldError(f"jobs.{index}.{error.field}", error.message) for error in exc.errors]
        if errors:
            raise Refused.of(InvalidInput(errors))
        if not bodies:
            return []
        ask = Ask("POST", "/api/jobs/batch", json={"jobs": bodies}, headers=self._once())
        return [_run(self, made, job) for made in (await self._link.read(ask, _JOBS)).items]

    @overload
    def run(self, job_id: Id, job: Job[..., ..., Any, R], /) -> Run[R]: ...
    @overload
    def run(self, job_id: Id, job: None = None, /) -> Run[Any]: ...
    def run(self, job_id: Id, job: Job[..., ..., Any, Any] | None = None, /) -> Run[Any]:
        """A job that exists already; with ``job``, its result has that function's type. Asks the server nothing."""
        return Run(self, checked_id(job_id), job)

    def _submission(self, job: Job[..., ..., Any, Any] | str, params: dict[str, Any]) -> dict[str, Any]:
        try:
            name = job if isinstance(job, str) else job.name
            options = self._options.chosen()
            options.pop("idempotency_key", None)
            submission = Submission(kind=name, params=params, **options)
        except ValidationError as exc:
            raise InvalidInput(field_errors(exc)) from exc
        return submission.model_dump(mode="json", exclude_unset=True)

    def _once(self) -> dict[str, str]:
        """What keeps a request that is sent twice from being done twice."""
        return {"Idempotency-Key": self._options.idempotency_key or uuid.uuid4().hex}


def _params(job: Job[..., ..., Any, Any] | str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters as JSON has them. Raises ``TypeError``, ``InvalidInput``."""
    if isinstance(job, str):
        if args:
            raise TypeError(f"the parameters of {job!r} are given by name")
        params = _plain(kwargs)
    else:
        params = job.params(*args, **kwargs)
    plain_json.check(params, "params")
    return params


def _params_of_one(job: Job[..., ..., Any, Any] | str, given: Mapping[str, Any] | BaseModel) -> dict[str, Any]:
    """The same for parameters in one piece."""
    if not isinstance(job, str) and job.signature.whole is not None:
        return _params(job, (given,), {})
    named = given if isinstance(given, Mapping) else given.model_dump(by_alias=True)
    try:
        return _params(job, (), named)
    except TypeError as exc:
        raise InvalidInput.of("params", str(exc)) from exc


def _plain(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return dict(to_jsonable_python(dict(kwargs)))
    except Exception as exc:  # whatever a value's own serializer may raise
        raise InvalidInput.of("params", f"hold what JSON cannot: {exc}") from exc


def _run(client: Api, made: JobSnapshot, job: Job[..., ..., Any, Any] | str) -> Run[Any]:
    return Run(client, made.id, None if isinstance(job, str) else job, made)
