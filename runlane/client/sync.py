"""``SyncClient``: the same client for programs without asyncio.

It is ``Client`` on an event loop in a thread of its own, so that the two cannot differ, and that it works anywhere: in
many threads at once, inside of a running loop, and in a process that was forked.
"""

import asyncio
import atexit
import builtins
import copy
import functools
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload
from uuid import UUID

from pydantic import BaseModel

from runlane.client.api import Id
from runlane.client.client import Client
from runlane.client.run import Run
from runlane.define.job import Job
from runlane.model.snapshot import Artifact, JobEvent, JobSnapshot

P = ParamSpec("P")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")


class _Loop:
    """An event loop in a thread of its own, which begins when it is first used."""

    def __init__(self) -> None:
        self._pid = 0
        self._starting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop
        self._stop: asyncio.Event
        self._thread: threading.Thread

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What ``work`` returns; whoever interrupts the waiting cancels it."""
        self._start()
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def each(self, items: AsyncIterator[T]) -> Iterator[T]:
        """The items, one for each time one is asked for."""
        end = object()

        async def following() -> Any:
            return await anext(items, end)

        async def close() -> None:
            await items.aclose()  # type: ignore[attr-defined]  # all of ours are generators

        try:
            while (item := self.run(following())) is not end:
                yield item
        finally:
            if self._pid == os.getpid():  # not waited for: Python may collect this in the loop's own thread
                asyncio.run_coroutine_threadsafe(close(), self._loop)

    def end(self) -> None:
        """End the thread, if there is one; at the latest, Python does this when it exits."""
        if self._pid == os.getpid():
            self._pid = 0
            atexit.unregister(self.end)
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join()

    def _start(self) -> None:
        with self._starting:
            if self._pid != os.getpid():
                begun = threading.Event()
                self._thread = threading.Thread(target=self._serve, args=(begun,), name="runlane-client", daemon=True)
                self._thread.start()
                begun.wait()
                self._pid = os.getpid()
                atexit.register(self.end)

    def _serve(self, begun: threading.Event) -> None:
        async def serve() -> None:
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            begun.set()
            await self._stop.wait()

        asyncio.run(serve())


class _Waiting(Generic[P, T]):
    """A method of ``Client`` as one that waits for what it returns."""

    def __init__(self, method: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]) -> None:
        self._method = method
        functools.update_wrapper(self, method)  # type: ignore[arg-type]

    def __get__(self, client: "SyncClient", owner: type["SyncClient"]) -> Callable[P, T]:
        def call(*args: P.args, **kwargs: P.kwargs) -> T:
            return client._loop.run(self._method(client._client, *args, **kwargs))

        return functools.update_wrapper(call, self._method) if client else self  # type: ignore[return-value]


class _Iterating(Generic[P, T]):
    """A method of ``Client`` that gives one thing after another."""

    def __init__(self, method: Callable[Concatenate[Any, P], AsyncIterator[T]]) -> None:
        self._method = method
        functools.update_wrapper(self, method)  # type: ignore[arg-type]

    def __get__(self, client: "SyncClient", owner: type["SyncClient"]) -> Callable[P, Iterator[T]]:
        def call(*args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
            return client._loop.each(self._method(client._client, *args, **kwargs))

        return functools.update_wrapper(call, self._method) if client else self  # type: ignore[return-value]


class SyncClient:
    """``Client`` without ``async``: the same arguments, methods and errors. Threads may share one."""

    def __init__(
        self, url: str | None = None, token: str | None = None, *, timeout: float = 30.0, patience: float = 300.0
    ) -> None:
        self._client = Client(url, token, timeout=timeout, patience=patience)
        self._loop = _Loop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the client opens new ones if it is used again."""
        self._loop.run(self._client.aclose())
        self._loop.end()

    def with_options(
        self,
        *,
        priority: int | None = None,
        delay_s: float | None = None,
        scheduled_for: datetime | None = None,
        max_attempts: int | None = None,
        idempotency_key: str | None = None,
    ) -> Self:
        """As ``Client.with_options``."""
        other = copy.copy(self)
        other._client = self._client.with_options(
            priority=priority,
            delay_s=delay_s,
            scheduled_for=scheduled_for,
            max_attempts=max_attempts,
            idempotency_key=idempotency_key,
        )
        return other

    @overload
    def submit(self, job: Job[..., P, Any, R], /, *args: P.args, **kwargs: P.kwargs) -> "SyncRun[R]": ...
    @overload
    def submit(self, job: str, /, **params: Any) -> "SyncRun[Any]": ...
    def submit(self, job: Any, /, *args: Any, **kwargs: Any) -> "SyncRun[Any]":
        """As ``Client.submit``."""
        return SyncRun(self._loop, self._loop.run(self._client.submit(job, *args, **kwargs)))

    @overload
    def submit_many(
        self, job: Job[..., ..., Any, R], params: Sequence[Mapping[str, Any] | BaseModel], /
    ) -> "builtins.list[SyncRun[R]]": ...
    @overload
    def submit_many(
        self, job: str, params: Sequence[Mapping[str, Any] | BaseModel], /
    ) -> "builtins.list[SyncRun[Any]]": ...
    def submit_many(
        self, job: Any, params: Sequence[Mapping[str, Any] | BaseModel], /
    ) -> "builtins.list[SyncRun[Any]]":
        """As ``Client.submit_many``."""
        return [SyncRun(self._loop, run) for run in self._loop.run(self._client.submit_many(job, params))]

    @overload
    def run(self, job_id: Id, job: Job[..., ..., Any, R], /) -> "SyncRun[R]": ...
    @overload
    def run(self, job_id: Id, job: None = None, /) -> "SyncRun[Any]": ...
    def run(self, job_id: Id, job: Any = None, /) -> "SyncRun[Any]":
        """As ``Client.run``."""
        return SyncRun(self._loop, self._client.run(job_id, job))

    get = _Waiting(Client.get)
    list = _Iterating(Client.list)
    cancel = _Waiting(Client.cancel)
    retry = _Waiting(Client.retry)
    delete = _Waiting(Client.delete)
    artifacts = _Waiting(Client.artifacts)
    artifact = _Waiting(Client.artifact)
    events = _Iterating(Client.events)
    kinds = _Waiting(Client.kinds)
    workers = _Waiting(Client.workers)
    queue = _Waiting(Client.queue)
    pause = _Waiting(Client.pause)
    resume = _Waiting(Client.resume)


