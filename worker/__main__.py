"""Composition root of a worker process: ``python -m worker``.

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

import psutil
import uvloop

from jobs import __version__, schema
from jobs.background import end_tasks, end_when_told
from jobs.clock import ahead_s, utc_now
from jobs.database import Database
from jobs.errors import StartRefused
from jobs.events import RedisEvents
from jobs.kinds import catalogue
from jobs.limits import MOST_CONCURRENCY
from jobs.logs import configure, refuse
from jobs.queue import JobQueue
from jobs.redis_link import REDIS_TROUBLE, check_or_wait_for
from jobs.schedule_store import ScheduleStore
from jobs.schedules import ScheduleService
from jobs.service import JobService
from jobs.settings import Settings, settings
from jobs.store import Store
from jobs.workers import WorkerInfo, WorkerRegistry, WorkerState
from worker.claims import Claims
from worker.code import Threads
from worker.engine import Engine
from worker.heart import Heart, Vitals
from worker.runner import Runner
from worker.tasks import load
from worker.upkeep import Upkeep
from worker.writer import Writer

COLLECT_EVERY = 20_000
"""New objects between two looks for garbage. Python's 700 costs a tenth of the rate at a hundred jobs at once."""

log = logging.getLogger("worker")


async def serve(config: Settings) -> None:
    """Run jobs until a signal says stop, or until this worker cannot do all that it should; then end the process."""
    check_or_wait_for(config.resolved_redis_url)
    schema.check_or_wait_for(config.resolved_database_url)
    kinds = catalogue()
    loaded = load(kinds)
    names = list(loaded.handlers)
    url = config.resolved_redis_url
    about = _describe_self(names, loaded.off)
    database, queue, events, registry = (
        Database(config.resolved_database_url),
        JobQueue(url),
        RedisEvents(url),
        WorkerRegistry(url),
    )
    store = Store(database)
    service = JobService(store, queue, events, kinds, config)
    claims = Claims(queue.redis, url, about.id, names, config.lease_s)
    schedules = ScheduleService(ScheduleStore(database), service)
    upkeep = Upkeep(url, service, schedules, queue, registry, claims, about.id)
    writer = Writer(service, on_hold=lambda: engine.look())
    runner = Runner(writer, kinds, loaded.handlers, config)
    engine = Engine(
        queue.redis,
        claims,
        runner,
        writer,
        names,
        worker_id=about.id,
        slots=config.worker_slots or MOST_CONCURRENCY,
        concurrency=config.concurrency,
        on_emptied=upkeep.refill,
        on_refused=service.put_back,
    )

    process = psutil.Process()

    def now() -> WorkerInfo:
        state = WorkerState.QUIET if engine.quiet or engine.stopping else WorkerState.RUNNING
        told = {
            "last_seen_at": utc_now(),
            "running": runner.running,
            "lingering": runner.lingering,
            "slots": engine.slots,
            "state": state,
            "cpu_percent": process.cpu_percent(),
            "memory_bytes": process.memory_info().rss,
            "clock_ahead_s": ahead_s(),
        }
        return about.model_copy(update=told)

    vitals = Vitals(now, lambda: engine.held, engine.found_missing, runner.bounds, store.cancel_is_asked)
    heart = Heart(url, config.lease_s, vitals, asyncio.get_running_loop())
    asyncio.get_running_loop().set_default_executor(Threads(MOST_CONCURRENCY, "handler"))
    heart.start()
    writer.open()
    _stop_on_signals(engine)
    duties = asyncio.create_task(upkeep.run(engine, runner))
    duties.add_done_callback(lambda ended: _stop_without_duties(ended, engine))
    log.info("Worker %s is ready: %d kinds, %s slots.", about.id, len(names), config.worker_slots or "all")
    try:
        await engine.serve(config.stop_grace_s)
    except Exception:
        log.critical("This worker cannot go on, and ends.", exc_info=True)
        _exit(1)
    exit_code = 1 if duties.done() else 0
    await end_tasks(duties)
    heart.stop()
    await writer.close()
    await _sign_off(registry, about.id)
    log.info("Worker %s has stopped.", about.id)
    _exit(exit_code)  # here: the loop would wait for handlers that will not stop


async def _sign_off(registry: WorkerRegistry, worker_id: str) -> None:
    """Leave, so that nobody takes this worker for a lost one."""
    try:
        await registry.leave(worker_id)
    except REDIS_TROUBLE as exc:
        log.info("Could not sign off (%s); this worker will be shown as lost.", exc)


def _describe_self(kinds: list[str], off: dict[str, str]) -> WorkerInfo:
    host, now = socket.gethostname(), utc_now()
    return WorkerInfo(
        id=f"{host}-{os.getpid()}-{secrets.token_hex(2)}",
        host=host,
        pid=os.getpid(),
        version=__version__,
        started_at=now,
        last_seen_at=now,
        running=[],
        slots=0,
        state=WorkerState.RUNNING,
        kinds=kinds,
        off=off,
    )


def _stop_on_signals(engine: Engine) -> None:
    signals_seen = 0

    def stop() -> None:
        nonlocal signals_seen
        signals_seen += 1
        if signals_seen > 2:
            _exit(0)
        engine.stop(at_once=signals_seen > 1)

    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop)


def _stop_without_duties(duties: "asyncio.Task[None]", engine: Engine) -> None:
    """A worker that hears no cancel and looks after nothing must not go on; whoever started it starts another."""
    if not engine.stopping:
        exc = None if duties.cancelled() else duties.exception()
        log.critical("This worker's duties have ended; it gives its jobs back and ends.", exc_info=exc)
        engine.stop(at_once=True)


def _exit(code: int) -> None:
    # A handler may hold a thread that never returns; everything worth keeping is committed, so do not join it.
    logging.shutdown()
    os._exit(code)


def main() -> None:
    end_when_told()
    try:
        config = settings()
        configure("worker", config.log_level, config.log_format)
        gc.freeze()
        gc.set_threshold(COLLECT_EVERY)
        uvloop.run(serve(config))
    except StartRefused as exc:
        refuse("worker", exc.message)
        _exit(2)
    except Exception:
        log.critical("This worker cannot go on, and ends.", exc_info=True)
        _exit(1)


if __name__ == "__main__":
    main()
