"""Which kinds have a worker that takes their jobs now; jobs of all others wait. Read once for all tabs."""

from collections.abc import Iterable

from jobs_app import runtime
from jobs_app.server.single_flight import Shared
from runlane.kinds.catalogue import Catalogue
from runlane.queue.redis_client import REDIS_TROUBLE
from runlane.queue.worker_registry import WorkerInfo, WorkerState

FRESH_S = 1.0
_RUNNABLE: Shared[frozenset[str] | None] = Shared(FRESH_S)


def runnable(workers: Iterable[WorkerInfo], kinds: Catalogue) -> frozenset[str]:
    """The names of the kinds that one of these workers takes jobs of; an unknown kind asks for no tags."""
    found: set[str] = set()
    for worker in workers:
        if worker.state is WorkerState.RUNNING:
            found.update(name for name in worker.kinds if (kind := kinds.find(name)) is None or worker.can_run(kind))
    return frozenset(found)


async def runnable_now() -> frozenset[str] | None:
    """The same of all workers that there are; ``None`` while Redis does not answer, or no worker takes jobs at all."""
    return await runtime.current().caches.of(_RUNNABLE).get(_read)


async def _read() -> frozenset[str] | None:
    active = runtime.current()
    try:
        return runnable(await active.registry.all(), active.service.kinds) or None
    except REDIS_TROUBLE:
        return None
