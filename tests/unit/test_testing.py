"""``runlane.testing``: jobs run in a test as a worker runs them, without a server and without a wait."""

import asyncio
import logging
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import uvloop
from pydantic import BaseModel

from runlane import Context, GiveUp, Resource, SyncContext, job
from runlane.define import job as job_module
from runlane.errors import InvalidInput
from runlane.testing import LogLine, run_job, run_job_sync

log = logging.getLogger("shop")
DAY_S = 86_400


class Found(BaseModel):
    pages: int
    total: float


class Browser:
    def __init__(self, prices: dict[str, float]) -> None:
        self._prices = prices

    async def price(self, page: str) -> float:
        return self._prices[page]


opened: list[str] = []


@Resource
async def chromium() -> AsyncIterator[Browser]:
    opened.append("open")
    yield Browser({"1": 1.5, "2": 2.5, "3": 3.5})
    opened.append("closed")


@job(name="crawl_in_a_test", max_attempts=3, backoff=[60, 600], timeout=10 * DAY_S)
async def crawl(ctx: Context, pages: int = 2, browser: Browser = chromium) -> Found:
    """Adds up the prices of a shop."""
    async for page in ctx.steps([str(n) for n in range(1, pages + 1)], "Page {}"):
        await ctx.save(total=ctx.saved("total", 0) + await browser.price(page))
        await asyncio.sleep(DAY_S)
    await ctx.artifact("prices.csv", b"1.5", "text/csv")
    log.info("Read %d pages", pages)
    print("done")
    return Found(pages=pages, total=ctx.saved("total"))


@job(name="add_in_a_test")
def add(ctx: SyncContext, numbers: list[int]) -> int:
    for number in ctx.steps(numbers, "Number {}"):
        print("adding", number)
        ctx.save(total=ctx.saved("total", 0) + number)
    ctx.progress(1, 2)
    return ctx.saved("total")  # type: ignore[no-any-return]


