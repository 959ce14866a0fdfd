"""What ``runlane submit`` does: words become parameters, a job is made, and followed if that is asked for."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from runlane import plain_json
from runlane.cli import output
from runlane.cli.exits import DONE, REFUSED, remark
from runlane.cli.following import Display, code_of, display, watch
from runlane.cli.jobs import print_outcome
from runlane.cli.session import Server
from runlane.cli.values import params_of
from runlane.client.client import Client
from runlane.errors import InvalidInput
from runlane.model.snapshot import JobSnapshot
from runlane.model.status import JobStatus

_DELAY = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)")
_UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}


@dataclass(frozen=True)
class Wanted:
    """A submission, in the words of the command line."""

    kind: str
    words: Sequence[str]
    params: str | None
    priority: int | None
    delay: str | None
    at: str | None
    max_attempts: int | None
    key: str | None


def submit(server: Server, wanted: Wanted, *, wait: bool, as_json: bool) -> None:
    """Submit a job and print its id; or wait for it, and print its result."""

    async def submitting(client: Client) -> int:
        options, whole = _options(wanted), None if wanted.params is None else _json(wanted.params)
        schema = await _schema(client, wanted.kind) if wanted.words else {}
        params = params_of(wanted.words, schema, whole)
        run = await client.with_options(**options).submit(wanted.kind, **params)
        job = await run.get() if run.snapshot is None else run.snapshot
        if wait:
            return await _wait(client, job, as_json=as_json)
        if as_json:
            output.print_json(job)
        else:
            print(job.id)
            remark(f"Job {job.short_id} ({job.kind}) is {job.status}. To follow it: runlane follow {job.short_id}")
        return DONE

    server.run(submitting)


def _options(wanted: Wanted) -> dict[str, Any]:
    if wanted.delay is not None and wanted.at is not None:
        raise InvalidInput.of("--at", "give either --delay or --at")
    return {
        "priority": wanted.priority,
        "delay_s": None if wanted.delay is None else delay_s(wanted.delay),
        "scheduled_for": None if wanted.at is None else time_of(wanted.at),
        "max_attempts": wanted.max_attempts,
        "idempotency_key": wanted.key,
    }


async def _wait(client: Client, job: JobSnapshot, *, as_json: bool) -> int:
    # what is waited for goes to standard output alone
    [ended] = await watch(client, [job], Display() if as_json else display(sys.stderr))
    if ended is None:
        return REFUSED
    if as_json:
        output.print_json(ended)
        return print_outcome(ended, is_quiet=True)
    if ended.status is JobStatus.COMPLETED:
        output.print_value(ended.result)
    return code_of(ended)


async def _schema(client: Client, kind: str) -> dict[str, Any]:
    """What the parameters of a kind are; nothing for one that is unknown, which the server refuses in its words."""
    return next((each.params_schema for each in await client.kinds() if each.name == kind), {})


def _json(given: str) -> Any:
    """The value of ``--params``: JSON, ``@`` and a file that has it, or ``-`` for standard input."""
    try:
        if given == "-":
            return plain_json.loads(sys.stdin.buffer.read())
        return plain_json.loads(Path(given[1:]).read_bytes() if given.startswith("@") else given)
    except InvalidInput as exc:
        raise InvalidInput.of("--params", exc.errors[0].message) from exc
    except OSError as exc:
        raise InvalidInput.of("--params", f"the file {given[1:]} cannot be read: {exc.strerror}") from exc


def delay_s(text: str) -> float:
    """The seconds of ``30``, ``30s``, ``10m``, ``2h`` or ``1d``."""
    matched = _DELAY.fullmatch(text)
    if matched is None:
        raise InvalidInput.of("--delay", f"{text[:100]!r} is no time; give seconds, or such as 30s, 10m, 2h or 1d")
    return float(matched[1]) * _UNITS_S[matched[2]]


def time_of(text: str) -> datetime:
    """A time that names its offset; one that does not is of this machine's clock."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError) as exc:
        raise InvalidInput.of("--at", f"{text[:100]!r} is no time; give one such as 2026-01-31T18:30") from exc
