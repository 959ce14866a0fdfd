"""Children of the launcher: started again with growing pauses, ended with all that they started."""

import asyncio
import os
from pathlib import Path

import pytest

from runlane.errors import StartRefused
from runlane.launcher.supervisor import Child, Supervisor
from testbed.waiting import PATIENCE_S, until


class NoGuard:
    """Stands in for the guard process, which is tested with the launcher."""

    def watch(self, group: int) -> None:
        pass

    def forget(self, group: int) -> None:
        pass


def child(script: str, **options) -> Child:
    return Child("made", ["sh", "-c", script], NoGuard(), env=dict(os.environ), cwd=Path.cwd(), **options)


async def test_a_child_that_dies_is_started_again_after_pauses_that_grow(caplog):
    failing = child("exit 1", first_pause_s=0.1)
    kept = asyncio.create_task(failing.keep())

    async def log() -> str:
        return caplog.text

    await until(log, lambda text: "starting it again in 0.4 s" in text)
    failing.end()

    await kept
    pauses = [line.partition("again in ")[2] for line in caplog.text.splitlines() if "again in" in line]
    assert pauses[:3] == ["0.1 s.", "0.2 s.", "0.4 s."]


async def test_a_child_that_waits_to_be_started_again_does_not_hold_up_the_end(caplog):
    failing = child("exit 1", first_pause_s=3600)
    kept = asyncio.create_task(failing.keep())

    async def log() -> str:
        return caplog.text

    await until(log, lambda text: "starting it again in 3600.0 s" in text)
    failing.end()

    await asyncio.wait_for(kept, PATIENCE_S)


async def test_a_child_that_says_it_may_not_start_is_not_started_again():
    with pytest.raises(StartRefused):
        await asyncio.wait_for(child("exit 2").keep(), PATIENCE_S)


async def test_a_child_that_has_run_is_started_again_whatever_its_exit_code(caplog):
    """A job may call ``os._exit(2)``; that is no reason to end everything else."""
    supervisor = Supervisor(NoGuard())
    supervisor.add(child("exit 2", first_pause_s=3600))
    supervisor.all_run()

    async def log() -> str:
        return caplog.text

    await until(log, lambda text: "The made ended (exit code 2); starting it again" in text)
    await supervisor.end()


async def test_what_a_dead_child_left_in_its_group_ends_with_it(tmp_path):
    left = tmp_path / "left"
    parent = child(f"sleep 60 & echo $! > {left}; exit 1")
    kept = asyncio.create_task(parent.keep())

    async def orphan() -> int | None:
        return int(left.read_text()) if left.exists() and left.read_text().strip() else None

    pid = await until(orphan)

    async def is_gone() -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
        except FileNotFoundError:
            return True

    await until(is_gone)
    parent.end()
    await kept


async def test_the_first_child_is_asked_to_end_after_those_that_use_it(tmp_path):
    order = tmp_path / "order"
    script = "trap 'echo {0} >> {1}; exit 0' TERM; echo started {0}; while :; do sleep 0.01; done"
    seen: list[str] = []
    supervisor = Supervisor(NoGuard())
    for name in ("first", "second"):
        supervisor.add(child(script.format(name, order), on_line=seen.append))

    async def started() -> list[str]:
        return seen

    await until(started, lambda lines: len(lines) == 2)
    await supervisor.end()

    assert order.read_text().split() == ["second", "first"]


async def test_a_stop_during_a_replacement_ends_both_politely(tmp_path):
    asked, order = tmp_path / "asked", tmp_path / "order"
    # the second signal ends it, as it does a worker that hands its jobs back
    old = child(
        f"n=0; trap 'n=$((n+1)); touch {asked}; [ $n -gt 1 ] && echo old >> {order} && exit 0' TERM; "
        "while :; do sleep 0.01; done"
    )
    new = child(f"trap 'echo new >> {order}; exit 0' TERM; touch {tmp_path / 'new'}; while :; do sleep 0.01; done")
    supervisor = Supervisor(NoGuard())
    supervisor.add(old)

    async def is_there(path: Path) -> bool:
        return path.exists()

    async def ready() -> None:
        await until(lambda: is_there(tmp_path / "new"))

    replacing = asyncio.create_task(supervisor.replace(old, new, ready()))
    await until(lambda: is_there(asked))
    replacing.cancel()
    await asyncio.gather(replacing, return_exceptions=True)
    await supervisor.end()

    assert sorted(order.read_text().split()) == ["new", "old"]
