"""A part of a process that dies is started again, and said to be down as long as it keeps dying."""

import asyncio

import pytest

from runlane import parts as parts_module
from runlane.parts import Parts
from testbed.waiting import until


@pytest.fixture
async def parts():
    made = Parts(pause_s=0.001)
    yield made
    await made.end()


async def forever():
    await asyncio.Event().wait()


def failing(times: int, error: Exception | None = None):
    """A loop that fails so many times, and how often it began."""
    begun: list[int] = []

    async def loop():
        begun.append(1)
        if len(begun) <= times:
            if error is not None:
                raise error
            return
        await forever()

    return loop, begun


async def test_a_part_that_fails_is_started_again_and_logged_with_its_traceback(parts, caplog):
    loop, begun = failing(3, OverflowError("too large"))

    parts.start({"alerts": loop})

    await until(lambda: _now(len(begun)), lambda number: number == 4)
    assert parts.failures == {"alerts": 3}
    assert "OverflowError: too large" in caplog.text
    assert "The part 'alerts' of this server is down" in caplog.text


@pytest.mark.parametrize("error", [None, asyncio.CancelledError()])
async def test_one_that_ends_or_is_cancelled_from_within_is_too(parts, error):
    loop, begun = failing(1, error)

    parts.start({"alerts": loop})

    await until(lambda: _now(len(begun)), lambda number: number == 2)
    [down] = parts.down()
    assert down.error == ("CancelledError" if error else "ended by itself")


async def test_it_is_down_since_its_first_failure_until_it_is_steady(parts, monkeypatch):
    loop, begun = failing(2, KeyError("x"))
    parts.start({"steady": forever, "alerts": loop})
    await until(lambda: _now(len(begun)), lambda number: number == 3)
    [down] = parts.down()
    assert (down.name, down.error) == ("alerts", "KeyError")

    monkeypatch.setattr(parts_module, "STEADY_S", 0.0)

    assert parts.down() == []


async def test_others_go_on_and_all_end_together(parts):
    turns = 0

    async def turning():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    loop, _ = failing(10**9, ValueError("x"))
    parts.start({"alerts": loop, "pages": turning})
    await until(lambda: _now(parts.failures["alerts"]), lambda number: number > 2)
    before = turns

    await until(lambda: _now(turns), lambda number: number > before + 10)
    await parts.end()

    ended = turns
    await asyncio.sleep(0)
    assert turns == ended


async def _now(value):
    return value
