"""``@job``: what makes a function something that workers run."""

import inspect
import math
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, update_wrapper
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from pydantic import BaseModel, TypeAdapter, ValidationError

from runlane import plain_json
from runlane.define import signature
from runlane.define.context import Context, SyncContext
from runlane.define.params import SECRET_FORMAT, stored
from runlane.define.problems import field_errors
from runlane.define.refusal import place, refused
from runlane.define.retry import Retry
from runlane.define.signature import Signature
from runlane.errors import InvalidInput
from runlane.model.kind import Kind
from runlane.model.limits import MAX_CONCURRENCY, Rate
from runlane.model.requests import MAX_ATTEMPTS

Full = ParamSpec("Full")
P = ParamSpec("P")
Returned = TypeVar("Returned", covariant=True)
R = TypeVar("R", covariant=True)

MAX_NAME_LENGTH = 200
SECONDS = {"s": 1, "min": 60, "h": 3600, "day": 86_400}


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a job is run; see ``job``."""

    timeout_s: float
    max_attempts: int
    retry: Retry
    max_running: int | None
    rate: Rate | None
    group: str
    tags: tuple[str, ...]
    summary: str


class Job(Generic[Full, P, Returned, R]):
    """A function that workers can run. Calling it calls the function, here and now.

    ``Full`` are the function's parameters, ``P`` those of them that a submission gives, ``Returned`` is what a call
    returns and ``R`` what the job's result is.
    """

    def __init__(self, fn: Callable[Full, Returned], name: str | None, title: str | None, options: Options) -> None:
        self.fn = fn
        self.options = options
        self.signature: Signature = signature.read(fn)
        self.name = fn.__name__ if name is None else name
        summary, more = self.signature.summary, self.signature.description
        # the first line of the docstring is the title, unless there is one already
        self.title = title or summary.removesuffix(".") or self.name.strip("_").replace("_", " ").capitalize()
        self.description = "\n\n".join(filter(None, (summary, more))) if title else more
        self.is_async = inspect.iscoroutinefunction(fn)
        self._check()
        update_wrapper(self, fn)

    def __call__(self, *args: Full.args, **kwargs: Full.kwargs) -> Returned:
        return self.fn(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<job {self.name!r}>"

    @cached_property
    def kind(self) -> Kind:
        """What everybody but this worker knows of it."""
        return Kind(
            name=self.name,
            title=self.title,
            description=self.description,
            group=self.options.group,
            params_schema=self.signature.schema,
            defaults=self.signature.defaults,
            timeout_s=self.options.timeout_s,
            max_attempts=self.options.max_attempts,
            max_running=self.options.max_running,
            rate=self.options.rate,
            tags=self.options.tags,
            summary=self.options.summary,
        )

    def params(self, *args: P.args, **kwargs: P.kwargs) -> dict[str, Any]:
        """These arguments as the parameters of a submission, validated, with all defaults.

        Raises:
            TypeError: not the arguments of this function.
            InvalidInput: one message a field, each field named ``params.<name>``.
        """
        given = self._bind(args, kwargs)
        whole = self.signature.whole
        try:
            model = self.signature.model.model_validate(given[whole] if whole is not None else given)
        except ValidationError as exc:
            raise InvalidInput(field_errors(exc, "params")) from exc
        return stored(model)

    def validate(self, params: Any) -> BaseModel:
        """Parameters as they are stored, as the job's model; types are exact. Raises ``InvalidInput`` as ``params``."""
        try:
            return self.signature.model.model_validate_json(plain_json.dumps(params), strict=True)
        except ValidationError as exc:
            raise InvalidInput(field_errors(exc, "params")) from exc

    def result_of(self, stored: Any) -> R:
        """A stored result as the type that the function says it returns. Raises pydantic's ``ValidationError``."""
        return self._result.validate_python(stored)  # type: ignore[no-any-return]

    @cached_property
    def _result(self) -> TypeAdapter[Any]:
        return TypeAdapter(self.signature.result)

    def _bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        sign = self.signature
        own = [name for name in inspect.signature(self.fn).parameters if name in sign.fields or name == sign.whole]
        if len(args) > len(own):
            raise TypeError(f"{self.name}() takes {len(own)} parameters, and {len(args)} were given")
        given = dict(zip(own, args, strict=False))
        for name, value in kwargs.items():
            if name in given:
                raise TypeError(f"{self.name}() got {name!r} twice")
            if name not in own:
                raise TypeError(f"{self.name}() has no parameter {name!r}; it has {', '.join(own) or 'none'}")
            given[name] = value
        if sign.whole is not None and sign.whole not in given:
            raise TypeError(f"{self.name}() needs {sign.whole!r}")
        return given

    def _check(self) -> None:
        options = self.options
        if not self.name or len(self.name) > MAX_NAME_LENGTH or not self.name.isprintable():
            raise refused(self.fn, f"{self.name!r} is no name of a job: up to {MAX_NAME_LENGTH} printable characters.")
        if self.name in (".", ".."):
            raise refused(self.fn, f"{self.name!r} is no name of a job: in an address it means another one.")
        if not options.timeout_s > 0:
            raise refused(self.fn, f"timeout={options.timeout_s:g}: a job needs some time; give seconds above 0.")
        if not 1 <= options.max_attempts <= MAX_ATTEMPTS:
            raise refused(self.fn, f"max_attempts={options.max_attempts}: from 1 (no second try) to {MAX_ATTEMPTS}.")
        for error in options.retry.on:
            if not (isinstance(error, type) and issubclass(error, BaseException)):
                raise refused(self.fn, f"retry_on: {error!r} is no class of errors; give some, as (TimeoutError,).")
        if not _are_pauses(options.retry.backoff):
            raise refused(self.fn, f"backoff={options.retry.backoff!r}: give seconds from 0, or a list of some.")
        if options.max_running is not None and not 1 <= options.max_running <= MAX_CONCURRENCY:
            raise refused(self.fn, f"max_running={options.max_running}: from 1 to {MAX_CONCURRENCY}.")
        if not self.is_async:
            wrong = [name for name, resource in self.signature.resources.items() if resource.is_async]
            if wrong:
                raise refused(self.fn, f"{wrong[0]!r} is an async resource, and a plain def can wait for none.")
        for name, default in self.signature.defaults.items():
            if default and self.signature.schema.get("properties", {}).get(name, {}).get("format") == SECRET_FORMAT:
                raise refused(
                    self.fn, f"The default of {name!r} is a secret that everybody could read; leave it empty."
                )
        try:
            self.kind.title_of(self.signature.defaults)
        except ValueError as exc:
            raise refused(self.fn, f"summary={options.summary!r}: {exc}") from exc


