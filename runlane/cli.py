"""The command ``runlane``: starts the programs, and does one-off tasks, by hand or in a deployment."""

import argparse
import asyncio
import http.client
import runpy
import socket
import sys
from pathlib import Path

from runlane.addresses import shown
from runlane.background import end_on_sigterm
from runlane.db import backup, schema, transfer
from runlane.engine import process
from runlane.errors import StartRefused
from runlane.logs import configure, refuse
from runlane.predecessor import take_over_database
from runlane.private_files import make_folder
from runlane.queue.redis_client import REDIS_TROUBLE
from runlane.queue.worker_registry import WorkerInfo, WorkerRegistry, WorkerState
from runlane.settings import Settings, read_settings, settings
from runlane.text import counted

ANSWER_WITHIN_S = 4.0
REFUSED = 2


def copy_all(source: str, target: str) -> None:
    """Copy all of one database into another, and print what was done to each table."""
    for url in (source, target):
        read_settings(database_url=url)  # refuses what is not an address
    moved = transfer.transfer(source, target, lambda each: print(f"{each.table}: {each.inserted} new", flush=True))
    for each in moved:
        print(f"{each.table}: {each.rows} rows alike ({each.changed} had changed, {each.removed} removed)")
    print(f"{shown(target)} holds what {shown(source)} holds; every row was compared.")


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


def main() -> None:
    given = _parser().parse_args()
    if given.command == "worker":
        process.main(given.modules)
        return
    if given.command == "app":  # a package of its own, which this library does not import
        sys.argv[1:] = []
        runpy.run_module("jobs_app", run_name="__main__", alter_sys=True)
        return
    name = "launcher" if given.command == "run" else "runlane"
    try:
        config = settings()
        configure(name, config.log_level, config.log_format)
        if given.command == "run":
            _run(config, given)
        else:
            end_on_sigterm()
            _do_once(config, given)
    except StartRefused as exc:
        if exc.message:
            refuse(name, exc.message)
        sys.exit(REFUSED)
    except OSError as exc:
        if given.command == "run":
            raise
        path = exc.filename2 or exc.filename
        refuse(name, f"The file {path} cannot be used: {exc.strerror}. Fix that, or name another one.")
        sys.exit(REFUSED)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="runlane", description="A self-hosted job system with a live dashboard.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run everything on this machine; stop it with Ctrl-C")
    run.add_argument("modules", nargs="*", metavar="MODULE", help="with your jobs; none: RUNLANE_JOBS, or the bundled")
    run.add_argument("--dev", action="store_true", help="reload pages and worker when a source changes")
    run.add_argument("--build", action="store_true", help="build the pages if they changed, and end")
    worker = commands.add_parser("worker", help="run a worker alone")
    worker.add_argument("modules", nargs="*", metavar="MODULE", help="with jobs; else those of RUNLANE_JOBS")
    commands.add_parser("app", help="run the server of pages and API alone")
    commands.add_parser("migrate", help="bring the tables of DATABASE_URL to this version; safe to run again")
    health = commands.add_parser("health", help="check whether the server, or this host's worker, is healthy")
    health.add_argument("--worker", action="store_true", help="a worker on this host, not the server on PORT")
    copy = commands.add_parser("copy", help="copy all of one database into another; safe to run again")
    copy.add_argument("--from", dest="source", required=True, metavar="URL")
    copy.add_argument("--to", dest="target", required=True, metavar="URL")
    backup = commands.add_parser("backup", help="write all of DATABASE_URL to a file, while it is in use")
    backup.add_argument("file", type=Path)
    restore = commands.add_parser("restore", help="restore a backup into DATABASE_URL")
    restore.add_argument("file", type=Path)
    restore.add_argument("--replace", action="store_true", help="remove what is there first")
    return parser


def _run(config: Settings, given: argparse.Namespace) -> None:
    from runlane.launcher import launch

    if given.build:
        launch.build()
    else:
        if given.modules:
            config = read_settings(jobs=",".join(given.modules))
        asyncio.run(launch.launch(config, dev=given.dev))


def _do_once(config: Settings, given: argparse.Namespace) -> None:
    url = config.resolved_database_url
    if given.command in ("migrate", "restore") and config.database_url is None:
        make_folder(config.data_dir)  # on a new machine, or after all was lost
        take_over_database(config.data_dir)
    match given.command:
        case "migrate":
            schema.migrate(url)
            print(f"The database {shown(url)} is at {schema.newest_revision()}.")
        case "copy":
            copy_all(given.source, given.target)
        case "backup":
            jobs = backup.back_up(url, given.file)
            print(f"Wrote {counted(jobs, 'job')} to {given.file} ({given.file.stat().st_size / 1e6:.1f} MB).")
        case "restore":
            jobs = backup.restore(given.file, url, replace=given.replace)
            restored = f"Brought back {counted(jobs, 'job')} from {given.file} into {shown(url)}"
            print(f"{restored}; every row was compared.")
        case "health":
            print(check_worker(config) if given.worker else check_server(config))
