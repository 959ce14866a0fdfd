"""What a form would start, as code that starts the same: a request, Python, a command. No I/O.

``body`` is what ``POST /api/jobs`` takes; ``url`` is where this server answers.
"""

import json
import keyword
import shlex
from typing import Any

from runlane.cli.values import words_of
from runlane.kinds.schemas import Schema

# Where the client and the command line look by themselves.
USUAL_URLS = ("http://localhost:8000", "http://127.0.0.1:8000")
# What is not a parameter, and how the command line calls it.
OPTIONS = {
    "priority": "--priority",
    "delay_s": "--delay",
    "scheduled_for": "--at",
    "max_attempts": "--max-attempts",
}

_PYTHON = """import asyncio
{times}
from runlane import Client


async def main() -> None:
    async with Client({url!r}) as client:
        run = await {submit}
        print(await run.result())


asyncio.run(main())
"""


def curl(url: str, body: dict[str, Any]) -> str:
    """A request with curl."""
    address = shlex.quote(f"{url}/api/jobs")
    return f"curl -X POST {address} -H 'Content-Type: application/json' -d {shlex.quote(json.dumps(body))}"


def python(url: str, body: dict[str, Any]) -> str:
    """A program that starts the job, and prints its result."""
    options = ", ".join(f"{name}={_option(name, body[name])}" for name in OPTIONS if name in body)
    client = f"client.with_options({options})" if options else "client"
    times = "from datetime import datetime\n" if "scheduled_for" in body else ""
    return _PYTHON.format(times=times, url=url, submit=f"{client}.submit({', '.join(_arguments(body))})")


def command(url: str, body: dict[str, Any], schema: Schema) -> str:
    """A command that starts the job, and follows it to its end; ``schema``: of the kind's parameters."""
    words = ["runlane", "submit", body["kind"], *words_of(body.get("params", {}), schema)]
    for name, option in OPTIONS.items():
        if name in body:
            words += [option, str(body[name])]
    where = "" if url in USUAL_URLS else f"RUNLANE_URL={shlex.quote(url)} "
    return where + shlex.join([*words, "--wait"])


def _option(name: str, value: Any) -> str:
    return f"datetime.fromisoformat({value!r})" if name == "scheduled_for" else repr(value)


def _arguments(body: dict[str, Any]) -> list[str]:
    """The kind, and its parameters as keywords; those whose names are none in Python, in a dictionary."""
    params = body.get("params", {})
    plain = {name: value for name, value in params.items() if name.isidentifier() and not keyword.iskeyword(name)}
    others = {name: value for name, value in params.items() if name not in plain}
    return [
        repr(body["kind"]),
        *(f"{name}={value!r}" for name, value in plain.items()),
        *([f"**{others!r}"] if others else []),
    ]
