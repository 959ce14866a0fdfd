"""The child's end of the socket: threads that read and write, and calls that wait for their answers.

The job's own thread can be interrupted between any two steps of Python code. So it only ever puts things in queues
that are made in C, and whole frames are written by a thread that no signal interrupts.
"""

import builtins
import itertools
import os
import socket
import threading
from queue import SimpleQueue
from typing import Any

from runlane.define.context import Finished, ProcessFailed
from runlane.engine.plain.errors import Interrupted
from runlane.engine.plain.protocol import MAX_LINES_AHEAD, Message, pack, receive

WORKER_ENDED = 70


class Channel:
    """``inbox`` has what the worker wants done: ``setup``, ``run`` and ``stop``.

    ``interrupted``: the main thread was interrupted by the answer to a call; the signal may come later.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.inbox: SimpleQueue[Message] = SimpleQueue()
        self._connection = connection
        self._outgoing: SimpleQueue[bytes | SimpleQueue[None]] = SimpleQueue()
        self._answers: dict[int, SimpleQueue[Message]] = {}
        self._numbers = itertools.count(1)
        self._room: SimpleQueue[None] = SimpleQueue()
        self._make_room(MAX_LINES_AHEAD)
        self._forked = False
        self.interrupted = False
        os.register_at_fork(after_in_child=self._note_fork)
        for name, run in (("reads", self._receive_all), ("writes", self._send_all)):
            threading.Thread(target=run, name=f"runlane-{name}", daemon=True).start()

    def send(self, message: Message, content: bytes = b"") -> None:
        """Raises ``TypeError`` or ``ValueError`` for what JSON does not hold."""
        self._outgoing.put(pack(message, content))

    def line(self, text: str, level: str, logger: str, run: int) -> None:
        """Send a line of output; waits while too many are under way."""
        self._room.get()
        self.send({"line": text, "level": level, "logger": logger, "run": run})

    def call(self, method: str, run: int, content: bytes = b"", **arguments: Any) -> Any:
        """What this method of the worker's context returns, or raises."""
        if self._forked:
            raise RuntimeError("Only the job's own process can use its Context, not one that it has forked.")
        number = next(self._numbers)
        answer = self._answers[number] = SimpleQueue()
        try:
            main = threading.current_thread() is threading.main_thread()
            self.send({"call": number, "run": run, "method": method, "arguments": arguments, "main": main}, content)
            return self._value(answer.get())
        finally:
            self._answers.pop(number, None)

    def flush(self) -> None:
        """Return when all that was sent has been written."""
        written: SimpleQueue[None] = SimpleQueue()
        self._outgoing.put(written)
        written.get()

    def _send_all(self) -> None:
        while True:
            frame = self._outgoing.get()
            if isinstance(frame, bytes):
                try:
                    self._connection.sendall(frame)
                except OSError:
                    os._exit(WORKER_ENDED)
            else:
                frame.put(None)

    def _receive_all(self) -> None:
        while True:
            try:
                message, _ = receive(self._connection)
            except (EOFError, OSError):
                os._exit(WORKER_ENDED)  # nobody wants what the job would do
            if "answer" in message:
                if answer := self._answers.get(message["answer"]):
                    answer.put(message)
            elif "room" in message:
                self._make_room(message["room"])
            else:
                self.inbox.put(message)

    def _make_room(self, lines: int) -> None:
        for _ in range(lines):
            self._room.put(None)

    def _note_fork(self) -> None:
        self._forked = True

    def _value(self, answer: Message) -> Any:
        error = answer.get("error")
        if error is None:
            return answer.get("value")
        if error["type"] == Interrupted.__name__:
            self.interrupted |= threading.current_thread() is threading.main_thread()
            raise Interrupted
        raise _raised(error)


def _raised(error: Message) -> Exception:
    if error["type"] == ProcessFailed.__name__:
        return ProcessFailed(tuple(error["argv"]), Finished(**error["finished"]))
    made = getattr(builtins, error["type"], None)
    if isinstance(made, type) and issubclass(made, OSError):
        return made(error["errno"], error["message"])
    if isinstance(made, type) and issubclass(made, Exception):
        return made(error["message"])
    return RuntimeError(f"{error['type']}: {error['message']}")
