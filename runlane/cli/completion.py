"""What the shell offers when somebody presses Tab: kinds, their parameters and ids of jobs, from the server.

If it is away or slow, nothing is offered, and nothing is said: a completion that prints disturbs what is being typed.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import typer

from runlane.text import without_controls

if TYPE_CHECKING:
    from runlane.client.client import Client

ANSWER_WITHIN_S = 1.0
MAX_OFFERED = 30

Offers = list[tuple[str, str]]
Completion = Callable[[typer.Context, str], Offers]
R = TypeVar("R")


def statuses(incomplete: str) -> list[str]:
    """The statuses that a job can have."""
    from runlane.model.status import JobStatus

    return [status for status in JobStatus if status.startswith(incomplete)]


def kinds(context: typer.Context, incomplete: str) -> Offers:
    """The names of kinds, with their titles."""

    async def offered(client: "Client") -> Offers:
        return [(kind.name, kind.title) for kind in await client.kinds() if kind.name.startswith(incomplete)]

    return _asked(context, offered)


def params(context: typer.Context, incomplete: str) -> Offers:
    """The parameters of the kind that was typed before, with their descriptions."""

    async def offered(client: "Client") -> Offers:
        found = [kind for kind in await client.kinds() if kind.name == context.params.get("kind")]
        properties = found[0].params_schema.get("properties", {}) if found else {}
        return [
            (f"{name}=", str(each.get("description", "")))
            for name, each in properties.items()
            if name.startswith(incomplete)
        ]

    return _asked(context, offered)


def job_ids(*statuses: str) -> Completion:
    """A completion with the newest jobs in these statuses, in any if there are none."""

    def complete(context: typer.Context, incomplete: str) -> Offers:
        async def offered(client: "Client") -> Offers:
            jobs = [job async for job in client.list(status=statuses, limit=MAX_OFFERED)]
            return [
                (job.short_id, f"{job.kind} {job.status} {job.title}".strip())
                for job in jobs
                if job.short_id.startswith(incomplete)
            ]

        return _asked(context, offered)

    return complete


def _asked(context: typer.Context, ask: "Callable[[Client], Awaitable[Offers]]") -> Offers:
    """What the server that the options name offers."""
    import asyncio

    from runlane.client.client import Client
    from runlane.client.errors import RunlaneError

    async def asking() -> Offers:
        async with Client(context.params.get("url"), context.params.get("token"), timeout=ANSWER_WITHIN_S) as client:
            return await asyncio.wait_for(ask(client), ANSWER_WITHIN_S)

    before = logging.root.manager.disable
    logging.disable()
    try:
        return [(each, without_controls(about)) for each, about in asyncio.run(asking())]
    except (RunlaneError, OSError):  # TimeoutError is one
        return []
    finally:
        logging.disable(before)
