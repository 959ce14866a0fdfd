"""What the commands of the server do. Refusals are sentences in the log's form, with exit code 2."""

import asyncio
import contextlib
import http.client
import runpy
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from runlane.addresses import shown
from runlane.background import end_on_sigterm
from runlane.cli.exits import REFUSED
from runlane.db import backup, schema, transfer
from runlane.errors import StartRefused
from runlane.logs import configure, refuse
from runlane.predecessor import take_over_database
from runlane.private_files import make_folder
from runlane.queue.redis_client import REDIS_TROUBLE
from runlane.queue.worker_registry import WorkerInfo, WorkerRegistry, WorkerState
from runlane.settings import Settings, read_settings, settings
from runlane.text import counted

ANSWER_WITHIN_S = 4.0


def run(modules: Sequence[str], *, dev: bool, build: bool) -> None:
    """Run everything until a signal stops it."""
    from runlane.launcher import launch

    with _starting("launcher") as config:
        if build:
            launch.build()
        else:
            if modules:
                config = read_settings(jobs=",".join(modules))
            asyncio.run(launch.launch(config, dev=dev))


def run_app() -> None:
    """Run the app, which is a package of its own that this library does not import."""
    sys.argv[1:] = []
    runpy.run_module("jobs_app", run_name="__main__", alter_sys=True)


def migrate() -> None:
    """Bring the tables to this version."""
    with _once() as config:
        _prepare_folder(config)
        url = config.resolved_database_url
        schema.migrate(url)
        print(f"The database {shown(url)} is at {schema.newest_revision()}.")


def back_up(file: Path) -> None:
    """Write all of the database to ``file``."""
    with _once() as config:
        jobs = backup.back_up(config.resolved_database_url, file)
        print(f"Wrote {counted(jobs, 'job')} to {file} ({file.stat().st_size / 1e6:.1f} MB).")


def restore(file: Path, *, replace: bool) -> None:
    """Fill the database from ``file``."""
    with _once() as config:
        _prepare_folder(config)
        url = config.resolved_database_url
        jobs = backup.restore(file, url, replace=replace)
        print(f"Brought back {counted(jobs, 'job')} from {file} into {shown(url)}; every row was compared.")


def copy(source: str, target: str) -> None:
    """Copy all of one database into another, and print what was done to each table."""
    with _once():
        for url in (source, target):
            read_settings(database_url=url)  # refuses what is not an address
        moved = transfer.transfer(source, target, lambda each: print(f"{each.table}: {each.inserted} new", flush=True))
        for each in moved:
            print(f"{each.table}: {each.rows} rows alike ({each.changed} had changed, {each.removed} removed)")
        print(f"{shown(target)} holds what {shown(source)} holds; every row was compared.")


def check_health(*, of_worker: bool) -> None:
    """Print that the server, or a worker of this host, is healthy; refuse if it is not."""
    with _once() as config:
        print(check_worker(config) if of_worker else check_server(config))


def check_server(config: Settings) -> str:
    """Check that the server on this host answers, and say so in a sentence. Raises ``StartRefused`` if it does not."""
    connection = http.client.HTTPConnection("127.0.0.1", config.port, timeout=ANSWER_WITHIN_S)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as exc:
        raise StartRefused(f"The server on port {config.port} does not answer: {exc}.") from exc
    finally:
        connection.close()
    if status != 200:
        raise StartRefused(f"The server on port {config.port} answers {status}.")
    return f"The server on port {config.port} is healthy."


def check_worker(config: Settings) -> str:
    """Check that a worker on this host has sent a heartbeat. Raises ``StartRefused`` if none has."""
    host = socket.gethostname()
    states = [worker.state for worker in asyncio.run(_workers(config.resolved_redis_url)) if worker.host == host]
    if all(state is WorkerState.LOST for state in states):
        raise StartRefused(f"No worker on {host} has sent a heartbeat lately.")
    return f"The worker on {host} is {states[-1]}."


async def _workers(url: str) -> list[WorkerInfo]:
    registry = WorkerRegistry(url)
    try:
        return await asyncio.wait_for(registry.all(), ANSWER_WITHIN_S)
    except (*REDIS_TROUBLE, TimeoutError) as exc:
        raise StartRefused(f"Redis does not answer which workers are alive: {exc}.") from exc
    finally:
        await registry.close()


def _prepare_folder(config: Settings) -> None:
    """Make the folder of data, if the database is in it: on a new machine, or after all was lost."""
    if config.database_url is None:
        make_folder(config.data_dir)
        take_over_database(config.data_dir)


@contextlib.contextmanager
def _starting(process: str) -> Iterator[Settings]:
    """The settings; a refusal inside ends the process."""
    try:
        config = settings()
        configure(process, config.log_level, config.log_format)
        yield config
    except StartRefused as exc:
        if exc.message:
            refuse(process, exc.message)
        sys.exit(REFUSED)


@contextlib.contextmanager
def _once() -> Iterator[Settings]:
    """The same for a task that ends by itself; so does one that cannot use a file."""
    try:
        with _starting("runlane") as config:
            end_on_sigterm()
            yield config
    except OSError as exc:
        path = exc.filename2 or exc.filename
        refuse("runlane", f"The file {path} cannot be used: {exc.strerror}. Fix that, or name another one.")
        sys.exit(REFUSED)
