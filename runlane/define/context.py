"""What a job is given to report what it does, to keep what it has done, and to run what it needs.

``Context`` is for ``async def``, ``SyncContext`` for plain ``def``; both have the same methods. A parameter of either
type gets it, wherever it stands in the signature. What a worker, a test or a job's own process does with a report is
in ``runlane.engine``, ``runlane.testing`` and ``runlane.engine.plain``.
"""

import abc
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, ParamSpec, TypeVar, get_type_hints, overload
from uuid import UUID

from pydantic import TypeAdapter
from pydantic_core import to_jsonable_python

from runlane import plain_json

LogLevel = Literal["debug", "info", "warning", "error"]
LEVELS: tuple[LogLevel, ...] = ("debug", "info", "warning", "error")

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

# The first bytes of a picture, and what it then is.
_PICTURES = (
    (b"\x89PNG\r\n\x1a\n", "png", "image/png"),
    (b"\xff\xd8\xff", "jpg", "image/jpeg"),
    (b"GIF8", "gif", "image/gif"),
    (b"RIFF", "webp", "image/webp"),
    (b"<svg", "svg", "image/svg+xml"),
)


@dataclass(frozen=True)
class Finished:
    """How a program ended: its exit code, and the last of the lines that it wrote."""

    code: int
    output: str


class ProcessFailed(Exception):
    """A program ended with another code than 0; ``finished`` says how."""

    def __init__(self, argv: tuple[str, ...], finished: Finished) -> None:
        tail = f": {finished.output.strip().splitlines()[-1]}" if finished.output.strip() else "."
        super().__init__(f"{argv[0]} ended with code {finished.code}{tail}")
        self.finished = finished


@dataclass
class Saved:
    """What a job keeps over its attempts: its own values, the steps it has finished, and what ``once`` returned."""

    values: dict[str, Any] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)
    once: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> "Saved":
        stored = stored or {}
        return cls(dict(stored.get("values", {})), list(stored.get("steps", ())), dict(stored.get("once", {})))

    def as_json(self) -> dict[str, Any]:
        """Only the parts that hold something."""
        parts = {"values": self.values, "steps": self.steps, "once": self.once}
        return {name: part for name, part in parts.items() if part}


