"""The options of the commands that start programs or work on the database. They need the extra ``server``."""

from pathlib import Path
from typing import Annotated

import typer

from runlane.cli.exits import REFUSED, end
from runlane.errors import StartRefused
from runlane.installation import check_server_parts

OF_RUN = "With your jobs; none: those of RUNLANE_JOBS, or the bundled ones."
Modules = Annotated[list[str] | None, typer.Argument(metavar="MODULE", help=OF_RUN, show_default=False)]


def run(
    modules: Modules = None,
    dev: Annotated[bool, typer.Option("--dev", help="Reload pages and worker when a source changes.")] = False,
    build: Annotated[bool, typer.Option("--build", help="Build the pages if they changed, and end.")] = False,
) -> None:
    """Run everything on this machine; stop it with Ctrl-C."""
    _check_parts("run")
    from runlane.cli import server

    server.run(modules or [], dev=dev, build=build)


def worker(modules: Modules = None) -> None:
    """Run a worker alone."""
    _check_parts("worker")
    from runlane.engine import process

    process.main(modules or [])


def app() -> None:
    """Run the server of pages and API alone."""
    _check_parts("app")
    from runlane.cli import server

    server.run_app()


def migrate() -> None:
    """Bring the tables of DATABASE_URL to this version; safe to run again."""
    _check_parts("migrate")
    from runlane.cli import server

    server.migrate()


def health(
    worker: Annotated[bool, typer.Option("--worker", help="A worker on this host, not the server on PORT.")] = False,
) -> None:
    """Check whether the server, or this host's worker, is healthy."""
    _check_parts("health")
    from runlane.cli import server

    server.check_health(of_worker=worker)


def copy(
    source: Annotated[str, typer.Option("--from", metavar="URL", help="The database that is read.")],
    target: Annotated[str, typer.Option("--to", metavar="URL", help="The database that is written.")],
) -> None:
    """Copy all of one database into another; safe to run again."""
    _check_parts("copy")
    from runlane.cli import server

    server.copy(source, target)


def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it.", show_default=False)],
) -> None:
    """Write all of DATABASE_URL to a file, while it is in use."""
    _check_parts("backup")
    from runlane.cli import server

    server.back_up(file)


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A backup.", show_default=False)],
    replace: Annotated[bool, typer.Option("--replace", help="Remove what is there first.")] = False,
) -> None:
    """Restore a backup into DATABASE_URL."""
    _check_parts("restore")
    from runlane.cli import server

    server.restore(file, replace=replace)


def _check_parts(command: str) -> None:
    try:
        check_server_parts(command)
    except StartRefused as exc:
        end(exc.message, REFUSED)  # not by the log, which is of the extra too
