"""Composition root of a worker process.

SIGTERM or SIGINT stops it: running jobs get a grace time, then are handed back. A second signal hands them back at
once, a third ends the process where it is.
"""

import asyncio
import gc
import logging
import os
import secrets
import signal
import socket
from collections.abc import Sequence

import psutil
import uvloop

from runlane import __version__, installation
from runlane.background import end_on_sigterm, end_tasks
from runlane.clock import ahead_s, utc_now
from runlane.composition import compose
from runlane.db import schema
from runlane.db.database import Database
from runlane.engine import output
from runlane.engine.engine import Engine
from runlane.engine.execution import Execution
from runlane.engine.heartbeat import Heartbeat, ProcessProbe
from runlane.engine.housekeeping import Housekeeping
from runlane.engine.loading import load
from runlane.engine.plain.pool import PlainPool
from runlane.engine.ready import notify, ready_fd
from runlane.engine.resources import Resources
from runlane.engine.runner import Runner
from runlane.engine.threads import Threads
from runlane.engine.writer import Writer
from runlane.errors import StartRefused
from runlane.kinds.catalogue import catalogue
from runlane.kinds.live import LiveKinds
from runlane.logs import configure, refuse
from runlane.model.kind import Kind
from runlane.model.limits import MAX_CONCURRENCY
from runlane.parts import Parts
from runlane.queue.change_feed import RedisEvents
from runlane.queue.claims import Claims
from runlane.queue.client import JobQueue
from runlane.queue.redis_client import REDIS_TROUBLE, check_or_wait_for
from runlane.queue.worker_registry import WorkerInfo, WorkerRegistry, WorkerState
from runlane.settings import Settings, settings

# New objects between two collections of garbage. Python's 700 costs a tenth of the rate at a hundred jobs at once.
COLLECT_EVERY = 20_000
# Processes that are kept ready for plain functions, at least, where as many jobs may run.
MIN_WARM = 2

log = logging.getLogger("worker")


async def serve(config: Settings, modules: Sequence[str]) -> None:
    """Run jobs until a signal stops it or until this worker cannot do all that it should; then end the process."""
    check_or_wait_for(config.resolved_redis_url)
    schema.check_or_wait_for(config.resolved_database_url)
    place = ready_fd()
    loaded = load(modules)
    kinds = [job.kind for job in loaded.jobs.values()]
    url = config.resolved_redis_url
    database, queue, events, registry = (
        Database(config.resolved_database_url),
        JobQueue(url),
        RedisEvents(url),
        WorkerRegistry(url),
    )
    if place is not None:
        await _check_nothing_breaks(loaded.off, registry)
    services = compose(database, queue, events, catalogue(), config)
    worker_id = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"
    live = LiveKinds(services.kinds, catalogue(), queue, services.limits, url)
    refused = await live.register(kinds, worker_id)
    for why in refused.values():
        log.error("%s", why)
    brought = [kind for kind in kinds if kind.name not in refused]
    about = _describe_self(worker_id, brought, config.worker_tags, loaded.off | refused)
    names = [kind.name for kind in brought if about.can_run(kind)]
    claims = Claims(queue.redis, url, about.id, names, config.lease_s)
    housekeeping = Housekeeping(url, services, queue, registry, claims, about.id)
    writer = Writer(services.store, services.follow_up, on_hold=lambda: engine.claim_soon())
    resources = Resources()
    slots = config.worker_slots or config.concurrency
    pool = PlainPool(modules, min(slots, max(MIN_WARM, os.cpu_count() or 1)))
    execution = Execution(resources, pool, catalogue(), config.max_result_bytes)
    runner = Runner(writer, loaded.jobs, execution, services.store.saved, config)
    engine = Engine(
        queue.redis,
        claims,
        runner,
        writer,
        names,
        worker_id=about.id,
        slots=config.worker_slots or MAX_CONCURRENCY,
        concurrency=config.concurrency,
        on_emptied=housekeeping.rebuild,
        on_refused=services.reconciler.put_back,
    )

    process = psutil.Process()

    def describe() -> WorkerInfo:
        state = WorkerState.QUIET if engine.quiet or engine.stopping else WorkerState.RUNNING
        now = {
            "last_seen_at": utc_now(),
            "running": runner.running,
            "lingering": runner.lingering,
            "slots": engine.slots,
            "state": state,
            "cpu_percent": process.cpu_percent(),
            "memory_bytes": process.memory_info().rss,
            "clock_ahead_s": ahead_s(),
        }
        return about.model_copy(update=now)

    probe = ProcessProbe(
        describe, lambda: engine.held, engine.restore_soon, runner.bounds, services.store.cancel_is_requested
    )
    heartbeat = Heartbeat(url, config.lease_s, probe, asyncio.get_running_loop())
    asyncio.get_running_loop().set_default_executor(Threads(MAX_CONCURRENCY, "handler"))
    heartbeat.start()
    if any(not job.is_async for job in loaded.jobs.values()):
        pool.open()
    writer.open()
    _stop_on_signals(engine)
    parts = Parts()
    parts.start({"kinds": live.run, "kinds: renewal": lambda: live.renew(about.id)})
    keeping = asyncio.create_task(housekeeping.run(engine, runner))
    keeping.add_done_callback(lambda ended: _stop_without_housekeeping(ended, engine))
    brings = "1 kind" if len(names) == 1 else f"{len(names)} kinds"
    log.info("Worker %s is ready: %s, %s slots.", about.id, brings, config.worker_slots or "all")
    if place is not None:
        notify(place)
    try:
        await engine.serve(config.stop_grace_s)
    except Exception:
        log.critical("This worker cannot go on; it ends.", exc_info=True)
        _exit(1)
    exit_code = 1 if keeping.done() else 0
    await end_tasks(keeping)
    await parts.end()
    # both at once: a resource may take longer to close than whoever stops this worker waits, which is then not lost
    await asyncio.gather(_close(pool, resources), _leave(heartbeat, writer, registry, about.id))
    log.info("Worker %s has stopped.", about.id)
    _exit(exit_code)  # here: the loop would wait for handlers that will not stop