@pytest.fixture(autouse=True)
def only_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs that a test defines are known to it alone."""
    monkeypatch.setattr(job_module, "_defined", {})


async def test_a_job_runs_for_days_in_no_time_and_says_what_it_did():
    began = time.monotonic()

    outcome = await run_job(crawl, pages=3)

    assert time.monotonic() - began < DAY_S
    assert outcome.status == "completed"
    assert outcome.result == Found(pages=3, total=7.5)
    assert outcome.steps == ["Page 1", "Page 2", "Page 3"]
    assert outcome.logs == [LogLine("Read 3 pages", "info", "shop"), LogLine("done", "info", "stdout")]
    assert [(each.name, each.content) for each in outcome.artifacts] == [("prices.csv", b"1.5")]
    assert outcome.saved.values == {"total": 7.5}
    assert (outcome.progress, outcome.attempts, outcome.error) == (100, 1, None)


async def test_resources_are_made_and_closed_unless_there_is_a_fake():
    opened.clear()

    await run_job(crawl, 1)
    faked = await run_job(crawl, 1, resources={chromium: Browser({"1": 20.0})})

    assert opened == ["open", "closed"]
    assert faked.result.total == 20.0


async def test_wrong_parameters_are_refused_by_name():
    with pytest.raises(InvalidInput) as refused:
        await run_job(crawl, pages="many")
    with pytest.raises(TypeError, match="has no parameter 'page'"):
        await run_job(crawl, page=3)

    assert [error.field for error in refused.value.errors] == ["params.pages"]


async def test_a_fake_for_a_resource_that_the_job_does_not_use_is_refused():
    with pytest.raises(TypeError, match="'add_in_a_test' does not use the resource chromium; it has none"):
        await run_job(add, [1], resources={chromium: None})


async def test_what_is_no_job_is_refused():
    with pytest.raises(TypeError, match="is no job; decorate the function with @job"):
        await run_job(print)


async def test_a_failed_attempt_goes_on_where_it_stopped():
    prices = {"1": 1.0}

    class Filling(Browser):
        async def price(self, page: str) -> float:
            try:
                return prices[page]
            except KeyError:
                prices[page] = 5.0
                raise

    outcome = await run_job(crawl, pages=3, resources={chromium: Filling(prices)})

    assert outcome.result.total == 11.0
    assert outcome.steps == ["Page 1", "Page 2", "Page 2", "Page 3", "Page 3"]
    assert outcome.attempts == 3
    assert outcome.pauses_s == [60, 600]
    assert [type(error) for error in outcome.errors] == [KeyError, KeyError]


async def test_the_last_failure_is_the_jobs():
    outcome = await run_job(crawl, pages=1, attempts=2, resources={chromium: Browser({})})

    assert (outcome.status, outcome.attempts) == ("failed", 2)
    assert isinstance(outcome.error, KeyError)
    with pytest.raises(KeyError):
        _ = outcome.result


async def test_giving_up_and_errors_that_are_not_to_be_tried_again_are_final():
    @job(retry_on=TimeoutError)
    async def picky(kind: str) -> None:
        raise {"give up": GiveUp("no such account"), "other": ValueError("?"), "slow": TimeoutError("slow")}[kind]

    ended = {kind: await run_job(picky, kind=kind) for kind in ("give up", "other", "slow")}

    assert {kind: outcome.attempts for kind, outcome in ended.items()} == {"give up": 1, "other": 1, "slow": 3}
    assert str(ended["give up"].error) == "no such account"


@pytest.mark.asyncio(loop_scope="function")  # what other tests have open on theirs has a timeout take its real time
async def test_a_job_that_takes_longer_than_it_may_is_ended():
    cleaned = []

    @job(timeout=300, max_attempts=1)
    async def sleepy() -> None:
        try:
            await asyncio.sleep(DAY_S)
        finally:
            cleaned.append(True)

    outcome = await run_job(sleepy)

    assert (outcome.status, str(outcome.error), cleaned) == ("failed", "It ran longer than 300 seconds.", [True])


async def test_a_cancel_at_a_step_ends_it_there_and_a_retry_goes_on():
    cancelled = await run_job(crawl, pages=3, cancel_at="Page 2")
    again = await run_job(crawl, pages=3, saved=cancelled.saved)

    assert (cancelled.status, cancelled.steps) == ("cancelled", ["Page 1", "Page 2"])
    assert cancelled.attempts == 1
    with pytest.raises(RuntimeError, match="The job was cancelled"):
        _ = cancelled.result
    assert again.steps == ["Page 2", "Page 3"]
    assert again.result.total == 7.5


async def test_values_from_earlier_can_be_given():
    outcome = await run_job(crawl, pages=1, saved={"total": 100})

    assert outcome.result.total == 101.5


async def test_a_job_that_swallows_its_cancel_is_cancelled_again():
    @job
    async def swallows_two(ctx: Context) -> str:
        await_again = 0
        while True:
            try:
                await ctx.step(f"Round {await_again}")
                await asyncio.sleep(DAY_S)
            except asyncio.CancelledError:
                await_again += 1
                if await_again == 3:
                    assert ctx.cancelled
                    raise

    outcome = await run_job(swallows_two, cancel_at="Round 0")

    assert (outcome.status, outcome.steps) == ("cancelled", ["Round 0", "Round 1", "Round 2"])


async def test_a_job_that_never_stops_fails_the_test_that_cancels_it():
    over = False

    @job
    async def deaf(ctx: Context) -> None:
        while not over:
            try:
                await ctx.step("Begin")
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                continue

    with pytest.raises(RuntimeError, match=r"'deaf' was cancelled and still ran 10 s later"):
        await run_job(deaf, cancel_at="Begin")
    over = True


def test_plain_functions_run_too_and_so_do_plain_tests():
    outcome = run_job_sync(add, [1, 2, 3])

    assert (outcome.result, outcome.progress) == (6, 100)
    assert outcome.steps == ["Number 1", "Number 2", "Number 3"]
    assert [line.text for line in outcome.logs] == ["adding 1", "adding 2", "adding 3"]


def test_a_plain_function_is_ended_at_the_step_where_it_is_cancelled():
    outcome = run_job_sync(add, [1, 2, 3], cancel_at="Number 2")

    assert (outcome.status, outcome.saved.values) == ("cancelled", {"total": 1})


def test_a_plain_function_gets_plain_resources():
    @Resource
    def factor() -> Iterator[int]:
        yield 7

    assert run_job_sync(multiply_by(factor), 6).result == 42


def multiply_by(factor: Any) -> Any:
    def multiply(number: int, by: int = factor) -> int:
        return number * by

    multiply.__qualname__ = "multiply"
    return job(multiply)


async def test_programs_and_threads_are_real():
    @job(max_attempts=1)
    async def both(ctx: Context, code: int = 0) -> str:
        await ctx.process(sys.executable, "-c", f"print('from a program'); raise SystemExit({code})")
        return await ctx.thread(str.upper, "from a thread")

    outcome = await run_job(both)
    failed = await run_job(both, code=3)

    assert outcome.result == "FROM A THREAD"
    assert LogLine("from a program") in outcome.logs
    assert "ended with code 3: from a program" in str(failed.error)


async def test_a_timeout_around_something_real_takes_its_real_time():
    async def answer_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.to_thread(time.sleep, 0.1)
        writer.write(b"late\n")
        writer.close()

    server = await asyncio.start_server(answer_late, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    @job(timeout=2 * DAY_S)
    async def fetch(ctx: Context) -> str:
        await asyncio.sleep(DAY_S)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(20):
            line = await reader.readline()
        writer.close()
        return line.decode().strip()

    outcome = await run_job(fetch)
    server.close()

    assert outcome.result == "late"


async def test_timeouts_and_sleeps_keep_their_order():
    @job
    async def impatient() -> list[str]:
        seen = []
        try:
            async with asyncio.timeout(10):
                await asyncio.sleep(60)
        except TimeoutError:
            seen.append("timeout")
        done, _ = await asyncio.wait([asyncio.create_task(asyncio.sleep(s, s)) for s in (3, 1)], timeout=2)
        return [*seen, *(str(task.result()) for task in done)]

    assert (await run_job(impatient)).result == ["timeout", "1"]


async def test_the_loops_clock_never_goes_back():
    loop = asyncio.get_running_loop()
    before = loop.time()

    await run_job(crawl, pages=1)

    assert loop.time() >= before + DAY_S


async def test_jobs_may_run_side_by_side():
    outcomes = await asyncio.gather(run_job(crawl, pages=1), run_job(add, [4]))

    assert [outcome.status for outcome in outcomes] == ["completed", "completed"]
    assert [line.logger for line in outcomes[0].logs] == ["shop", "stdout"]
    assert [line.text for line in outcomes[1].logs] == ["adding 4"]


def test_on_another_loop_than_asyncios_the_test_is_told_what_to_do():
    with pytest.raises(RuntimeError, match="skip_sleeps=False"):
        uvloop.run(run_job(add, [1]))

    assert uvloop.run(run_job(add, [1], skip_sleeps=False)).result == 1


async def test_a_parameter_that_is_called_like_an_option_is_given_in_params():
    @job
    async def poll(attempts: int) -> int:
        return attempts

    assert (await run_job(poll, params={"attempts": 7})).result == 7


async def test_a_result_that_json_cannot_hold_fails_the_job():
    @job(max_attempts=1)
    async def odd() -> Any:
        return float("nan")

    assert "JSON cannot hold" in str((await run_job(odd)).error)


async def test_a_result_of_another_type_than_was_said_is_an_error_of_the_test():
    @job
    async def wrong() -> int:
        return "five"  # type: ignore[return-value]

    with pytest.raises(TypeError, match="'wrong' returned 'five', not what it says it returns"):
        await run_job(wrong)


async def test_a_job_that_wants_to_end_the_process_fails():
    @job(max_attempts=1)
    async def leave() -> None:
        sys.exit(3)

    assert "wanted to end the process" in str((await run_job(leave)).error)


def test_what_is_printed_is_still_captured_by_pytest(capsys):
    run_job_sync(add, [1])

    assert capsys.readouterr().out == "adding 1\n"
