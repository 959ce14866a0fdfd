"""What the jobs of a process share: made once, closed with it, and nobody's failure but its own."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar

import anyio
import pytest

from runlane import Resource
from runlane.engine.resources import Resources
from testbed.waiting import until

events: list[str] = []
who: ContextVar[str] = ContextVar("who", default="nobody")


@pytest.fixture(autouse=True)
def nothing_has_happened() -> None:
    events.clear()


@pytest.fixture
async def resources() -> AsyncIterator[Resources]:
    kept = Resources()
    yield kept
    await kept.close()


@Resource
async def browser() -> AsyncIterator[str]:
    events.append("browser opens")
    async with anyio.create_task_group() as tasks:  # must be left in the task that entered it
        yield "a browser"
        tasks.cancel_scope.cancel()
    events.append("browser closes")


@Resource
def model() -> Iterator[str]:
    events.append(f"model in {threading.current_thread().name}")
    yield "a model"
    events.append(f"model out {threading.current_thread().name}")


async def test_jobs_at_once_wait_for_the_same_making(resources):
    got = await asyncio.gather(*(resources.get(browser) for _ in range(5)))

    assert got == ["a browser"] * 5
    assert events == ["browser opens"]


async def test_they_close_in_reverse_order(resources):
    await resources.get(browser)
    await resources.get(model)

    await asyncio.create_task(resources.close())  # another task than the one that had them made

    [thread] = {event.split()[-1] for event in events if event.startswith("model")}
    assert events == ["browser opens", f"model in {thread}", f"model out {thread}", "browser closes"]
    assert thread != threading.current_thread().name


async def test_a_plain_generator_does_not_block_the_loop(resources):
    may_go_on = threading.Event()

    @Resource
    def slow() -> Iterator[str]:
        may_go_on.wait()
        yield "slow"

    getting = asyncio.create_task(resources.get(slow))
    await asyncio.sleep(0)
    may_go_on.set()  # which a blocked loop could not do

    assert await getting == "slow"


async def test_a_failure_is_everybodys_who_waits_and_the_next_one_has_it_made_again(resources):
    makings = 0

    @Resource
    async def shaky() -> AsyncIterator[int]:
        nonlocal makings
        makings += 1
        await asyncio.sleep(0)
        if makings == 1:
            raise ConnectionError("the model server is away")
        yield makings

    failed = await asyncio.gather(*(resources.get(shaky) for _ in range(3)), return_exceptions=True)

    assert [str(error) for error in failed] == ["the model server is away"] * 3
    assert all(isinstance(error, ConnectionError) for error in failed)
    assert await resources.get(shaky) == 2


async def test_a_job_that_is_cancelled_while_it_waits_breaks_it_for_nobody(resources):
    may_go_on = asyncio.Event()

    @Resource
    async def slow() -> AsyncIterator[str]:
        await may_go_on.wait()
        yield "slow"

    first, second = (asyncio.create_task(resources.get(slow)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    may_go_on.set()

    assert first.cancelled()
    assert await second == "slow"


async def test_it_is_made_outside_of_the_job_that_asked_first(resources):
    @Resource
    async def asked_by() -> AsyncIterator[str]:
        yield who.get()

    who.set("the first job")

    assert await resources.get(asked_by) == "nobody"


@pytest.mark.parametrize("ending", [SystemExit(3), KeyboardInterrupt()])
async def test_one_that_wants_to_end_the_process_only_fails_its_jobs(resources, ending):
    @Resource
    async def deadly() -> AsyncIterator[None]:
        raise ending
        yield

    with pytest.raises(RuntimeError, match="The resource deadly wanted to end the process"):
        await resources.get(deadly)


@pytest.mark.parametrize("plain", [True, False])
async def test_one_that_yields_nothing_says_so(resources, plain):
    @Resource
    async def nothing() -> AsyncIterator[None]:
        if plain is None:
            yield

    @Resource
    def plain_nothing() -> Iterator[None]:
        if plain is None:
            yield

    with pytest.raises(RuntimeError, match="yielded nothing; it must yield once"):
        await resources.get(plain_nothing if plain else nothing)


async def test_one_that_breaks_while_it_is_kept_is_made_again(resources, caplog):
    makings = 0

    async def lose_connection() -> None:
        raise ConnectionError("gone")

    @Resource
    async def connection() -> AsyncIterator[int]:
        nonlocal makings
        makings += 1
        async with asyncio.TaskGroup() as tasks:
            if makings == 1:
                tasks.create_task(lose_connection())
            yield makings

    await resources.get(connection)

    await until(lambda: asyncio.sleep(0, "The resource connection failed." in caplog.text))
    assert await resources.get(connection) == 2


async def test_an_error_while_closing_is_logged_and_the_others_are_closed(caplog):
    resources = Resources()

    @Resource
    async def bad() -> AsyncIterator[None]:
        yield
        raise OSError("cannot flush")

    await resources.get(browser)
    await resources.get(bad)

    await resources.close()

    assert "cannot flush" in caplog.text
    assert events == ["browser opens", "browser closes"]


async def test_one_that_does_not_close_keeps_no_worker_from_ending(caplog):
    resources = Resources()

    @Resource
    async def endless() -> AsyncIterator[None]:
        yield
        await asyncio.Event().wait()

    await resources.get(browser)
    await resources.get(endless)

    await resources.close(within_s=0.2)

    assert "The resource endless did not close within 0.1 s." in caplog.text
    assert events == ["browser opens", "browser closes"]


async def test_closing_ends_a_making_and_those_who_wait_for_it():
    resources = Resources()

    @Resource
    async def slow() -> AsyncIterator[None]:
        await asyncio.Event().wait()
        yield

    waiting = asyncio.create_task(resources.get(slow))
    await asyncio.sleep(0)
    await resources.close()

    with pytest.raises(RuntimeError, match="The making of the resource slow was cancelled"):
        await waiting
    with pytest.raises(RuntimeError, match="The worker stops"):
        await resources.get(slow)


async def test_what_a_thread_makes_after_all_is_closed():
    resources = Resources()
    begun, may_go_on, closed = (threading.Event() for _ in range(3))

    @Resource
    def late() -> Iterator[None]:
        begun.set()
        may_go_on.wait()
        yield
        closed.set()

    waiting = asyncio.create_task(resources.get(late))
    await asyncio.to_thread(begun.wait, 60)
    await resources.close()
    await asyncio.wait([waiting])
    may_go_on.set()

    assert await asyncio.to_thread(closed.wait, 60)
    assert isinstance(waiting.exception(), RuntimeError)


async def test_a_fake_takes_its_place_and_none_is_made(resources):
    resources.replace({browser: "a fake"})

    assert await resources.get(browser) == "a fake"
    assert events == []


async def test_only_resources_can_be_replaced(resources):
    with pytest.raises(TypeError, match="'browser' is no resource"):
        resources.replace({"browser": "a fake"})
