"""Finds the handler of each kind in a package with one file a kind, each with ``async def run(params, job)``."""

import importlib
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from runlane.define.kind import Kind
from runlane.engine.progress import Progress
from runlane.errors import StartRefused

log = logging.getLogger(__name__)

Handler = Callable[[Any, Progress], Awaitable[Any]]


@dataclass
class Loaded:
    """The handlers by kind, and the reason for each kind that is off here."""

    handlers: dict[str, Handler] = field(default_factory=dict)
    off: dict[str, str] = field(default_factory=dict)


def load(package: str, kinds: Iterable[Kind]) -> Loaded:
    """The handler of each kind in ``package``; one that cannot be loaded is off, and keeps no other from running.

    Raises:
        StartRefused: none of them can be loaded.
    """
    loaded = Loaded()
    for kind in kinds:
        module_name, file = f"{package}.{kind.name}", f"{package.replace('.', '/')}/{kind.name}.py"
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