class SyncRun(Generic[R_co]):
    """``Run`` without ``async``."""

    def __init__(self, loop: _Loop, run: Run[R_co]) -> None:
        self._loop = loop
        self._run = run

    def __repr__(self) -> str:
        return repr(self._run)

    def __iter__(self) -> Iterator[JobEvent]:
        return self.events()

    @property
    def id(self) -> UUID:
        return self._run.id

    @property
    def snapshot(self) -> JobSnapshot | None:
        """As ``Run.snapshot``."""
        return self._run.snapshot

    def events(self, *, after: int = 0) -> Iterator[JobEvent]:
        """As ``Run.events``."""
        return self._loop.each(self._run.events(after=after))

    def result(self, timeout: float | None = None) -> R_co:
        """As ``Run.result``."""
        return self._loop.run(self._run.result(timeout))

    def get(self) -> JobSnapshot:
        """As ``Run.get``."""
        return self._loop.run(self._run.get())

    def cancel(self) -> JobSnapshot:
        """As ``Run.cancel``."""
        return self._loop.run(self._run.cancel())

    def retry(self, *, from_start: bool = False) -> JobSnapshot:
        """As ``Run.retry``."""
        return self._loop.run(self._run.retry(from_start=from_start))

    def delete(self) -> None:
        """As ``Run.delete``."""
        self._loop.run(self._run.delete())

    def artifacts(self) -> builtins.list[Artifact]:
        """As ``Run.artifacts``."""
        return self._loop.run(self._run.artifacts())

    def artifact(self, artifact: Artifact | Id) -> bytes:
        """As ``Run.artifact``."""
        return self._loop.run(self._run.artifact(artifact))