async def _close(pool: PlainPool, resources: Resources) -> None:
    await pool.close()
    await resources.close()


async def _leave(heartbeat: Heartbeat, writer: Writer, registry: WorkerRegistry, worker_id: str) -> None:
    await asyncio.to_thread(heartbeat.stop)
    await writer.close()
    await _sign_off(registry, worker_id)


async def _check_nothing_breaks(off: dict[str, str], registry: WorkerRegistry) -> None:
    """Refuse the place of another worker when a module is off here that is on there; what is off already may stay so.

    Raises:
        StartRefused: with what these modules lack.
    """
    host = socket.gethostname()
    before = {name for worker in await registry.all() if worker.host == host for name in worker.off}
    if broken := [why for name, why in off.items() if name not in before]:
        raise StartRefused(" ".join(broken))


async def _sign_off(registry: WorkerRegistry, worker_id: str) -> None:
    """Sign off, so that nobody takes this worker for a lost one."""
    try:
        await registry.leave(worker_id)
    except REDIS_TROUBLE as exc:
        log.info("Could not sign off (%s); this worker will be shown as lost.", exc)


def _describe_self(worker_id: str, kinds: Sequence[Kind], tags: Sequence[str], off: dict[str, str]) -> WorkerInfo:
    now = utc_now()
    return WorkerInfo(
        id=worker_id,
        host=socket.gethostname(),
        pid=os.getpid(),
        version=__version__,
        started_at=now,
        last_seen_at=now,
        running=[],
        slots=0,
        state=WorkerState.RUNNING,
        kinds=[kind.name for kind in kinds],
        digests={kind.name: kind.digest for kind in kinds},
        tags=list(tags),
        off=off,
    )


def _stop_on_signals(engine: Engine) -> None:
    signals = 0

    def stop() -> None:
        nonlocal signals
        signals += 1
        if signals > 2:
            _exit(0)
        engine.stop(at_once=signals > 1)

    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop)


def _stop_without_housekeeping(keeping: "asyncio.Task[None]", engine: Engine) -> None:
    """A worker that receives no cancel and keeps nothing in order must not go on; its supervisor starts another."""
    if not engine.stopping:
        exc = None if keeping.cancelled() else keeping.exception()
        log.critical("This worker's housekeeping has ended; it hands its jobs back and ends.", exc_info=exc)
        engine.stop(at_once=True)


def _exit(code: int) -> None:
    # A handler may hold a thread that never returns; everything worth keeping is committed, so do not join it.
    logging.shutdown()
    os._exit(code)


def main(modules: Sequence[str] = ()) -> None:
    """Run the jobs of these modules until a signal stops it; those of ``RUNLANE_JOBS`` if none is named."""
    end_on_sigterm()
    try:
        config = settings()
        configure("worker", config.log_level, config.log_format)
        output.install()
        gc.freeze()
        gc.set_threshold(COLLECT_EVERY)
        uvloop.run(serve(config, modules or config.jobs or (installation.bundled_jobs(),)))
    except StartRefused as exc:
        refuse("worker", exc.message)
        _exit(2)
    except Exception:
        log.critical("This worker cannot go on; it ends.", exc_info=True)
        _exit(1)
