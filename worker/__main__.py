"""Composition root of a worker process: ``python -m worker``. SIGTERM or SIGINT ends it; a second one at once."""

import asyncio
import logging
import os
import secrets
import signal
import socket
import sys

import uvloop

from jobs.background import end_tasks
from jobs.database import Database
from jobs.errors import StartRefused
from jobs.events import RedisEvents
from jobs.kinds import catalogue
from jobs.logs import configure
from jobs.models import utc_now
from jobs.queue import JobQueue
from jobs.service import JobService
from jobs.settings import Settings, settings
from jobs.store import Store
from jobs.workers import WorkerInfo, WorkerRegistry, WorkerState
from worker.engine import Engine
from worker.runner import Runner
from worker.tasks import handlers
from worker.upkeep import Upkeep

log = logging.getLogger("worker")


async def serve(config: Settings) -> None:
    """Run jobs until a signal says stop."""
    kinds = catalogue()
    url = config.resolved_redis_url
    database, queue, events, registry = (
        Database(config.resolved_database_url),
        JobQueue(url),
        RedisEvents(url),
        WorkerRegistry(url),
    )
    service = JobService(Store(database), queue, events, kinds, config)
    about = _describe_self(config)
    runner = Runner(service, kinds, handlers(kinds), config, about.id)
    engine = Engine(queue, runner, config.concurrency)
    upkeep = Upkeep(service, registry, runner, about)

    _stop_on_signals(engine)
    duties = asyncio.create_task(upkeep.run())
    log.info("Worker %s is ready: %d kinds, %d slots.", about.id, len(list(kinds)), config.concurrency)
    await engine.serve(service.requeue_missing)
    await end_tasks(duties)
    await upkeep.forget()
    log.info("Worker %s has stopped.", about.id)


def _describe_self(config: Settings) -> WorkerInfo:
    host, now = socket.gethostname(), utc_now()
    return WorkerInfo(
        id=f"{host}-{os.getpid()}-{secrets.token_hex(2)}",
        host=host,
        pid=os.getpid(),
        started_at=now,
        last_seen_at=now,
        running=[],
        slots=config.concurrency,
        state=WorkerState.RUNNING,
    )


def _stop_on_signals(engine: Engine) -> None:
    signals_seen = 0

    def stop() -> None:
        nonlocal signals_seen
        signals_seen += 1
        if signals_seen > 1:
            _exit(0)
        engine.stop()

    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop)


def _exit(code: int) -> None:
    # A handler may hold a thread that never returns; everything worth keeping is committed, so do not join it.
    logging.shutdown()
    os._exit(code)


def main() -> None:
    try:
        config = settings()
        configure("worker", config.log_level)
        uvloop.run(serve(config))
    except StartRefused as exc:
        print(exc.message, file=sys.stderr)
        _exit(2)
    _exit(0)


if __name__ == "__main__":
    main()
