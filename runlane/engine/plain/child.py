"""The program that runs plain functions, one after another, for as long as its worker wants it to.

It imports the user's modules first, so that a job starts at once. Standard input is the socket to the worker; output of
the process itself (of C code, of programs that the job starts) goes to pipes that the worker reads.
"""

import faulthandler
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping
from io import TextIOWrapper
from types import FrameType
from typing import Any
from uuid import UUID

import psutil
from pydantic_core import to_jsonable_python

from runlane.define.context import LogLevel, Saved, SyncContext
from runlane.define.resource import SharedResource
from runlane.engine import output
from runlane.engine.execution import InvalidParams
from runlane.engine.loading import AnyJob, Loaded, load
from runlane.engine.plain.channel import Channel
from runlane.engine.plain.errors import Interrupted, describe
from runlane.engine.plain.protocol import Message, TooLarge
from runlane.engine.plain.remote import RemoteContext, wait
from runlane.errors import InvalidInput, StartRefused

log = logging.getLogger(__name__)


class Resources:
    """The resources of this process: each is made before the first job that needs it, and closed at the end."""

    def __init__(self) -> None:
        self._made: dict[SharedResource[Any], tuple[Iterator[Any], Any]] = {}

    def of(self, needed: Mapping[str, SharedResource[Any]]) -> dict[str, Any]:
        """What these yield, by parameter. Raises what the making of one raises; the next job tries it again."""
        return {parameter: self._get(resource) for parameter, resource in needed.items()}

    def _get(self, resource: SharedResource[Any]) -> Any:
        if resource not in self._made:
            making = resource.make()
            try:
                self._made[resource] = making, next(making)
            except StopIteration:
                raise RuntimeError(f"The resource {resource.name!r} yields nothing; it has to yield once.") from None
        return self._made[resource][1]

    def close(self) -> None:
        """Run each to its end, the last one first."""
        while self._made:
            resource, (making, _) = self._made.popitem()
            try:
                next(making, None)
            except Exception:  # the others are closed all the same
                log.exception("The resource %s could not be closed.", resource.name)


class Child:
    """Runs what the worker sends, in this thread."""

    def __init__(self, connection: socket.socket) -> None:
        self._channel = Channel(connection)
        self._resources = Resources()
        self._pid = os.getpid()
        self._loaded = Loaded()
        self._why_empty = ""
        self._context: RemoteContext | None = None
        self._interruptible = False
        self._interrupted = False
        self._before: set[tuple[str, int]] = set()
        os.register_at_fork(after_in_child=_begin_fork)

    def serve(self) -> None:
        self._set_up(self._channel.inbox.get())
        while "run" in (task := self._next()):
            self._run(task)
        self._resources.close()
        self._channel.flush()

    def _set_up(self, setup: Message) -> None:
        _restore("PYTHONPATH", setup["pythonpath"])
        output.install()
        try:
            self._loaded = load(setup["modules"])
        except StartRefused as exc:
            self._why_empty = exc.message
        self._channel.send({"ready": True})

    def _next(self) -> Message:
        # Each time, as a job may have set others. The worker interrupts with SIGINT alone: systemd sends SIGTERM to all
        # processes of a worker that it stops, and the worker hands its jobs back then.
        signal.signal(signal.SIGINT, self._on_interrupt)
        signal.signal(signal.SIGTERM, lambda _signum, _frame: None)
        return self._channel.inbox.get()

    def _on_interrupt(self, _signum: int, _frame: FrameType | None) -> None:
        self._interrupted = True
        if self._context is not None:
            self._context.cancelled = True
        if self._interruptible and not self._channel.interrupted:
            self._interruptible = False
            raise Interrupted

    def _run(self, task: Message) -> None:
        """Run a job, and send how it ended."""
        self._before = _running_beside()
        with output.of_job(_Lines(self._channel, task["run"])):
            outcome = self._outcome(task)
        if os.getpid() != self._pid:
            os._exit(0)  # a fork of the job's that came back here; the job is the first one's
        self._context = None
        outcome["reusable"] = _running_beside() <= self._before
        try:
            self._channel.send(outcome)
        except (TypeError, ValueError, RecursionError) as exc:  # such as a number of more digits than Python converts
            why = exc if isinstance(exc, TooLarge) else TypeError(f"The job returned what JSON cannot hold: {exc}")
            self._channel.send({**outcome, "done": None, "failed": describe(why, may_retry=False)})

    def _outcome(self, task: Message) -> Message:
        job = self._loaded.jobs.get(task["job"])
        if job is None:
            return {"failed": self._unknown(task["job"])}
        try:
            self._interruptible = True
            try:
                if self._interrupted:  # before it began
                    raise Interrupted
                return {"done": self._called(job, task)}
            finally:
                self._interruptible = False
        except BaseException as error:  # whatever a job raises is its outcome
            return {"failed": describe(error, may_retry=job.options.retry.allows(error))}

    def _called(self, job: AnyJob, task: Message) -> Any:
        try:
            model = job.validate(task["params"])
        except InvalidInput as exc:
            raise InvalidParams(str(exc)) from None
        arguments = job.signature.arguments(model) | self._resources.of(job.signature.resources)
        self._before = _running_beside()  # a resource may have threads and processes
        if job.signature.context is not None:
            saved = Saved.of(task["saved"])
            self._context = RemoteContext(self._channel, task["run"], UUID(task["id"]), task["attempt"], saved)
            arguments[job.signature.context] = SyncContext(self._context, wait)
        returned = job.fn(**arguments)
        try:
            return to_jsonable_python(returned)
        except Exception as exc:  # whatever the serializer of a type may raise
            raise TypeError(f"The job returned what JSON cannot hold: {exc}") from None

    def _unknown(self, name: str) -> Message:
        why = self._why_empty or " ".join(self._loaded.off.values()) or "Its file has changed since the worker started."
        message = f"The processes for plain functions have no job {name!r}. {why}"
        return {"type": "NotDefined", "message": message, "traceback": None, "may_retry": False}


class _Lines:
    """Sends the lines of one job to the worker."""

    def __init__(self, channel: Channel, run: int) -> None:
        self._channel = channel
        self._run = run

    def emit(self, text: str, level: LogLevel, logger: str) -> None:
        self._channel.line(text, level, logger, self._run)


def _running_beside() -> set[tuple[str, int]]:
    """The threads, without daemons, and the processes that are there now: what a job has left, if they are new."""
    threads = {("thread", id(thread)) for thread in threading.enumerate() if not thread.daemon}
    return threads | {("process", pid) for pid in _children()}


def _children() -> set[int]:
    if hasattr(os, "waitid"):  # spares looking through all processes, which takes milliseconds
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return set()
    alive = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    return {child.pid for child in alive}


def _begin_fork() -> None:
    """What a job forks is interrupted as any program is, and logs to standard error, which the worker reads."""
    logging.getLogger().addHandler(logging.StreamHandler())
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _restore(name: str, value: str | None) -> None:
    """Give a variable back the value that it has in the worker, for what jobs start."""
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def main() -> None:
    connection = socket.socket(fileno=os.dup(0))
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    faulthandler.enable(2, all_threads=False)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="replace", line_buffering=True)
    Child(connection).serve()


if __name__ == "__main__":
    main()
