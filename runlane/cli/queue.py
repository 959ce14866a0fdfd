"""What the commands about kinds, workers and the queue do."""

from collections.abc import Awaitable, Callable
from typing import Any

from rich.text import Text

from runlane import plain_json
from runlane.cli import output
from runlane.cli.exits import DONE, REFUSED, remark
from runlane.cli.session import Server
from runlane.client.client import Client
from runlane.client.replies import KindInfo, QueueInfo
from runlane.kinds.schemas import Schema, alternatives
from runlane.text import counted, suggestion

STATES = {"running": "green", "quiet": "yellow", "lost": "red"}


def list_kinds(server: Server, name: str | None, *, as_json: bool) -> None:
    """Print what can be submitted, or what one kind takes."""

    async def listing(client: Client) -> int:
        kinds = sorted(await client.kinds(), key=lambda kind: kind.name)
        if name is not None:
            return _show_kind(name, kinds, as_json=as_json)
        if as_json:
            output.print_json(kinds)
            return DONE
        narrow = output.is_narrow()
        rows = [(kind.name, *(() if narrow else (_workers(kind),)), kind.title) for kind in kinds]
        output.table(("KIND", *(() if narrow else ("WORKERS",)), "TITLE"), rows, stretch="TITLE")
        if not kinds:
            remark("No kinds. A worker brings them: runlane worker my_jobs")
        return DONE

    server.run(listing)


def _workers(kind: KindInfo) -> str:
    return str(kind.workers if isinstance(kind.workers, int) else len(kind.workers))


def _show_kind(name: str, kinds: list[KindInfo], *, as_json: bool) -> int:
    found = next((kind for kind in kinds if kind.name == name), None)
    if found is None:
        hint = suggestion(name, [kind.name for kind in kinds])
        remark(f"There is no kind {name[:200]!r}.{hint} `runlane kinds` lists them.")
        return REFUSED
    if as_json:
        output.print_json(found)
        return DONE
    print(output.plain(f"{found.name}: {found.title}"))
    if found.description:
        print(output.plain(found.description))
    schema = found.params_schema
    required = schema.get("required", [])
    rows = [
        (param, _type(each, schema), "required" if param in required else _default(each), each.get("description", ""))
        for param, each in schema.get("properties", {}).items()
    ]
    output.table(("PARAMETER", "TYPE", "DEFAULT", "ABOUT"), rows, stretch="ABOUT")
    return DONE


def _type(schema: Any, whole: Schema) -> str:
    """The types that a parameter may have, in a few words."""
    ways = list(alternatives(schema, whole))
    values = next((way["enum"] for way in ways if "enum" in way), None)
    if values is not None:
        return "|".join(map(str, values))
    types = [way["type"] for way in ways if isinstance(way.get("type"), str)]
    return "|".join(dict.fromkeys(types)) or "any"


def _default(schema: Schema) -> str:
    return plain_json.dumps(schema["default"]) if "default" in schema else ""


def list_workers(server: Server, *, as_json: bool) -> None:
    """Print the workers of the last day."""

    async def listing(client: Client) -> int:
        workers = await client.workers()
        if as_json:
            output.print_json(workers)
            return DONE
        rows = [
            (
                worker.id,
                Text(worker.state, STATES.get(worker.state, "")),
                f"{len(worker.running)}/{worker.slots}",
                output.local(worker.last_seen_at),
            )
            for worker in workers
        ]
        shown = 3 if output.is_narrow() else 4
        headings = ("WORKER", "STATE", "SLOTS", "LAST HEARTBEAT")
        output.table(headings[:shown], [row[:shown] for row in rows], stretch="WORKER")
        if not workers:
            remark("No workers. Start one: runlane worker my_jobs")
        return DONE

    server.run(listing)


def pause(server: Server, *, as_json: bool) -> None:
    """Have workers begin no more jobs."""
    _change(server, lambda client: client.pause(), "The queue is paused", as_json=as_json)


def resume(server: Server, *, as_json: bool) -> None:
    """Have workers begin jobs again."""
    _change(server, lambda client: client.resume(), "The queue runs", as_json=as_json)


def _change(server: Server, change: Callable[[Client], Awaitable[QueueInfo]], done: str, *, as_json: bool) -> None:
    async def changing(client: Client) -> int:
        queue = await change(client)
        if as_json:
            output.print_json(queue)
        else:
            running, queued = (queue.counts.get(status, 0) for status in ("running", "queued"))
            print(f"{done}. {counted(running, 'running job')}, {counted(queued, 'queued job')}.")
        return DONE

    server.run(changing)
