"""Log lines: one line a message with time, level, process name and, where there is one, the job's id.

Each process calls ``configure`` once at its start, or ``refuse`` when it must not start. Code that works for a job does
so inside ``about_job``.
"""

import contextlib
import logging
import sys
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from pythonjsonlogger.json import JsonFormatter

from runlane.settings import log_format
from runlane.text import without_controls

NO_JOB = "-"
_job_id: ContextVar[str] = ContextVar("job_id", default=NO_JOB)
_QUIETER = {
    "arq": logging.ERROR,
    "alembic": logging.WARNING,
    "_granian": logging.WARNING,
    "reflex_base.event.processor.base_state_processor": logging.ERROR,  # its warnings contain what people typed
}


class _OneLine(logging.Formatter):
    """A record's ``process_name``, if it has one, is the process whose line is passed on."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        process = getattr(record, "process_name", self._process)
        text = without_controls(text.strip().replace("\n", " | "))
        return f"{_at(record)} {record.levelname:<7} {process:<8} job={_job_id.get()} {text}"


class _JsonLine(JsonFormatter):
    """The same as an object: ``at``, ``level``, ``process``, ``job_id``, ``logger``, ``message``, ``exc_info``."""

    def __init__(self, process: str) -> None:
        super().__init__("%(message)s", json_ensure_ascii=False)
        self._process = process

    def add_fields(self, log_data: dict[str, Any], record: logging.LogRecord, message_dict: dict[str, Any]) -> None:
        log_data |= {
            "at": _at(record),
            "level": record.levelname,
            "process": getattr(record, "process_name", self._process),
            "job_id": None if (job_id := _job_id.get()) == NO_JOB else job_id,
            "logger": record.name,
        }
        super().add_fields(log_data, record, message_dict)
        log_data.pop("process_name", None)


def _at(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    return at.replace("+00:00", "Z")


FORMATS: dict[str, Callable[[str], logging.Formatter]] = {"text": _OneLine, "json": _JsonLine}


def line_formatter(process: str, form: str = "text") -> logging.Formatter:
    """What turns a record into one line, of one of ``FORMATS``."""
    return FORMATS[form](process)


def configure(process: str, level: str = "INFO", form: str = "text") -> None:
    """Send every log message of this process to standard error, as lines of one form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(line_formatter(process, form))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name, threshold in _QUIETER.items():
        logging.getLogger(name).setLevel(threshold)


def refuse(process: str, sentence: str) -> None:
    """Print on standard error why this process ends: the sentence alone, or as JSON if its log is."""
    record = logging.LogRecord(process, logging.CRITICAL, __file__, 0, sentence, (), None)
    print(line_formatter(process, "json").format(record) if log_format() == "json" else sentence, file=sys.stderr)


@contextlib.contextmanager
def about_job(job_id: UUID) -> Iterator[None]:
    """Log lines written inside carry this job's id."""
    token = _job_id.set(str(job_id))
    try:
        yield
    finally:
        _job_id.reset(token)
