"""A job's lines on their way to be kept: in order, in batches, and never filling memory."""

import asyncio
import logging
import threading
from collections.abc import Sequence

from runlane.engine import lines, output
from runlane.engine.lines import MAX_IN_WRITE, Line, LoopSink
from testbed.waiting import until


class Keeper:
    """Keeps lines, when it is let."""

    def __init__(self) -> None:
        self.batches: list[list[Line]] = []
        self.may_keep = asyncio.Event()
        self.may_keep.set()

    async def keep(self, batch: Sequence[Line]) -> None:
        await self.may_keep.wait()
        self.batches.append(list(batch))

    @property
    def texts(self) -> list[str]:
        return [line.text for batch in self.batches for line in batch]


async def test_lines_are_kept_in_order_and_in_batches():
    keeper = Keeper()
    sink = LoopSink(keeper.keep)

    for number in range(500):
        sink.emit(str(number), "info", "shop")
    await sink.close()

    assert keeper.texts == [str(number) for number in range(500)]
    assert max(map(len, keeper.batches)) == MAX_IN_WRITE
    assert keeper.batches[0][0] == Line("0", "info", "shop")


async def test_they_are_kept_while_the_job_runs():
    keeper = Keeper()
    sink = LoopSink(keeper.keep)

    await asyncio.to_thread(sink.emit, "early", "info", "shop")

    assert await until(lambda: asyncio.sleep(0, keeper.texts)) == ["early"]
    await sink.close()


async def test_threads_are_slowed_down_to_what_can_be_kept(monkeypatch):
    monkeypatch.setattr(lines, "MAX_WAITING", 50 * lines.LINE_COST)
    keeper = Keeper()
    sink = LoopSink(keeper.keep)
    keeper.may_keep.clear()
    written = 0

    def write() -> None:
        nonlocal written
        for _ in range(2000):
            sink.emit("", "info", "shop")
            written += 1

    writing = asyncio.create_task(asyncio.to_thread(write))
    await until(lambda: asyncio.sleep(0, written), lambda count: count >= 50)
    assert written <= 50 + MAX_IN_WRITE
    keeper.may_keep.set()
    await writing
    await sink.close()

    assert len(keeper.texts) == 2000


async def test_the_loop_itself_is_not_slowed_and_what_it_leaves_out_is_said(monkeypatch):
    monkeypatch.setattr(lines, "MAX_WAITING", 50 * lines.LINE_COST)
    keeper = Keeper()
    sink = LoopSink(keeper.keep)

    for _ in range(80):
        sink.emit("", "info", "shop")
    await sink.close()

    assert len(keeper.texts) == 51
    assert keeper.texts[-1] == "30 lines are left out here: they came faster than they could be kept."


async def test_lines_go_on_behind_those_that_were_left_out(monkeypatch):
    monkeypatch.setattr(lines, "MAX_WAITING", 2 * (lines.LINE_COST + 1))
    keeper = Keeper()
    sink = LoopSink(keeper.keep)

    for text in "abc":
        sink.emit(text, "info", "shop")
    await until(lambda: asyncio.sleep(0, len(keeper.texts) == 3))
    sink.emit("d", "info", "shop")
    await sink.close()

    assert [text[:19] for text in keeper.texts] == ["a", "b", "1 lines are left ou", "d"]


async def test_a_loop_that_waits_for_its_own_printing_thread_goes_on(monkeypatch):
    monkeypatch.setattr(lines, "MAX_WAITING", 10 * lines.LINE_COST)
    monkeypatch.setattr(lines, "STALLED_AFTER_S", 0.05)
    keeper = Keeper()
    sink = LoopSink(keeper.keep)

    thread = threading.Thread(target=lambda: [sink.emit("", "info", "shop") for _ in range(100)])
    thread.start()
    thread.join()  # blocks the loop, so that nothing is kept meanwhile
    await sink.close()

    assert keeper.texts[-1].startswith("90 lines are left out here")


async def test_what_is_logged_while_lines_are_kept_makes_no_lines():
    page: list[str] = []

    async def keep(batch: Sequence[Line]) -> None:
        page.extend(line.text for line in batch)
        logging.getLogger("database").warning("wrote %d", len(batch))

    output.install()
    sink = LoopSink(keep)
    with output.of_job(sink):
        logging.getLogger("shop").warning("one")
        await until(lambda: asyncio.sleep(0, page))
    await sink.close()
    output.uninstall()

    assert page == ["one"]


async def test_lines_that_cannot_be_kept_are_dropped_and_logged(caplog):
    async def keep(batch: Sequence[Line]) -> None:
        raise ValueError("no room on the disk")

    sink = LoopSink(keep)
    sink.emit("one", "info", "shop")
    await sink.close()
    sink.emit("two", "info", "shop")

    assert "The output of a job could not be kept." in caplog.text


def test_a_thread_that_outlives_its_loop_may_go_on_writing():
    async def make() -> LoopSink:
        return LoopSink(Keeper().keep)

    sink = asyncio.run(make())

    sink.emit("late", "info", "shop")
    sink.emit("later", "info", "shop")
