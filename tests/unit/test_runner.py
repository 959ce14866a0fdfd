"""One attempt from start to finish, with handlers made for each case."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

import pytest
from pydantic import field_validator

from runlane import GiveUp, Params
from runlane.composition import Services, compose
from runlane.define.context import Context
from runlane.engine import context, output
from runlane.engine.context import MAX_FROM_THREADS, MAX_PENDING
from runlane.engine.execution import Execution
from runlane.engine.plain.pool import PlainPool
from runlane.engine.resources import Resources
from runlane.engine.runner import Interruption, Runner
from runlane.engine.writer import Writer
from runlane.kinds.catalogue import Catalogue
from runlane.model.requests import Submission
from runlane.model.snapshot import JobSnapshot
from runlane.model.status import EventType, JobStatus
from runlane.settings import Settings
from testbed.attempts import start_attempt
from testbed.waiting import until
from tests.support.jobs import made_job


@dataclass
class Bench:
    """A runner with one kind, whose handler the test gives."""

    services: Services
    runner: Runner
    kinds: Catalogue
    registered: Catalogue
    begun: asyncio.Event

    async def submit(self, **more: Any) -> JobSnapshot:
        job, _ = await self.services.jobs.submit(Submission(kind="made", **more))
        return job

    async def run(self, job: JobSnapshot) -> JobSnapshot:
        run = self.runner.expect(job.id)
        if started := await start_attempt(self.services.jobs, job.id, "worker-1"):
            await self.runner.run(started, run)
        return await self.services.store.get(job.id)

    async def begin(self, job: JobSnapshot) -> asyncio.Task[JobSnapshot]:
        """The run of a job, when its handler is at its first line."""
        run = asyncio.create_task(self.run(job))
        await self.begun.wait()
        return run


@pytest.fixture
async def bench(world) -> AsyncIterator[Callable[..., Bench]]:
    writers: list[Writer] = []

    def make(handler: Callable[[Any, Context], Awaitable[Any]], *, cancel_grace_s: float = 60, **options: Any) -> Bench:
        config = world.config.model_copy(update={"cancel_grace_s": cancel_grace_s})
        begun = asyncio.Event()

        async def begin(params: Any, job: Context) -> Any:
            begun.set()
            return await handler(params, job)

        job = made_job(begin, **{"max_attempts": 1, **options})
        kinds = Catalogue([job.kind])
        services = compose(world.database, world.queue, world.events, kinds, config)

        writer = Writer(services.store, services.follow_up)
        writer.open()
        writers.append(writer)
        registered = Catalogue([job.kind])
        return Bench(services, runner_of(writer, job, services, registered, config), kinds, registered, begun)

    yield make
    for writer in writers:
        await writer.close()


def runner_of(writer: Writer, job: Any, services: Services, registered: Catalogue, config: Settings) -> Runner:
    return Runner(
        writer,
        {job.name: job},
        Execution(Resources(), PlainPool(["worker.tasks"], 1), registered, config.max_result_bytes),
        services.store.saved,
        config,
    )


async def test_what_a_handler_returns_is_the_result(bench):
    async def handler(params, job):
        return {"answer": 42}

    at = bench(handler)

    done = await at.run(await at.submit())

    assert (done.status, done.result, done.worker) == (JobStatus.COMPLETED, {"answer": 42}, "worker-1")


async def test_a_failure_is_kept_with_its_type_message_and_the_handlers_own_frames(bench):
    async def handler(params, job):
        raise LookupError("no such page")

    at = bench(handler)

    failed = await at.run(await at.submit())

    assert failed.status is JobStatus.FAILED
    assert (failed.error.type, failed.error.message) == ("LookupError", "no such page")
    assert "test_runner.py" in failed.error.traceback
    assert "runlane/engine/runner.py" not in failed.error.traceback


class Order(Params):
    count: int = 1

    @field_validator("count")
    @classmethod
    def _is_even(cls, count: int) -> int:
        if count % 2:
            raise ValueError("Value must be even")
        return count


async def test_parameters_that_only_the_jobs_own_validator_refuses_fail_it_at_once_naming_the_field(bench):
    async def handler(params, job):
        raise AssertionError("it never begins")

    at = bench(handler, params=Order, max_attempts=5)

    failed = await at.run(await at.submit(params={"count": 3}))

    assert (failed.status, failed.attempt, failed.error.type) == (JobStatus.FAILED, 1, "InvalidParams")
    assert failed.error.message == "params.count: value must be even"
    assert not at.begun.is_set()


async def test_parameters_of_another_version_of_the_job_are_tried_again_for_a_worker_that_has_it(bench):
    async def handler(params, job):
        raise AssertionError("it never begins")

    at = bench(handler, params=Order, max_attempts=5)
    at.registered.replace([replace(each, description="A newer version.") for each in at.kinds])

    waiting = await at.run(await at.submit(params={"count": 3}))

    assert (waiting.status, waiting.error.type) == (JobStatus.SCHEDULED, "OutdatedWorker")
    assert "This worker has another version of made" in waiting.error.message


async def test_an_error_that_is_not_to_be_tried_again_is_final(bench):
    async def handler(params, job):
        raise KeyError("no such shop")

    at = bench(handler, max_attempts=5, retry_on=(OSError,))

    failed = await at.run(await at.submit())

    assert (failed.status, failed.attempt) == (JobStatus.FAILED, 1)


async def test_a_job_that_gives_up_is_not_tried_again(bench):
    async def handler(params, job):
        raise GiveUp("The account is closed.")

    at = bench(handler, max_attempts=5)

    failed = await at.run(await at.submit())

    assert (failed.status, failed.attempt, failed.error.message) == (JobStatus.FAILED, 1, "The account is closed.")


async def test_a_failed_attempt_is_tried_again_until_none_is_left(bench):
    async def handler(params, job):
        raise RuntimeError(f"attempt {job.attempt}")

    at = bench(handler)
    job = await at.submit(max_attempts=3)

    for attempt in (1, 2):
        waiting = await at.run(job)
        assert (waiting.status, waiting.attempt) == (JobStatus.SCHEDULED, attempt + 1)
        await at.services.reconciler.queue_due([job.id], waiting.scheduled_for)
    last = await at.run(job)

    assert (last.status, last.error.message) == (JobStatus.FAILED, "attempt 3")


async def test_an_attempt_that_takes_too_long_is_ended_and_says_how_long_it_had(bench):
    async def handler(params, job):
        await asyncio.sleep(60)

    at = bench(handler, timeout=0.05)

    failed = await at.run(await at.submit())

    assert (failed.error.type, failed.error.message) == ("TimedOut", "It ran longer than 0.05 seconds.")


async def test_a_handler_that_swallows_its_time_limit_is_ended_all_the_same(bench):
    may_end = asyncio.Event()

    async def handler(params, job):
        while not may_end.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await may_end.wait()
        return "too late"

    at = bench(handler, timeout=0.05, cancel_grace_s=0.1)
    job = await at.submit()
    run = await at.begin(job)

    await until(lambda: at.services.store.get(job.id), lambda seen: seen.status is JobStatus.FAILED)
    may_end.set()

    failed = await run

    assert failed.status is JobStatus.FAILED
    assert failed.error.message == "It ran longer than 0.05 seconds and did not stop in time."


async def test_a_cancel_that_comes_before_the_first_line_is_heard(bench):
    async def handler(params, job):
        await asyncio.sleep(60)

    at = bench(handler)
    job = await at.submit()
    run = asyncio.create_task(at.run(job))
    await asyncio.sleep(0)

    at.runner.interrupt(job.id, Interruption.CANCEL)

    assert (await run).status is JobStatus.CANCELLED


async def test_a_stop_does_not_undo_a_persons_cancel(bench):
    async def handler(params, job):
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.05)

    at = bench(handler)
    job = await at.submit()
    run = await at.begin(job)

    at.runner.interrupt(job.id, Interruption.CANCEL)
    at.runner.interrupt_all(Interruption.STOP)

    assert (await run).status is JobStatus.CANCELLED


async def test_what_is_read_of_a_job_that_has_ended_meanwhile_interrupts_nobody(bench):
    may_end = asyncio.Event()

    async def handler(params, job):
        await may_end.wait()

    at = bench(handler)
    job = await at.submit()
    run = await at.begin(job)
    started = at.runner.started
    may_end.set()
    done = await run

    at.runner.compare(started, {job.id: done})

    assert [run.why for run in started.values()] == [None]


async def test_a_handlers_own_time_out_is_told_as_its_own(bench):
    async def handler(params, job):
        raise TimeoutError("the page did not answer")

    at = bench(handler)

    failed = await at.run(await at.submit())

    assert (failed.error.type, failed.error.message) == ("TimeoutError", "the page did not answer")


async def test_a_cancelled_handler_may_clean_up(bench):
    cleaned = asyncio.Event()

    async def handler(params, job):
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            cleaned.set()

    at = bench(handler)
    job = await at.submit()
    run = await at.begin(job)

    await at.services.jobs.cancel(job.id)
    at.runner.interrupt(job.id, Interruption.CANCEL)

    assert (await run).status is JobStatus.CANCELLED
    assert cleaned.is_set()


async def test_a_cancel_is_proved_step_by_step_in_the_timeline(bench):
    async def handler(params, job):
        await asyncio.sleep(60)

    at = bench(handler)
    job = await at.submit()
    running = await at.begin(job)

    await at.services.jobs.cancel(job.id)
    at.runner.interrupt(job.id, Interruption.CANCEL)
    await running

    told = [event.data for event in await at.services.store.events(job.id)][2:]
    assert told[0] == {"cancel_requested": True}
    assert told[1] == {"cancel_seen": True}
    assert told[2]["code_ended_at"] is not None


async def test_a_handler_that_swallows_a_cancel_is_told_again(bench):
    told = 0

    async def handler(params, job):
        nonlocal told
        while told < 2:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                told += 1
                assert job.cancelled
        raise asyncio.CancelledError

    at = bench(handler)
    job = await at.submit()
    run = await at.begin(job)

    at.runner.interrupt(job.id, Interruption.CANCEL)
    at.runner.interrupt(job.id, Interruption.CANCEL)

    assert (await run).status is JobStatus.CANCELLED
    assert told == 2


async def test_a_handler_that_does_not_stop_in_time_is_cancelled_and_keeps_its_slot_until_it_ends(bench):
    may_end = asyncio.Event()

    async def handler(params, job):
        while not may_end.is_set():
            try:
                await may_end.wait()
            except asyncio.CancelledError:
                continue
        return "late"

    at = bench(handler, cancel_grace_s=0.1)
    job = await at.submit()
    run = await at.begin(job)

    at.runner.interrupt(job.id, Interruption.CANCEL)
    given_up = await until(lambda: at.services.store.get(job.id), lambda j: j.status is JobStatus.CANCELLED)

    assert "did not stop in time" in given_up.message
    assert at.runner.running == [job.id]
    may_end.set()
    assert (await run).version == given_up.version
    assert at.runner.running == []


async def test_a_failing_clean_up_is_told_but_the_job_is_cancelled(bench):
    async def handler(params, job):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise OSError("browser would not close") from None

    at = bench(handler)
    job = await at.submit()
    run = await at.begin(job)

    at.runner.interrupt(job.id, Interruption.CANCEL)

    ended = await run
    assert ended.status is JobStatus.CANCELLED
    assert "browser would not close" in ended.message


async def test_a_stopping_worker_hands_its_job_back_without_costing_an_attempt(bench):
    async def handler(params, job):
        await asyncio.sleep(60)

    at = bench(handler)
    job = await at.submit()
    run = await at.begin(job)

    at.runner.interrupt_all(Interruption.STOP)

    back = await run
    assert (back.status, back.attempt) == (JobStatus.QUEUED, 1)


async def test_an_attempt_that_was_taken_away_is_interrupted_and_leaves_no_trace(bench):
    taken = asyncio.Event()
    interrupted = asyncio.Event()

    async def handler(params, job):
        await taken.wait()
        await job.step("Writing to a job that is no longer mine")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            interrupted.set()
            raise

    at = bench(handler)
    job = await at.submit(max_attempts=2)
    run = await at.begin(job)

    await at.services.reconciler.reclaim(job.id)
    taken.set()

    after = await run
    assert interrupted.is_set()
    assert (after.status, after.attempt, after.message) == (JobStatus.QUEUED, 2, "Queued again: worker lost.")


@pytest.mark.parametrize(
    ("result", "why"),
    [(object(), "is a object, which JSON does not have"), (float("nan"), "not a number"), ("\ud800", "surrogate")],
)
async def test_a_result_that_json_cannot_hold_fails_with_the_reason(bench, result, why):
    async def handler(params, job):
        return {"inner": result}

    at = bench(handler)

    failed = await at.run(await at.submit())

    assert failed.status is JobStatus.FAILED
    assert why in failed.error.message
    assert "result.inner" in failed.error.message


async def test_a_number_that_a_database_would_round_is_no_result(bench):
    numbers = [2**63 - 1, 2**63]

    async def handler(params, job):
        return numbers.pop(0)

    at = bench(handler)

    kept, failed = [await at.run(await at.submit()) for _ in range(2)]

    assert kept.result == 2**63 - 1
    assert failed.error.message.startswith("The result is a whole number of 64 bits, more than the 63")


async def test_a_result_that_is_too_large_fails_with_what_to_do(bench, world):
    async def handler(params, job):
        return "x" * (world.config.max_result_bytes + 1)

    at = bench(handler)

    failed = await at.run(await at.submit())

    assert "RUNLANE_MAX_RESULT_BYTES" in failed.error.message


async def test_an_attempt_that_nobody_wants_any_more_does_not_run(bench):
    ran = False

    async def handler(params, job):
        nonlocal ran
        ran = True

    at = bench(handler)
    job = await at.submit()
    await at.services.jobs.cancel(job.id)

    await at.run(job)

    assert not ran


async def test_steps_and_log_lines_are_all_kept_in_order(bench):
    async def handler(params, job):
        for n in range(300):
            await job.log(f"line {n}", level="debug")
            if n % 100 == 0:
                await job.step(f"step {n}", n, 300)

    at = bench(handler)
    job = await at.submit()

    await at.run(job)

    events = await at.services.store.events(job.id)
    assert [e.message for e in events if e.type is EventType.LOG] == [f"line {n}" for n in range(300)]
    assert [e.message for e in events if e.type is EventType.PROGRESS] == ["step 0", "step 100", "step 200"]
    assert events[-1].status is JobStatus.COMPLETED


async def test_progress_that_is_too_fast_is_merged_and_the_newest_wins(bench):
    async def handler(params, job):
        for n in range(1000):
            await job.progress(n, 1000, f"page {n}")
            if n % 100 == 0:
                await asyncio.sleep(0)

    at = bench(handler)
    job = await at.submit()

    await at.run(job)

    told = [e.message for e in await at.services.store.events(job.id) if e.type is EventType.PROGRESS]
    assert told[-1] == "page 999"
    assert len(told) < 500


async def test_progress_replaces_no_line_and_no_step_that_waits_to_be_written(bench):
    async def handler(params, job):
        for n in range(20):
            await job.log(f"line {n}")
            await job.progress(n, 20)
            await job.step(f"step {n}")
            await job.progress(n, 20)

    at = bench(handler)
    job = await at.submit()

    await at.run(job)

    told = await at.services.store.events(job.id)
    assert [e.message for e in told if e.type is EventType.LOG] == [f"line {n}" for n in range(20)]
    assert [e.message for e in told if e.data == {"step": True}] == [f"step {n}" for n in range(20)]


@contextlib.contextmanager
def taking_output():
    """Inside of the test: pytest has its own standard output for each of its phases."""
    output.install()
    try:
        yield
    finally:
        output.uninstall()


async def test_what_a_handler_prints_and_logs_is_in_order_with_what_it_reports(bench):
    async def handler(params, job):
        print("one")
        await job.step("two")
        await asyncio.to_thread(print, "three")
        await job.log("four", level="error")
        logging.getLogger("shop").warning("five %d", 5)
        print("six", end="")

    at = bench(handler)
    job = await at.submit()

    with taking_output():
        await at.run(job)

    events = [e for e in await at.services.store.events(job.id) if e.type is not EventType.STATUS]
    assert [e.message for e in events] == ["one", "two", "three", "four", "five 5", "six"]
    assert [(e.data.get("logger"), e.data.get("level")) for e in events] == [
        ("stdout", "info"),
        (None, None),
        ("stdout", "info"),
        (None, "error"),
        ("shop", "warning"),
        ("stdout", "info"),
    ]


async def test_a_handler_that_prints_without_a_pause_leaves_lines_out_and_says_how_many(bench):
    async def handler(params, job):
        for n in range(MAX_PENDING + 500):
            print(n)

    at = bench(handler)
    job = await at.submit()

    with taking_output():
        await at.run(job)

    lines = [e.message for e in await at.services.store.events(job.id, limit=2000) if e.type is EventType.LOG]
    assert lines[:MAX_PENDING] == [str(n) for n in range(MAX_PENDING)]
    assert lines[MAX_PENDING:] == ["500 lines left out: too many, or faster than they could be kept."]


async def test_what_a_job_prints_in_one_attempt_is_bounded(bench, monkeypatch):
    monkeypatch.setattr(context, "MAX_EMITTED", 10)

    async def handler(params, job):
        for n in range(25):
            print(n)
        await job.log("its own lines go on")

    at = bench(handler)
    job = await at.submit()

    with taking_output():
        await at.run(job)

    lines = [e.message for e in await at.services.store.events(job.id) if e.type is EventType.LOG]
    assert lines[:10] == [str(n) for n in range(10)]
    assert lines[10:] == ["its own lines go on", "15 lines left out: too many, or faster than they could be kept."]


async def test_artifacts_that_wait_to_be_written_are_bounded_by_their_size(bench, monkeypatch):
    monkeypatch.setattr(context, "MAX_PENDING_BYTES", 1000)
    sizes = []

    async def handler(params, job):
        for n in range(20):
            await job.artifact(f"{n}", bytes(600))
            sizes.append(sum(len(message.content) for message in job._pending))

    at = bench(handler)
    job = await at.submit()

    await at.run(job)

    assert max(sizes) <= 1800
    assert len(await at.services.store.artifacts(job.id)) == 20


async def test_a_thread_that_prints_without_a_pause_is_slowed_and_loses_nothing(bench):
    def talk() -> None:
        for n in range(3000):
            print(n)

    async def handler(params, job):
        await asyncio.to_thread(talk)

    at = bench(handler)
    job = await at.submit()

    with taking_output():
        await at.run(job)

    lines = [e.message for e in await at.services.store.events(job.id, limit=4000) if e.type is EventType.LOG]
    assert lines == [str(n) for n in range(3000)]


async def test_a_handler_that_blocks_the_loop_until_its_printing_thread_ends_goes_on(bench):
    def talk() -> None:
        for n in range(MAX_FROM_THREADS + 2):
            print(n)

    async def handler(params, job):
        thread = threading.Thread(target=talk)
        thread.start()
        thread.join()

    at = bench(handler)
    job = await at.submit()

    with taking_output():
        done = await at.run(job)

    lines = [e.message for e in await at.services.store.events(job.id, limit=2000) if e.type is EventType.LOG]
    assert (done.status, len(lines)) == (JobStatus.COMPLETED, MAX_FROM_THREADS + 2)


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(("done", "total"), [(-1, 10), (11, 10), (0, 0), (NAN, 10), (1, NAN), (INF, INF), (1, INF)])
async def test_progress_that_is_no_part_of_a_whole_is_refused(bench, done, total):
    async def handler(params, job):
        await job.progress(done, total)

    at = bench(handler)

    assert (await at.run(await at.submit())).error.type == "ValueError"


@pytest.mark.parametrize(("done", "total"), [(-5, 10), (NAN, 10), (5, NAN), (INF, INF), (5, -10)])
async def test_a_step_that_is_no_part_of_a_whole_is_refused(bench, done, total):
    async def handler(params, job):
        await job.step("Counting", done, total)

    at = bench(handler)

    assert (await at.run(await at.submit())).error.type == "ValueError"


@pytest.mark.parametrize(("done", "total", "shown"), [(5, 10, 50), (12, 10, 100), (0, 0, 0), (None, None, 0)])
async def test_a_step_may_tell_how_far_the_job_is(bench, done, total, shown):
    async def handler(params, job):
        await job.step("Counting", done, total)
        raise LookupError

    at = bench(handler)

    assert (await at.run(await at.submit())).progress == shown


@pytest.mark.parametrize(
    ("content", "media_type", "why"),
    [
        ("text", "text/plain", "must be bytes"),
        (b"x", "тип/текст", "no media type"),
        (b"x", "text/html\r\nX: y", "no media type"),
        (b"x", "", "no media type"),
    ],
)
async def test_an_artifact_that_could_not_be_served_is_refused(bench, content, media_type, why):
    async def handler(params, job):
        await job.artifact("a.txt", content, media_type)

    at = bench(handler)

    assert why in (await at.run(await at.submit())).error.message


async def test_a_log_level_that_does_not_exist_is_refused(bench):
    async def handler(params, job):
        await job.log("line", level="\ud800")

    at = bench(handler)

    assert (await at.run(await at.submit())).error.type == "ValueError"


REFUSE_UNLUCKY = {
    "sqlite": (
        "CREATE TRIGGER refuse BEFORE INSERT ON job_event WHEN NEW.message = 'unlucky' "
        "BEGIN SELECT RAISE(ABORT, 'no'); END",
    ),
    "postgresql": (
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE EXCEPTION 'no'; END$$",
        "CREATE TRIGGER refuse BEFORE INSERT ON job_event FOR EACH ROW WHEN (NEW.message = 'unlucky') "
        "EXECUTE FUNCTION refuse()",
    ),
}
"""Statements after which the database takes every line but one."""


@pytest.mark.parametrize("goes_on", [False, True])
async def test_a_job_whose_words_cannot_be_recorded_fails_and_says_so(bench, plain_sql, database_kind, goes_on):
    async def handler(params, job):
        for statement in REFUSE_UNLUCKY[database_kind]:
            plain_sql(statement)
        await job.log("unlucky")
        if goes_on:
            for n in range(5000):
                await job.log(f"line {n}")
        return "done"

    at = bench(handler)

    failed = await at.run(await at.submit())

    assert (failed.status, failed.error.type) == (JobStatus.FAILED, "NotRecorded")
    assert "could not be recorded" in failed.error.message


async def test_once_gives_again_what_it_returned_whatever_its_function_says_and_steps_are_called(bench):
    def begin() -> Awaitable[int]:  # a type of which nothing can be made
        answer = asyncio.get_running_loop().create_future()
        answer.set_result(42)
        return answer

    async def handler(params, job):
        async for _ in job.steps(["log in"]):
            found = await job.once("log in", begin)
            if job.attempt == 1:
                raise OSError("again")
        return found

    at = bench(handler, max_attempts=2, backoff=0)
    job = await at.submit()

    waiting = await at.run(job)
    await at.services.reconciler.queue_due([job.id], waiting.scheduled_for)
    done = await at.run(job)

    assert (done.attempt, done.status, done.result) == (2, JobStatus.COMPLETED, 42)


async def test_once_may_be_tried_again_in_the_same_attempt_until_it_returns(bench):
    calls: list[int] = []

    def pay() -> int:
        calls.append(1)
        if len(calls) == 1:
            raise OSError("the line is busy")
        return 7

    async def handler(params, job):
        with pytest.raises(OSError, match="busy"):
            await job.once("pay", pay)
        paid = await job.once("pay", pay)
        with pytest.raises(ValueError, match="two calls of once of this job are called 'pay'"):
            await job.once("pay", pay)
        return paid

    at = bench(handler)

    done = await at.run(await at.submit())

    assert (done.status, done.result, len(calls)) == (JobStatus.COMPLETED, 7, 2)


async def test_a_save_does_not_hide_that_a_line_could_not_be_recorded(bench, plain_sql, database_kind):
    async def handler(params, job):
        for statement in REFUSE_UNLUCKY[database_kind]:
            plain_sql(statement)
        await job.log("unlucky")
        with contextlib.suppress(Exception):
            await job.flush()
        await job.save(total=1)
        return "done"

    at = bench(handler)

    failed = await at.run(await at.submit())

    assert (failed.status, failed.error.type) == (JobStatus.FAILED, "NotRecorded")


async def test_a_save_that_is_too_large_leaves_what_was_kept_before(bench):
    async def handler(params, job):
        await job.save(total=1)
        with pytest.raises(ValueError, match="keep less"):
            await job.save(page="x" * (context.MAX_SAVED_BYTES + 1))
        async for _ in job.steps(range(2), "Page {}"):
            pass
        return job.saved("page")

    at = bench(handler)

    done = await at.run(await at.submit())

    assert (done.status, done.result) == (JobStatus.COMPLETED, None)
    assert await at.services.store.saved(done.id) == {"values": {"total": 1}, "steps": ["Page 0", "Page 1"]}


async def test_what_runs_on_after_a_hand_back_changes_nothing_of_the_next_try(bench):
    may_go_on, ended = asyncio.Event(), asyncio.Event()

    async def handler(params, job):
        if job.saved("by") is not None:
            return job.saved("by")
        await job.save(by="the first")
        while not may_go_on.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await may_go_on.wait()
        await job.save(by="what runs on")
        await job.log("what runs on")
        with contextlib.suppress(Exception):
            await job.flush()
        ended.set()

    at = bench(handler, cancel_grace_s=0.1)
    job = await at.submit()
    run = await at.begin(job)
    at.runner.interrupt_all(Interruption.STOP)
    back = await run
    again = await start_attempt(at.services.jobs, job.id, "worker-2")

    may_go_on.set()
    await ended.wait()

    assert (back.status, again.attempt) == (JobStatus.QUEUED, 1)
    assert await at.services.store.saved(job.id) == {"values": {"by": "the first"}}
    assert (await at.services.store.get(job.id)).version == again.version


async def test_a_handler_that_wants_to_end_the_process_ends_its_attempt_alone(bench):
    async def handler(params, job):
        raise SystemExit(3)

    at = bench(handler)

    failed = await at.run(await at.submit())

    assert failed.status is JobStatus.FAILED
    assert failed.error.message == "The handler wanted to end the process (SystemExit: 3)."


async def test_an_error_that_cannot_even_be_shown_fails_its_job_all_the_same(bench):
    class Unspeakable(Exception):
        def __str__(self):
            raise RuntimeError("no words")

    async def handler(params, job):
        raise Unspeakable

    at = bench(handler)

    failed = await at.run(await at.submit())

    assert (failed.status, failed.error.type) == (JobStatus.FAILED, "Unspeakable")


async def test_text_that_databases_refuse_is_made_storable(bench):
    async def handler(params, job):
        await job.log("a\x00b\ud800c")

    at = bench(handler)
    job = await at.submit()

    assert (await at.run(job)).status is JobStatus.COMPLETED
    assert "a�b?c" in [e.message for e in await at.services.store.events(job.id)]


async def test_nothing_a_handler_said_is_lost_while_the_database_is_away(bench, world, database_away, caplog):
    async def refused():
        return "The database refused a statement" in caplog.text

    async def handler(params, job):
        with database_away():
            for n in range(5):
                await job.log(f"line {n}")
            await until(refused)

    at = bench(handler)
    job = await at.submit()

    assert (await at.run(job)).status is JobStatus.COMPLETED
    events = await world.store.events(job.id)
    assert [e.message for e in events if e.type is EventType.LOG] == [f"line {n}" for n in range(5)]


async def test_the_end_of_a_job_is_not_lost_while_the_database_is_away(bench, database_away, caplog):
    outage = contextlib.ExitStack()

    async def handler(params, job):
        outage.enter_context(database_away())
        return "done"

    async def refused():
        return "The database refused a statement" in caplog.text

    at = bench(handler)
    run = asyncio.create_task(at.run(await at.submit()))

    await until(refused)
    outage.close()

    assert (await run).result == "done"
