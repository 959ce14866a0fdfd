"""All commands, in the order in which the help lists them."""

import sys
from typing import Annotated, NoReturn

import typer

from runlane.cli import client_commands, new, server_commands
from runlane.cli.exits import INTERRUPTED, REFUSED, end
from runlane.version import __version__

JOBS, QUEUE, SERVER, PROJECT = "Jobs", "Queue", "Server", "Your project"
COMMANDS = {
    PROJECT: (new.new,),
    JOBS: (
        client_commands.submit,
        client_commands.list_,
        client_commands.show,
        client_commands.follow,
        client_commands.result,
        client_commands.cancel,
        client_commands.retry,
        client_commands.delete,
    ),
    QUEUE: (client_commands.kinds, client_commands.workers, client_commands.pause, client_commands.resume),
    SERVER: (
        server_commands.run,
        server_commands.worker,
        server_commands.app,
        server_commands.migrate,
        server_commands.health,
        server_commands.backup,
        server_commands.restore,
        server_commands.copy,
    ),
}

app = typer.Typer(
    name="runlane",
    help="A self-hosted job system with a live dashboard.",
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    no_args_is_help=True,
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        print(f"runlane {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None: ...


for panel, functions in COMMANDS.items():
    for function in functions:
        app.command(function.__name__.removesuffix("_"), rich_help_panel=panel)(function)


def main(words: list[str] | None = None) -> NoReturn:
    """Do what the command line asks for, ``sys.argv``'s if none is given, and end the process with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # or a title that the terminal's encoding lacks would be an error
            stream.reconfigure(errors="replace")
    try:
        code = app(words, prog_name="runlane", standalone_mode=False)
    except typer.TyperException as exc:  # wrong usage
        what, context = exc.format_message(), getattr(exc, "ctx", None)
        if not what:  # no command: the help has been printed
            sys.exit(REFUSED)
        path = context.command_path if context else "runlane"
        end(f"{what}{'' if what.endswith(('.', '?')) else '.'} `{path} --help` shows what it takes.", REFUSED)
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(INTERRUPTED)
    sys.exit(code or 0)