class Context(abc.ABC):
    """One attempt of one job."""

    def __init__(self, job_id: UUID, attempt: int, saved: Saved | None = None) -> None:
        self.id = job_id
        """The job's id: the same for each attempt."""
        self.attempt = attempt
        """1 for the first try, one more for each later one."""
        self.cancelled = False
        """Whether somebody asked this job to stop. Code that never awaits should check it now and then."""
        if saved is not None:
            self.resume(saved)

    def resume(self, saved: Saved) -> None:
        """Go on from what earlier attempts kept. For whoever calls the job, before it does."""
        self._saved = saved

    @cached_property
    def _saved(self) -> Saved:
        return Saved()

    @cached_property
    def _done(self) -> frozenset[str]:
        return frozenset(self._saved.steps)

    @cached_property
    def _used(self) -> set[tuple[str, str]]:
        return set()

    def _use(self, what: str, name: str) -> None:
        """Note that this attempt has used the name. Raises ``ValueError`` if it has before."""
        if (what, name) in self._used:
            raise ValueError(f"two {what} of this job are called {name!r}; each needs a name of its own")
        self._used.add((what, name))

    @abc.abstractmethod
    async def progress(self, done: float, total: float, message: str | None = None) -> None:
        """Report how far the job is: ``done`` of ``total`` in units of your own; 0 <= done <= total, total > 0.

        ``message`` becomes the job's current step; ``None`` leaves it. Called more than ten times a second, only the
        newest is kept.

        Raises:
            ValueError: the numbers make no part of a whole.
        """

    @abc.abstractmethod
    async def step(self, message: str, done: float | None = None, total: float | None = None) -> None:
        """Begin a step, in words people understand; every step is a row of the timeline.

        ``done`` and ``total`` as in ``progress``; more than all counts as all, and of nothing no part is shown.

        Raises:
            ValueError: the numbers make no part of a whole.
        """

    @abc.abstractmethod
    async def log(self, line: str, level: LogLevel = "info") -> None:
        """Add a line to the job's log. ``logging`` and ``print`` do the same.

        Raises:
            ValueError: no such level.
        """

    async def log_line(self, line: str, level: LogLevel, logger: str) -> None:
        """Add a line that ``logger`` wrote: a logger's, a stream's or a program's. For whoever calls the job."""
        await self.log(line, level)

    @abc.abstractmethod
    async def artifact(self, name: str, content: bytes, media_type: str = "application/octet-stream") -> None:
        """Attach a file; it is kept and deleted with the job.

        Raises:
            TypeError: ``content`` is not bytes; encode texts.
            ValueError: too large, or ``media_type`` is none.
        """

    async def picture(self, content: bytes, name: str = "picture") -> None:
        """Attach a picture (PNG, JPEG, GIF, WebP or SVG); the job's page shows it at the step it was made in.

        Raises:
            ValueError: none of these, or too large.
        """
        await self.artifact(*_picture(content, name))

    # What is kept over attempts

    @abc.abstractmethod
    async def _keep(self, saved: Saved, *, wait: bool = False) -> None:
        """Have it stored with whatever is stored next; ``wait`` returns when it is."""

    def saved(self, name: str, default: Any = None) -> Any:
        """What ``save`` kept under this name, in this attempt or an earlier one."""
        return self._saved.values.get(name, default)

    async def save(self, **values: Any) -> None:
        """Keep values over attempts, by name: what JSON holds, and pydantic models as JSON. ``None`` is a value too.

        Raises:
            TypeError: nothing that JSON holds.
            ValueError: more than may be kept; what was kept before is still there.
        """
        before = dict(self._saved.values)
        self._saved.values.update({name: _json(value, name) for name, value in values.items()})
        try:
            await self._keep(self._saved)
        except ValueError:
            self._saved.values = before
            raise

    async def steps(self, items: Iterable[T], message: str = "{}") -> AsyncIterator[T]:
        """The items, each as a step that is called ``message`` with the item in the place of ``{}``.

        A step is finished when the loop asks for the next one; the next attempt skips it. Each needs a name of its own.

        Raises:
            ValueError: two steps have the same name.
        """
        for number, total, name, item in self._numbered(items, message):
            await self.step(name, number if total else None, total)
            yield item
            self._saved.steps.append(name)
            await self._keep(self._saved)

    @overload
    async def once(self, name: str, fn: Callable[P, Awaitable[R]], *args: P.args, **kwargs: P.kwargs) -> R: ...
    @overload
    async def once(self, name: str, fn: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R: ...
    async def once(self, name: str, fn: Callable[P, Any], *args: P.args, **kwargs: P.kwargs) -> Any:
        """What ``fn`` returns, which is called once in all attempts: later ones get what it returned, as JSON holds it.

        Where ``fn`` says what it returns, that comes back as that type.

        Raises:
            ValueError: this name was used before in this attempt, for a call that returned.
            TypeError: it returned nothing that JSON holds.
        """
        self._use("calls of once", name)
        if name in self._saved.once:
            return _returned(fn, self._saved.once[name])
        try:
            found = fn(*args, **kwargs)
            result = await found if inspect.isawaitable(found) else found
        except BaseException:
            self._used.discard(("calls of once", name))  # the job may catch this, and call it again
            raise
        self._saved.once[name] = _json(result, name)
        await self._keep(self._saved, wait=True)  # what may happen only once is not left to the next write
        return result

    def _numbered(self, items: Iterable[T], message: str) -> Iterator[tuple[int, int | None, str, T]]:
        """The items that are not done yet: number, how many in all if known, name, item."""
        total = len(items) if isinstance(items, Sized) else None
        for number, item in enumerate(items):
            name = message.format(item)
            self._use("steps", name)
            if name not in self._done:
                yield number, total, name, item

    # What runs beside it

    @abc.abstractmethod
    async def process(
        self, *argv: str, cwd: str | None = None, env: Mapping[str, str] | None = None, check: bool = True
    ) -> Finished:
        """Run a program; its output becomes log lines. It ends with the job, and so does all that it started.

        ``env`` is added to the worker's own. With ``check``, another exit code than 0 raises ``ProcessFailed``.
        """

    @abc.abstractmethod
    async def thread(self, fn: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What ``fn`` returns, run in a thread. The job keeps its slot until the thread has ended, cancelled or not."""


class SyncContext:
    """The same for a plain ``def``, which runs in a process of its own: every method waits until it is done."""

    def __init__(self, context: Context, wait: Callable[[Awaitable[Any]], Any]) -> None:
        self._context = context
        self._wait = wait

    @property
    def id(self) -> UUID:
        return self._context.id

    @property
    def attempt(self) -> int:
        return self._context.attempt

    @property
    def cancelled(self) -> bool:
        return self._context.cancelled

    def progress(self, done: float, total: float, message: str | None = None) -> None:
        self._wait(self._context.progress(done, total, message))

    def step(self, message: str, done: float | None = None, total: float | None = None) -> None:
        self._wait(self._context.step(message, done, total))

    def log(self, line: str, level: LogLevel = "info") -> None:
        self._wait(self._context.log(line, level))

    def artifact(self, name: str, content: bytes, media_type: str = "application/octet-stream") -> None:
        self._wait(self._context.artifact(name, content, media_type))

    def picture(self, content: bytes, name: str = "picture") -> None:
        self._wait(self._context.picture(content, name))

    def saved(self, name: str, default: Any = None) -> Any:
        return self._context.saved(name, default)

    def save(self, **values: Any) -> None:
        self._wait(self._context.save(**values))

    def steps(self, items: Iterable[T], message: str = "{}") -> Iterator[T]:
        steps = self._context.steps(items, message)
        while True:
            try:
                yield self._wait(anext(steps))
            except StopAsyncIteration:
                return

    def once(self, name: str, fn: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return self._wait(self._context.once(name, fn, *args, **kwargs))  # type: ignore[no-any-return]

    def process(
        self, *argv: str, cwd: str | None = None, env: Mapping[str, str] | None = None, check: bool = True
    ) -> Finished:
        return self._wait(self._context.process(*argv, cwd=cwd, env=env, check=check))  # type: ignore[no-any-return]

    def thread(self, fn: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        return self._wait(self._context.thread(fn, *args, **kwargs))  # type: ignore[no-any-return]


def _json(value: Any, name: str) -> Any:
    """``value`` as JSON holds it; raises ``TypeError`` if it cannot."""
    try:
        plain = to_jsonable_python(value)
        plain_json.check(plain, name)
    except Exception as exc:  # whatever a value's own serializer may raise
        raise TypeError(f"{name!r} cannot be kept: {exc}") from exc
    return plain


def _returned(fn: Callable[..., Any], stored: Any) -> Any:
    """What was stored, as the type that ``fn`` says it returns."""
    try:
        adapter = TypeAdapter(get_type_hints(fn).get("return", Any))
    except Exception:  # an annotation is code, or nothing that JSON becomes; without it JSON is what there is
        return stored
    return adapter.validate_python(stored)


def _picture(content: bytes, name: str) -> tuple[str, bytes, str]:
    head = content.lstrip()[:400] if content[:1] in (b"<", b" ", b"\n") else content
    for begin, suffix, media_type in _PICTURES:
        if content.startswith(begin) or (suffix == "svg" and b"<svg" in head):
            return (name if "." in name else f"{name}.{suffix}"), content, media_type
    raise ValueError(f"the picture {name!r} is no PNG, JPEG, GIF, WebP or SVG")
