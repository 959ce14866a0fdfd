"""The handlers: one file a kind, each with ``async def run(params, job)``.

``params`` is the kind's parameter model, ``job`` a ``worker.progress.Progress``; what ``run`` returns, any JSON, is
the job's result. A handler knows no Redis and no SQL. It is told of a cancel as ``asyncio.CancelledError``: clean up
and let it pass. A job may run more than once (its worker may be lost), so a handler must bear that.
"""

import importlib
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from jobs.errors import StartRefused
from jobs.kinds import Kind
from worker.progress import Progress

Handler = Callable[[Any, Progress], Awaitable[Any]]


def handlers(kinds: Iterable[Kind]) -> dict[str, Handler]:
    """The handler of each kind, by its name.

    Raises:
        StartRefused: a kind has no file here, or its file has no ``run``.
    """
    found: dict[str, Handler] = {}
    for kind in kinds:
        module_name = f"{__name__}.{kind.name}"
        try:
            found[kind.name] = importlib.import_module(module_name).run
        except (ModuleNotFoundError, AttributeError) as exc:
            raise StartRefused(
                f"The kind {kind.name!r} has no handler: worker/tasks/{kind.name}.py must define "
                "`async def run(params, job)`."
            ) from exc
    return found
