"""The options of the commands that talk to a server over REST. What they do is imported when they run."""

from typing import TYPE_CHECKING, Annotated

import typer

from runlane.cli import completion

if TYPE_CHECKING:
    from runlane.cli.session import Server

Url = Annotated[
    str | None,
    typer.Option("--url", envvar="RUNLANE_URL", help="Where Runlane answers.", show_default="http://127.0.0.1:8000"),
]
Token = Annotated[str | None, typer.Option("--token", envvar="RUNLANE_TOKEN", help="A token that lets you in.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _ids(*statuses: str) -> object:
    return typer.Argument(
        metavar="ID",
        help="Ids of jobs, whole or their last 8 characters.",
        autocompletion=completion.job_ids(*statuses),
        show_default=False,
    )


AnyIds = Annotated[list[str], _ids()]
ActiveIds = Annotated[list[str], _ids("scheduled", "queued", "running")]
EndedIds = Annotated[list[str], _ids("completed", "failed", "cancelled")]
RetryableIds = Annotated[list[str], _ids("failed", "cancelled")]
DeletableIds = Annotated[list[str], _ids("completed", "failed", "cancelled", "scheduled", "queued")]


def submit(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help="What to run.", autocompletion=completion.kinds, show_default=False)
    ],
    params: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME=VALUE",
            help="Its parameters. Give one again for a list; NAME.PART=VALUE goes into an object; NAME:=JSON is exact.",
            autocompletion=completion.params,
            show_default=False,
        ),
    ] = None,
    whole: Annotated[
        str | None, typer.Option("--params", metavar="JSON|@FILE|-", help="Parameters as JSON; -: from standard input.")
    ] = None,
    priority: Annotated[int | None, typer.Option(help="Higher first.")] = None,
    delay: Annotated[str | None, typer.Option(help="Not sooner: seconds, or such as 10m, 2h, 1d.")] = None,
    at: Annotated[str | None, typer.Option(metavar="TIME", help="Not before a time, as 2026-01-31T18:30.")] = None,
    max_attempts: Annotated[int | None, typer.Option(help="Instead of the kind's own.")] = None,
    key: Annotated[str | None, typer.Option(help="The same key gives the same job again.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Follow it to its end, and print its result.")] = False,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Submit a job, and print its id."""
    from runlane.cli import submitting

    wanted = submitting.Wanted(kind, params or [], whole, priority, delay, at, max_attempts, key)
    submitting.submit(_server(url, token), wanted, wait=wait, as_json=as_json)


def list_(
    status: Annotated[
        list[str] | None, typer.Option(help="Only these statuses.", autocompletion=completion.statuses)
    ] = None,
    kind: Annotated[list[str] | None, typer.Option(help="Only these kinds.", autocompletion=completion.kinds)] = None,
    q: Annotated[str, typer.Option("--q", help="What the search on the page takes.", show_default=False)] = "",
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """List jobs, newest first."""
    from runlane.cli import jobs

    jobs.list_jobs(_server(url, token), status=status or [], kind=kind or [], q=q, limit=limit, as_json=as_json)


def show(ids: AnyIds, as_json: AsJson = False, url: Url = None, token: Token = None) -> None:
    """Show all about jobs."""
    from runlane.cli import jobs

    jobs.show(_server(url, token), ids, as_json=as_json)


def follow(ids: ActiveIds, as_json: AsJson = False, url: Url = None, token: Token = None) -> None:
    """Follow jobs to their end; Ctrl-C stops following, and leaves them running."""
    from runlane.cli import following

    following.follow(_server(url, token), ids, as_json=as_json)


def result(ids: EndedIds, as_json: AsJson = False, url: Url = None, token: Token = None) -> None:
    """Print what jobs returned."""
    from runlane.cli import jobs

    jobs.results(_server(url, token), ids, as_json=as_json)


def cancel(ids: ActiveIds, as_json: AsJson = False, url: Url = None, token: Token = None) -> None:
    """Cancel jobs; running ones are asked to stop."""
    from runlane.cli import jobs

    jobs.cancel(_server(url, token), ids, as_json=as_json)


def retry(
    ids: RetryableIds,
    from_start: Annotated[bool, typer.Option("--from-start", help="Forget what earlier attempts saved.")] = False,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Queue failed or cancelled jobs again; they go on from what they saved."""
    from runlane.cli import jobs

    jobs.retry(_server(url, token), ids, from_start=from_start, as_json=as_json)


def delete(ids: DeletableIds, as_json: AsJson = False, url: Url = None, token: Token = None) -> None:
    """Delete jobs that are not running, with their timelines and artifacts."""
    from runlane.cli import jobs

    jobs.delete(_server(url, token), ids, as_json=as_json)


def kinds(
    kind: Annotated[
        str | None,
        typer.Argument(metavar="KIND", help="The one to show.", autocompletion=completion.kinds, show_default=False),
    ] = None,
    as_json: AsJson = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """List what can be submitted, or show the parameters of one kind."""
    from runlane.cli import queue

    queue.list_kinds(_server(url, token), kind, as_json=as_json)


def workers(as_json: AsJson = False, url: Url = None, token: Token = None) -> None:
    """List workers, and how many jobs each runs."""
    from runlane.cli import queue

    queue.list_workers(_server(url, token), as_json=as_json)


def pause(as_json: AsJson = False, url: Url = None, token: Token = None) -> None:
    """Have workers begin no more jobs; running ones go on."""
    from runlane.cli import queue

    queue.pause(_server(url, token), as_json=as_json)


def resume(as_json: AsJson = False, url: Url = None, token: Token = None) -> None:
    """Have workers begin jobs again."""
    from runlane.cli import queue

    queue.resume(_server(url, token), as_json=as_json)


def _server(url: str | None, token: str | None) -> "Server":
    from runlane.cli.session import Server

    return Server(url, token)