_defined: dict[str, Job[..., ..., Any, Any]] = {}


def defined() -> dict[str, Job[..., ..., Any, Any]]:
    """Every job that was defined in this process, by name, in order."""
    return dict(_defined)


@overload
def job(
    fn: Callable[Concatenate[Context, P], Coroutine[Any, Any, R]], /
) -> Job[Concatenate[Context, P], P, Coroutine[Any, Any, R], R]: ...
@overload
def job(fn: Callable[P, Coroutine[Any, Any, R]], /) -> Job[P, P, Coroutine[Any, Any, R], R]: ...
@overload
def job(fn: Callable[Concatenate[SyncContext, P], R], /) -> Job[Concatenate[SyncContext, P], P, R, R]: ...
@overload
def job(fn: Callable[P, R], /) -> Job[P, P, R, R]: ...
@overload
def job(
    *,
    name: str | None = None,
    title: str | None = None,
    timeout: float | timedelta = 3600.0,
    max_attempts: int = 3,
    retry_on: type[BaseException] | tuple[type[BaseException], ...] = (Exception,),
    backoff: float | Sequence[float] | None = None,
    max_running: int | None = None,
    rate: Rate | str | None = None,
    group: str = "main",
    tags: Sequence[str] = (),
    summary: str = "",
) -> "Define": ...
def job(fn: Any = None, /, **given: Any) -> Any:
    """Make a function a job that workers run.

    As ``@job``, or with options:

    ``name``: what it is called in the API; the function's name. ``title``: what people see; else the first line of its
    docstring. ``timeout``: how long one attempt may take, in seconds. ``max_attempts``: how often it is tried; 1 means
    that a failure is final. ``retry_on``: the errors that are tried again. ``backoff``: the pause before the second
    attempt in seconds, which doubles; or a list of pauses. ``max_running``: how many run at once over all workers.
    ``rate``: how many start in a time, such as ``"30/min"``. ``group``: where lists show it. ``tags``: only workers
    with all of them run it. ``summary``: a title for each job, with its parameters in braces: ``"{goal} · {url}"``.

    Raises:
        DefinitionError: it cannot be a job; the message has the file, the line and what to do.
    """
    return Define(**given) if fn is None else Define()(fn)


