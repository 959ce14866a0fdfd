"""Log lines: one line a message with time, level, process name and, where there is one, the job's id.

Each process calls ``configure`` once at its start. Code that works for a job does so inside ``about_job``.
"""

import contextlib
import logging
import sys
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from uuid import UUID

_job_id: ContextVar[str] = ContextVar("job_id", default="-")
_QUIETER = {"arq": logging.ERROR, "alembic": logging.WARNING, "_granian": logging.WARNING}


class _OneLine(logging.Formatter):
    """A record's ``process_name``, if it has one, tells whose line is passed on."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        if record.exc_info:
            text = f"{text}\n{self.formatException(record.exc_info)}"
        process = getattr(record, "process_name", self._process)
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        text = text.strip().replace("\n", " | ")
        return f"{at.replace('+00:00', 'Z')} {record.levelname:<7} {process:<8} job={_job_id.get()} {text}"


def line_formatter(process: str) -> logging.Formatter:
    """What turns a record into one line."""
    return _OneLine(process)


def configure(process: str, level: str = "INFO") -> None:
    """Send every log message of this process to standard error, as lines that begin alike."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(line_formatter(process))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name, least in _QUIETER.items():
        logging.getLogger(name).setLevel(least)


@contextlib.contextmanager
def about_job(job_id: UUID) -> Iterator[None]:
    """Log lines written inside carry this job's id."""
    token = _job_id.set(str(job_id))
    try:
        yield
    finally:
        _job_id.reset(token)
