"""The handlers: one file a kind, each with ``async def run(params, job)``.

``params`` is the kind's parameter model, ``job`` a ``worker.progress.Progress``; what ``run`` returns, any JSON, is
the job's result. A handler knows no Redis and no SQL. It is told of a cancel as ``asyncio.CancelledError``: clean up
and let it pass. A job may run more than once (its worker may be lost), so a handler must bear that.
"""

import importlib
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from jobs.errors import StartRefused
from jobs.kinds import Kind
from worker.progress import Progress

log = logging.getLogger(__name__)

Handler = Callable[[Any, Progress], Awaitable[Any]]


@dataclass
class Loaded:
    """The handlers by kind, and for each kind that is off here, why."""

    handlers: dict[str, Handler] = field(default_factory=dict)
    off: dict[str, str] = field(default_factory=dict)


def load(kinds: Iterable[Kind]) -> Loaded:
    """The handler of each kind; one that cannot be loaded is off, and keeps no other from running.

    Raises:
        StartRefused: none of them can be loaded.
    """
    loaded = Loaded()
    for kind in kinds:
        module_name, file = f"{__name__}.{kind.name}", f"worker/tasks/{kind.name}.py"
        try:
            run = getattr(importlib.import_module(module_name), "run", None)
        except (Exception, SystemExit) as exc:  # whatever an import may raise
            run = None
            if not (isinstance(exc, ModuleNotFoundError) and exc.name == module_name):
                loaded.off[kind.name] = f"{file} cannot be loaded: {type(exc).__name__}: {exc}"
                log.error("The kind %r is off in this worker.", kind.name, exc_info=exc)
                continue
        if run is None:
            loaded.off[kind.name] = f"{file} must define `async def run(params, job)`"
            log.error("The kind %r is off in this worker: %s.", kind.name, loaded.off[kind.name])
        else:
            loaded.handlers[kind.name] = run
    if loaded.off and not loaded.handlers:
        raise StartRefused(f"No kind of job can be run. {'; '.join(loaded.off.values())}.")
    return loaded
