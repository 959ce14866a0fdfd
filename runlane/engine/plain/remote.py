"""The context of a job in a child: each report is a call of the worker's context, and waits for it."""

import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

from runlane.define.context import Context, Finished, LogLevel, Saved
from runlane.define.reports import check_artifact
from runlane.engine.plain.channel import Channel
from runlane.engine.plain.errors import Interrupted

P = ParamSpec("P")
R = TypeVar("R")


class RemoteContext(Context):
    """Its methods are coroutines that never wait for an event loop; ``wait`` runs them."""

    def __init__(self, channel: Channel, run: int, job_id: UUID, attempt: int, saved: Saved) -> None:
        super().__init__(job_id, attempt, saved)
        self._channel = channel
        self._run = run

    async def progress(self, done: float, total: float, message: str | None = None) -> None:
        self._call("progress", done=_number(done), total=_number(total), message=message)

    async def step(self, message: str, done: float | None = None, total: float | None = None) -> None:
        self._call("step", message=message, done=_number(done), total=_number(total))

    async def log(self, line: str, level: LogLevel = "info") -> None:
        self._call("log", line=line, level=level)

    async def artifact(self, name: str, content: bytes, media_type: str = "application/octet-stream") -> None:
        check_artifact(name, content, media_type)
        self._call("artifact", bytes(content), name=name, media_type=media_type)

    async def picture(self, content: bytes, name: str = "picture") -> None:
        check_artifact(name, content, "image/png")
        self._call("picture", bytes(content), name=name)

    async def _keep(self, saved: Saved, *, wait: bool = False) -> None:
        self._call("keep", saved=saved.as_json(), wait=wait)

    async def process(
        self, *argv: str, cwd: str | None = None, env: Mapping[str, str] | None = None, check: bool = True
    ) -> Finished:
        words = [str(word) for word in argv]
        return Finished(**self._call("process", argv=words, cwd=cwd, env=dict(env or {}), check=check))

    async def thread(self, fn: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        # The function waits for it anyway, and can be interrupted only in its own thread.
        return fn(*args, **kwargs)

    def _call(self, method: str, content: bytes = b"", **arguments: Any) -> Any:
        try:
            return self._channel.call(method, self._run, content, **arguments)
        except Interrupted:
            self.cancelled = True
            raise


def wait(awaitable: Awaitable[Any]) -> Any:
    """What it returns, or raises; for awaitables that wait for nothing but this thread.

    Raises:
        RuntimeError: it waits for an event loop.
    """
    steps = awaitable.__await__()
    try:
        next(steps)
    except StopIteration as end:
        return end.value
    if inspect.isgenerator(steps) or inspect.iscoroutine(awaitable):
        awaitable.close()  # type: ignore[attr-defined]
    raise RuntimeError("A plain def cannot wait for async code. Make the job an async def, or use asyncio.run.")


def _number(value: Any) -> Any:
    """A number of another library as one that JSON holds."""
    return value if value is None or isinstance(value, int | float) else float(value)