class Define:
    """``@job`` with its options."""

    def __init__(
        self,
        *,
        name: str | None = None,
        title: str | None = None,
        timeout: float | timedelta = 3600.0,
        max_attempts: int = 3,
        retry_on: type[BaseException] | tuple[type[BaseException], ...] = (Exception,),
        backoff: float | Sequence[float] | None = None,
        max_running: int | None = None,
        rate: Rate | str | None = None,
        group: str = "main",
        tags: Sequence[str] = (),
        summary: str = "",
    ) -> None:
        self._name, self._title = name, title
        self._rate = rate
        self._more: dict[str, Any] = {
            "timeout_s": timeout.total_seconds() if isinstance(timeout, timedelta) else float(timeout),
            "max_attempts": max_attempts,
            "retry": Retry(retry_on if isinstance(retry_on, tuple) else (retry_on,), backoff),
            "max_running": max_running,
            "group": group,
            "tags": (tags,) if isinstance(tags, str) else tuple(tags),
            "summary": summary,
        }

    @overload
    def __call__(
        self, fn: Callable[Concatenate[Context, P], Coroutine[Any, Any, R]], /
    ) -> Job[Concatenate[Context, P], P, Coroutine[Any, Any, R], R]: ...
    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, R]], /) -> Job[P, P, Coroutine[Any, Any, R], R]: ...
    @overload
    def __call__(
        self, fn: Callable[Concatenate[SyncContext, P], R], /
    ) -> Job[Concatenate[SyncContext, P], P, R, R]: ...
    @overload
    def __call__(self, fn: Callable[P, R], /) -> Job[P, P, R, R]: ...
    def __call__(self, fn: Any, /) -> Any:
        try:
            rate = _rate(self._rate)
        except ValueError as exc:
            raise refused(fn, f"rate={self._rate!r}: {exc}") from exc
        made: Job[..., ..., Any, Any] = Job(fn, self._name, self._title, Options(rate=rate, **self._more))
        other = _defined.get(made.name)
        if other is not None and place(other.fn) != place(fn):
            raise refused(fn, f"There is a job {made.name!r} already, in {_where(other)}; give one of them a name=.")
        _defined[made.name] = made
        return made


def _where(defined_job: Job[..., ..., Any, Any]) -> str:
    file, line = place(defined_job.fn)
    return f"{file}:{line}"


def _are_pauses(backoff: Any) -> bool:
    pauses = [0.0] if backoff is None else [backoff] if isinstance(backoff, int | float) else backoff
    return (
        isinstance(pauses, list | tuple)
        and len(pauses) > 0
        and all(isinstance(pause, int | float) and 0 <= pause < math.inf for pause in pauses)
    )


def _rate(rate: Rate | str | None) -> Rate | None:
    if not isinstance(rate, str):
        return rate
    count, _, unit = rate.partition("/")
    if not (count.strip().isdecimal() and unit.strip() in SECONDS):
        raise ValueError(f"write it as 30/min; the units are {', '.join(SECONDS)}")
    return Rate(int(count), SECONDS[unit.strip()])
