"""What every command of the client needs: a connection that ends in an exit code, and jobs by their short ids."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar
from uuid import UUID

import typer

from runlane.cli.exits import DONE, REFUSED, UNREACHABLE, remark
from runlane.client.client import Client
from runlane.client.errors import Incompatible, NotFound, NotRunlane, Refused, RunlaneError, ServerFailed, Unreachable
from runlane.errors import JobsError
from runlane.model.snapshot import short_id

R = TypeVar("R")
_AWAY = (Unreachable, NotRunlane, ServerFailed, Incompatible)
_ENDING = re.compile(r"[0-9a-fA-F-]{4,36}")
MAX_NAMED = 5


@dataclass(frozen=True)
class Server:
    """Where Runlane answers, and what lets one in; ``None``: from the environment, as for ``Client``."""

    url: str | None
    token: str | None

    def run(self, work: Callable[[Client], Coroutine[Any, Any, int]]) -> NoReturn:
        """Do ``work`` and end the command with its exit code, or with the one of what went wrong, which is printed."""

        async def working() -> int:
            async with Client(self.url, self.token) as client:
                return await work(client)

        try:
            code = asyncio.run(working())
        except (RunlaneError, JobsError) as exc:
            remark(sentence(exc))
            code = code_of(exc)
        raise typer.Exit(code)


def code_of(exc: RunlaneError | JobsError) -> int:
    """The exit code of a command that this ends."""
    return UNREACHABLE if isinstance(exc, _AWAY) else REFUSED


def sentence(exc: Exception) -> str:
    """What went wrong, with a line a field where fields are wrong."""
    errors = getattr(exc, "errors", [])
    return "\n".join(f"{each.field.removeprefix('params.')}: {each.message}" for each in errors) or str(exc)


async def each(ids: Iterable[str], action: Callable[[UUID], Awaitable[R]], client: Client) -> tuple[list[R], int]:
    """What ``action`` gave for each of the jobs, and the exit code; a refused one is printed, and others go on."""
    done, code = list[R](), DONE
    for text in ids:
        try:
            done.append(await action(await job_id(client, text)))
        except Refused as exc:
            remark(sentence(exc))
            code = REFUSED
    return done, code


async def job_id(client: Client, text: str) -> UUID:
    """The id that is given whole, or by its end.

    Raises:
        NotFound: there is no such job, or there are several; the message names them.
    """
    try:
        return UUID(text)
    except ValueError:
        pass
    if not _ENDING.fullmatch(text):
        raise NotFound(f"{text[:100]!r} is no id of a job; give it whole, or its last 8 characters.", status=404)
    ending = text.lower().replace("-", "")
    found = [job.id async for job in client.list(q=f"id:{ending}", limit=200) if job.id.hex.endswith(ending)]
    if not found:
        raise NotFound(f"There is no job whose id ends in {text}. It may have been deleted.", status=404)
    if len(found) > 1:
        named = ", ".join(str(each) for each in found[:MAX_NAMED])
        raise NotFound(f"The ids of {len(found)} jobs end in {short_id(text)}; give more of it: {named}", status=404)
    return found[0]
