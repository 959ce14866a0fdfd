"""``python -m jobs``: what is done once, by hand or by a deployment, beside running servers and workers."""

import argparse
import asyncio
import http.client
import socket
import sys
from pathlib import Path

from jobs import schema, transfer
from jobs.addresses import shown
from jobs.background import end_when_told
from jobs.errors import StartRefused
from jobs.logs import configure, refuse
from jobs.private_files import make_folder
from jobs.redis_link import REDIS_TROUBLE
from jobs.settings import Settings, read_settings, settings
from jobs.text import counted
from jobs.workers import WorkerInfo, WorkerRegistry, WorkerState

ANSWER_WITHIN_S = 4.0


def copy_all(source: str, target: str) -> None:
    """Bring all of one database into another, and print what was done to each table."""
    for url in (source, target):
        read_settings(database_url=url)  # refuses what is no address
    moved = transfer.transfer(source, target, lambda each: print(f"{each.table}: {each.inserted} new", flush=True))
    for each in moved:
        print(f"{each.table}: {each.rows} rows alike ({each.changed} had changed, {each.removed} removed)")
    print(f"{shown(target)} holds what {shown(source)} holds; every row was compared.")


def check_server(config: Settings) -> str:
    """A sentence, when the server on this host answers. Raises ``StartRefused`` if it does not."""
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
    return f"The server on port {config.port} is well."


def check_worker(config: Settings) -> str:
    """A sentence, when a worker on this host says that it lives. Raises ``StartRefused`` if none does."""
    host = socket.gethostname()
    states = [worker.state for worker in asyncio.run(_workers(config.resolved_redis_url)) if worker.host == host]
    if all(state is WorkerState.LOST for state in states):
        raise StartRefused(f"No worker on {host} has been heard of lately.")
    return f"The worker on {host} is {states[-1]}."


async def _workers(url: str) -> list[WorkerInfo]:
    registry = WorkerRegistry(url)
    try:
        return await asyncio.wait_for(registry.all(), ANSWER_WITHIN_S)
    except (*REDIS_TROUBLE, TimeoutError) as exc:
        raise StartRefused(f"Redis does not tell which workers live: {exc}.") from exc
    finally:
        await registry.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m jobs", description="Look after the database of the job system.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("migrate", help="bring the tables of DATABASE_URL to this version; safe to run again")
    health = commands.add_parser("health", help="say whether the server, or this host's worker, is well")
    health.add_argument("--worker", action="store_true", help="a worker on this host, not the server on PORT")
    copy = commands.add_parser("copy", help="bring all of one database into another; safe to run again")
    copy.add_argument("--from", dest="source", required=True, metavar="URL")
    copy.add_argument("--to", dest="target", required=True, metavar="URL")
    backup = commands.add_parser("backup", help="write all of DATABASE_URL to a file, while it is used")
    backup.add_argument("file", type=Path)
    restore = commands.add_parser("restore", help="bring back a backup into DATABASE_URL")
    restore.add_argument("file", type=Path)
    restore.add_argument("--replace", action="store_true", help="remove what is there first")
    given = parser.parse_args()
    end_when_told()
    try:
        config = settings()
        configure("jobs", config.log_level, config.log_format)
        url = config.resolved_database_url
        if given.command in ("migrate", "restore") and config.database_url is None:
            make_folder(config.data_dir)  # on a new machine, or after all was lost
        match given.command:
            case "migrate":
                schema.migrate(url)
                print(f"The database {shown(url)} is at {schema.newest_revision()}.")
            case "copy":
                copy_all(given.source, given.target)
            case "backup":
                jobs = transfer.back_up(url, given.file)
                print(f"Wrote {counted(jobs, 'job')} to {given.file} ({given.file.stat().st_size / 1e6:.1f} MB).")
            case "restore":
                jobs = transfer.restore(given.file, url, replace=given.replace)
                told = f"Brought back {counted(jobs, 'job')} from {given.file} into {shown(url)}"
                print(f"{told}; every row was compared.")
            case "health":
                print(check_worker(config) if given.worker else check_server(config))
    except StartRefused as exc:
        refuse("jobs", exc.message)
        sys.exit(2)
    except OSError as exc:
        place = exc.filename2 or exc.filename
        refuse("jobs", f"The file {place} cannot be used: {exc.strerror}. Name another one, or mend it.")
        sys.exit(2)


if __name__ == "__main__":
    main()
