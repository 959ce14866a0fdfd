"""The program that runs plain functions, one after another, for as long as its worker wants it to.

It imports the user's modules first, so that a job starts at once. Standard input is the socket to the worker; output of
the process itself (of C code, of programs that the job starts) goes to pipes that the worker reads.
"""

import faulthandler
import importlib
import logging
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType
from typing import Any
from uuid import UUID

import psutil
from pydantic_core import to_jsonable_python

from runlane.define.context import Saved, SyncContext
from runlane.define.job import Job, defined
from runlane.define.resource import SharedResource
from runlane.engine.plain import output
from runlane.engine.plain.channel import Channel
from runlane.engine.plain.errors import Interrupted, describe
from runlane.engine.plain.protocol import Message, pack
from runlane.engine.plain.remote import RemoteContext, wait

NO_RUN = 0

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
        self._run = NO_RUN
        self._context: RemoteContext | None = None
        self._interruptible = False
        self._off: dict[str, str] = {}
        self._interrupted = False
        os.register_at_fork(after_in_child=_forget_signals)

    def serve(self) -> None:
        setup = self._channel.inbox.get()
        output.capture(self._emit, setup["log_level"])
        _restore("PYTHONPATH", setup["pythonpath"])
        self._off = _import_all(setup["modules"])
        self._channel.send({"ready": True})
        while "run" in (task := self._next()):
            self._channel.send(self._outcome(task))
        self._resources.close()
        output.end_lines()
        self._channel.flush()

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
        if self._interruptible:
            self._interruptible = False
            raise Interrupted

    def _outcome(self, task: Message) -> Message:
        """Run a job; what the worker is to know of its end."""
        self._run = task["run"]
        job = defined().get(task["job"])
        if job is None:
            return {"failed": self._unknown(task["job"]), "reusable": True}
        before = _left_running()
        try:
            self._interruptible = True
            try:
                if self._interrupted:  # before it began
                    raise Interrupted
                result = self._perform(job, task)
            finally:
                self._interruptible = False
            outcome: Message = {"done": result}
            pack(outcome)
        except BaseException as error:  # whatever a job raises is its outcome
            outcome = {"failed": describe(error, may_retry=job.options.retry.allows(error))}
        if os.getpid() != self._pid:
            os._exit(0)  # a fork of the job's that came back here; the job is the first one's
        output.end_lines()
        self._context, self._run = None, NO_RUN
        return {**outcome, "reusable": _left_running() <= before}

    def _perform(self, job: Job[..., ..., Any, Any], task: Message) -> Any:
        arguments = job.signature.arguments(job.validate(task["params"]))
        arguments |= self._resources.of(job.signature.resources)
        if job.signature.context is not None:
            saved = Saved.of(task["saved"])
            self._context = RemoteContext(self._channel, self._run, UUID(task["id"]), task["attempt"], saved)
            arguments[job.signature.context] = SyncContext(self._context, wait)
        result = job.fn(**arguments)
        try:
            return to_jsonable_python(result)
        except Exception as exc:  # whatever a value's own serializer may raise
            raise TypeError(f"The function returned what JSON cannot hold: {exc}") from None

    def _unknown(self, name: str) -> Message:
        why = "; ".join(self._off.values()) or "none of its modules defines it at their top level"
        message = f"There is no job {name!r} in the processes for plain functions: {why}."
        return {"type": "NotDefined", "message": message, "traceback": None, "may_retry": False}

    def _emit(self, text: str, level: str, logger: str) -> None:
        self._channel.line(text, level, logger, self._run)


def _import_all(modules: Sequence[str]) -> dict[str, str]:
    """Import these; the reason for each that cannot be."""
    off = {}
    for name in modules:
        try:
            importlib.import_module(name)
        except (Exception, SystemExit) as exc:  # whatever an import may raise
            off[name] = f"{name} cannot be imported: {''.join(traceback.format_exception_only(exc)).strip()}"
            log.error("The module %s cannot be imported.", name, exc_info=exc)
    return off


def _left_running() -> set[tuple[str, int]]:
    """The threads and processes that a job leaves behind, if there are any after it that were not before it."""
    main, daemons = threading.main_thread(), {thread for thread in threading.enumerate() if thread.daemon}
    threads = {("thread", id(thread)) for thread in threading.enumerate() if thread not in (main, *daemons)}
    return threads | {("process", pid) for pid in _children()}


def _children() -> set[int]:
    if hasattr(os, "waitid"):  # spares looking through all processes, which takes milliseconds
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return set()
    alive = [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]
    return {child.pid for child in alive}


def _forget_signals() -> None:
    """What a job forks is interrupted as any program is."""
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
    code = 0
    try:
        Child(connection).serve()
    except BaseException:
        traceback.print_exc(file=sys.__stderr__)
        code = 1
    os._exit(code)  # threads that jobs have left would keep it


if __name__ == "__main__":
    main()
